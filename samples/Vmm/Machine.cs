using System;
using System.IO;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using PassthroughFs.Core.Api;
using PassthroughFs.VhostUser;

namespace PassthroughFs.Samples.Vmm;

/// <summary>The VMM's part: the guest's memory, a virtio-fs device, and a queue between them.</summary>
internal sealed unsafe partial class Machine : IDisposable
{
    public const ulong MemoryStart = 0x4000_0000; // where the guest has its memory
    public const int QueueSize = 16;
    private const int MemoryBytes = 1 << 20;
    private const uint CloseOnExec = 1, TakesSeals = 2;

    private readonly GuestMemory _memory = new();
    private readonly FsDevice _device;
    private readonly FsRequestHandler _handler;
    private readonly DescriptorChain _chain = new(QueueSize);
    private readonly SplitQueue _queue;

    public Machine(IFileSystem fileSystem)
    {
        // Memory with a descriptor, as a VMM gives it to KVM. The mapping keeps it, so that the descriptor may go.
        using var memory = new SafeFileHandle(memfd_create("guest\0"u8, CloseOnExec | TakesSeals), ownsHandle: true);
        RandomAccess.SetLength(memory, MemoryBytes);
        GuestRegion region = GuestRegion.Map(memory, MemoryStart, MemoryBytes);
        _memory.Replace(region);
        Ram = region.Pointer;

        // The guest reads its name and its queues in the configuration space. A handler for each thread that serves,
        // all made before the first request: the smallest queue says how much data a request may have. Indirect
        // descriptors and event indexes are features on which driver and device may agree; these two do not.
        _device = new FsDevice(fileSystem, new FsDeviceOptions { Tag = "share", RequestQueues = 1 });
        _handler = _device.CreateHandler(queue: 1, QueueSize);
        _queue = new SplitQueue(QueueSize, next: 0, indirect: false, eventIndex: false);
    }

    /// <summary>The guest's memory as the guest sees it, from <see cref="MemoryStart"/> on.</summary>
    public byte* Ram { get; }

    /// <summary>Where the driver has put its rings, in the guest's addresses: registers of the transport.</summary>
    public RingAddresses Rings { get; set; }

    /// <summary>The guest's kick: here a call, in a VMM an ioeventfd, for which a thread of the queue waits.</summary>
    /// <returns>Whether the guest wants an interrupt: an irqfd in a VMM.</returns>
    public bool Kick()
    {
        // The lease keeps the memory mapped while pointers into it are used, whatever happens to the map meanwhile.
        using MemoryLease lease = _memory.Lease();
        if (!_queue.TryMap(lease.Map, Rings))
        {
            throw new InvalidOperationException("the guest's rings are not in its memory");
        }

        TakeResult taken;
        do
        {
            _queue.DisableKicks();

            // The chain's segments are checked pointers into the guest's memory: the file system reads and writes there
            // without a copy. What breaks the rules was given back already.
            while ((taken = _queue.TryTake(lease.Map, _chain)) is TakeResult.Request or TakeResult.BadChain)
            {
                if (taken == TakeResult.Request)
                {
                    _queue.Complete(_chain.Head, _handler.Handle(_chain));
                }
            }
        }
        while (taken != TakeResult.Broken && _queue.EnableKicks()); // something came without a kick: look again

        return _queue.MustCall();
    }

    public void Dispose()
    {
        _device.Reset(); // closes what the guest had open
        _memory.Dispose(); // unmaps, as nobody has a lease
    }

    [LibraryImport("libc")]
    private static partial int memfd_create(ReadOnlySpan<byte> name, uint flags);
}
