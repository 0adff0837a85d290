using System;
using PassthroughFs.Core.Protocol;

namespace PassthroughFs.VhostUser;

/// <summary>
/// Handles requests of one queue of a <see cref="FsDevice"/>, one at a time. One thread's; several threads that share a
/// queue have one each.
/// </summary>
public sealed class FsRequestHandler
{
    private readonly FsDevice _device;
    private FuseWorker? _worker;

    internal FsRequestHandler(FsDevice device) => _device = device;

    /// <summary>
    /// Handles a request: its reply is written to the chain's writable segments. Throws nothing that the guest could
    /// cause, and allocates nothing after the first request. May take as long as the file system does.
    /// </summary>
    /// <param name="chain">
    /// The request. Whoever calls holds the <see cref="MemoryLease"/> on the map that the chain was taken with, until
    /// this returns.
    /// </param>
    /// <returns>How many bytes were written, for <see cref="SplitQueue.Complete"/>; 0 where no reply is owed.</returns>
    public uint Handle(DescriptorChain chain)
    {
        ArgumentNullException.ThrowIfNull(chain);
        return (uint)(_worker ??= _device.CreateWorker()).Dispatch(chain.Readable, chain.Writable);
    }
}
