using System.Threading;

namespace PassthroughFs.Paths;

/// <summary>How many names the listings of all open directories have.</summary>
internal sealed class ListedNames(int most)
{
    private long _count;

    /// <summary>Counts a listing in the place of another one, unless that is too many.</summary>
    public bool TryReplace(int before, int after)
    {
        long change = (long)after - before;
        if (Interlocked.Add(ref _count, change) <= most || change <= 0)
        {
            return true;
        }

        Interlocked.Add(ref _count, -change);
        return false;
    }
}
