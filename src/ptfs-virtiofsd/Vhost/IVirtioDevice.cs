using System;
using PassthroughFs.Core.Api;
using PassthroughFs.PtfsVirtiofsd.Virtio;

namespace PassthroughFs.PtfsVirtiofsd.Vhost;

/// <summary>What is behind the queues.</summary>
internal interface IVirtioDevice
{
    int QueueCount { get; }

    /// <summary>The device's configuration space; empty if the VMM has it itself.</summary>
    ReadOnlySpan<byte> Configuration { get; }

    /// <summary>How many threads a queue gets: so many of its requests are handled at once.</summary>
    int ThreadsOf(int queue);

    /// <summary>How many more it gets that serve while others hang.</summary>
    int StandbyThreadsOf(int queue);

    /// <summary>Where those wait.</summary>
    Standby Standby { get; }

    /// <summary>Makes what handles a queue's requests on one of its threads.</summary>
    IChainHandler CreateHandler(int queue, int queueSize);

    /// <summary>Back to the beginning: the guest is gone. No handler is used again; one may still be at a request that hangs.</summary>
    void Reset();

    /// <summary>
    /// How much memory the device shares for files to be mapped into, in bytes; 0 for none. It is region 0.
    /// </summary>
    ulong WindowLength { get; }

    /// <summary>That memory, where the VMM can be asked to map; null if it cannot. For sessions that begin.</summary>
    IDaxWindow? Window { set; }
}

/// <summary>Handles requests of one queue, one at a time.</summary>
internal interface IChainHandler
{
    /// <summary>Handles one; returns how many bytes were written to it. Throws nothing.</summary>
    uint Handle(DescriptorChain chain);
}
