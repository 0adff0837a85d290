using System.Threading;
using Microsoft.Extensions.Logging;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Passthrough;

/// <summary>Counts what clients are refused because they have too much of it, and says it, once for each kind.</summary>
internal sealed class Refusals(ILogger logger)
{
    private long _nodes;
    private long _handles;
    private long _lockOwners;
    private long _descriptors;

    public RefusalCounts Counts => new(
        Volatile.Read(ref _nodes), Volatile.Read(ref _handles), Volatile.Read(ref _lockOwners),
        Volatile.Read(ref _descriptors));

    /// <summary>Too many nodes.</summary>
    /// <param name="most">How many there may be.</param>
    public Errno Node(int most)
    {
        if (Interlocked.Increment(ref _nodes) == 1)
        {
            PassthroughLog.TooManyNodes(logger, most);
        }

        return Errno.ENOMEM;
    }

    /// <summary>Too many open files.</summary>
    public Errno Handle()
    {
        if (Interlocked.Increment(ref _handles) == 1)
        {
            PassthroughLog.TooManyHandles(logger, ClientMemory.MostHandles);
        }

        return Errno.EMFILE;
    }

    /// <summary>Too many owners of locks.</summary>
    public Errno LockOwner()
    {
        if (Interlocked.Increment(ref _lockOwners) == 1)
        {
            PassthroughLog.TooManyLockOwners(logger, ClientMemory.MostLockOwners);
        }

        return Errno.ENOLCK;
    }

    /// <summary>No descriptor left; passes the error on.</summary>
    public Errno Descriptor(Errno error)
    {
        if (Interlocked.Increment(ref _descriptors) == 1)
        {
            PassthroughLog.OutOfDescriptors(logger, error);
        }

        return error;
    }
}
