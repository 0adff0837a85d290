using System.Threading;

namespace PassthroughFs.Core.Passthrough;

/// <summary>
/// Counts the users of a slot's file descriptor, and the store as one of them until it lets go. At 0 the descriptor is
/// closed, and nobody can become a user any more.
/// </summary>
internal struct PinCount
{
    private int _count;

    /// <summary>Begins with the store as the only user; what it guards must be in place.</summary>
    public void Start() => Volatile.Write(ref _count, 1);

    /// <summary>Becomes a user, unless there is none left.</summary>
    public bool TryAdd()
    {
        int count = Volatile.Read(ref _count);
        while (count > 0)
        {
            int seen = Interlocked.CompareExchange(ref _count, count + 1, count);
            if (seen == count)
            {
                return true;
            }

            count = seen;
        }

        return false;
    }

    /// <summary>
    /// Has what is guarded for itself if there are exactly so many users, all of whom the caller speaks for: nobody
    /// becomes one before <see cref="Start"/>.
    /// </summary>
    public bool TryClaim(int users) => Interlocked.CompareExchange(ref _count, 0, users) == users;

    /// <summary>Is a user no more; true for the last one, who closes.</summary>
    public bool Release() => Interlocked.Decrement(ref _count) == 0;
}
