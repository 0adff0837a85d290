using System.Threading;
using PassthroughFs.Core.Api;
using PassthroughFs.Paths.Tree;

namespace PassthroughFs.Paths;

/// <summary>A directory that the client has open, and what was in it when it was listed.</summary>
internal sealed class OpenedDirectory(PathNode node, ListedNames names) : IOpened
{
    private readonly Lock _lock = new();
    private bool _isClosed;

    public PathNode Node => node;

    /// <summary>What was in it when it was listed; null before.</summary>
    public PathListing? Listing { get; private set; }

    /// <summary>Takes a listing in the place of the one before.</summary>
    /// <returns>ENOMEM if all of them have as many names as they may, EBADF if the directory is closed.</returns>
    public Errno SetListing(PathListing listing)
    {
        lock (_lock)
        {
            Errno error = _isClosed ? Errno.EBADF
                : names.TryReplace(Listing?.Items.Count ?? 0, listing.Items.Count) ? Errno.OK
                : Errno.ENOMEM;
            Listing = error == Errno.OK ? listing : Listing;
            return error;
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _isClosed = true;
            names.TryReplace(Listing?.Items.Count ?? 0, 0);
            Listing = null;
        }
    }
}
