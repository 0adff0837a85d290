using System;
using System.Threading;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;

namespace PassthroughFs.Core.Passthrough;

/// <summary>
/// Maps NodeIds to host inodes and back, counts lookups, and owns the file descriptors. Safe for any number of threads.
/// </summary>
/// <remarks>
/// <para>
/// Finding a live inode, by NodeId or by identity, takes no lock: a slot is found in the table, pinned, and checked
/// again; a miss is confirmed under the lock. Adding and removing take the lock for a few memory writes. No system call
/// is made under it.
/// </para>
/// <para>
/// An inode goes when its lookup count reaches 0; its NodeId stays remembered, for a bounded number of inodes, so that
/// the same inode gets it again.
/// </para>
/// </remarks>
public sealed partial class InodeStore : IDisposable
{
    private readonly Lock _lock = new();
    private readonly InodeTable _table = new();
    private readonly InodeAllocator? _allocator;
    private readonly MountFds? _mounts;
    private readonly bool _reopens;
    private readonly bool _hasRing;
    private readonly int _retained;

    private ulong _nextNode = NodeId.Root.Value + 1;
    private uint _removals;

    // From the end of a session until there is a root again.
    private bool _hasEnded;
    private int _live;
    private int _remembered;
    private int _oldestRemembered;
    private int _newestRemembered;

    /// <summary>An empty store.</summary>
    /// <param name="allocator">Makes NodeIds from the host's inode numbers; null counts from 2 on.</param>
    /// <param name="retainedMappings">How many forgotten inodes keep their NodeId.</param>
    /// <param name="reopens">
    /// Forgotten inodes are opened again by NodeId (<see cref="TryGetRemembered"/>): each that has a handle is
    /// remembered, NodeIds from the host's numbers included.
    /// </param>
    public InodeStore(InodeAllocator? allocator, int retainedMappings, bool reopens = false)
        : this(allocator, retainedMappings, null, reopens)
    {
    }

    /// <summary>As above, with the mounts of inodes that have a handle; those of remembered ones are remembered too.
    /// </summary>
    /// <param name="allocator">As above.</param>
    /// <param name="retainedMappings">As above.</param>
    /// <param name="mounts">The mounts, or null.</param>
    /// <param name="reopens">As above.</param>
    /// <param name="hasRing">Whether it knows which inodes' descriptors are cold (<see cref="PickCold"/>).</param>
    internal InodeStore(
        InodeAllocator? allocator, int retainedMappings, MountFds? mounts, bool reopens, bool hasRing = false)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(retainedMappings);
        _allocator = allocator;
        _retained = retainedMappings;
        _mounts = mounts;
        _reopens = reopens;
        _hasRing = hasRing;
    }

    internal InodeAllocator? Allocator => _allocator;

    /// <summary>How many inodes may be live, the root included; null for what the process's memory allows.</summary>
    internal int? MostLive { get; init; }

    /// <summary>Whether one inode more may become live.</summary>
    internal bool HasRoom => MostLive is int most ? Count < most : ClientMemory.HasRoomForNode;

    /// <summary>How many inodes are live.</summary>
    public int Count => Volatile.Read(ref _live);

    /// <summary>How many forgotten inodes are remembered.</summary>
    public int RememberedCount => Volatile.Read(ref _remembered);

    /// <summary>Holds a live inode; <see cref="HostInode.IsNone"/> if the NodeId is not known.</summary>
    public HostInode Get(NodeId node)
    {
        int slot = _table.Find(node, InodeTable.MaxSteps);
        TestPoint("InodeStore.Get: found");
        if (slot != 0 && TryPin(slot, node))
        {
            _table[slot].Touch();
            return new HostInode(this, ref _table[slot], slot);
        }

        lock (_lock)
        {
            slot = _table.Find(node, int.MaxValue);
            return slot != 0 && _table[slot].TryPin() ? new HostInode(this, ref _table[slot], slot) : default;
        }
    }

    /// <summary>Finds a live inode by the host's identity alone and counts one lookup.</summary>
    /// <param name="key">The host's identity.</param>
    /// <param name="birth">
    /// Birth time in nanoseconds, 0 if not known. A different one means that the number was given to another file
    /// between the caller's two looks at it: not found.
    /// </param>
    /// <param name="node">The NodeId, if it is found.</param>
    /// <remarks>A miss is not confirmed under the lock: <see cref="Add"/> does that.</remarks>
    public InodeMatch TryLookup(in InodeKey key, ulong birth, out NodeId node) =>
        TryLookup(key, birth, KernelHandle.None, out node, out bool isDisputed) ? InodeMatch.Found
            : isDisputed ? InodeMatch.NeedsHandle : InodeMatch.None;

    /// <summary>Finds a live inode by its identity and its kernel handle and counts one lookup.</summary>
    /// <param name="key">The host's identity.</param>
    /// <param name="birth">As above.</param>
    /// <param name="handle">The kernel handle, or none. It tells where no file descriptor holds the inode.</param>
    /// <param name="node">The NodeId.</param>
    /// <remarks>A miss is not confirmed under the lock: <see cref="Add"/> does that.</remarks>
    public bool TryLookup(in InodeKey key, ulong birth, in KernelHandle handle, out NodeId node) =>
        TryLookup(key, birth, handle, out node, out _);

    /// <summary>Whether an inode with this number seems to live: a hint, which may be wrong at once.</summary>
    internal bool SeemsLive(in InodeKey key) => _table.SeemsLive(key);

    /// <summary>
    /// Counts one lookup of an inode, which becomes live if it was not. The store takes over
    /// <see cref="NewInode.Fd"/> and <see cref="NewInode.Mount"/> in any case.
    /// </summary>
    /// <remarks>The caller holds the inode by the fd, so that its identity cannot be another's meanwhile.</remarks>
    /// <returns>
    /// EAGAIN if a live inode that is kept by handle has its number, and no handle is given: to be added again with its
    /// handle, which alone tells. Then nothing was taken over. EOVERFLOW if there are no more NodeIds, ENOMEM if there is
    /// no memory for one more, EBADF between the end of a session and the next one's root.
    /// </returns>
    public Errno Add(in NewInode inode, out NodeId node)
    {
        Errno result;
        bool isTaken;
        try
        {
            lock (_lock)
            {
                result = AddLocked(inode, out node, out isTaken);
            }
        }
        catch (OutOfMemoryException)
        {
            // Nothing has changed: the table takes memory before anything else.
            node = NodeId.None;
            isTaken = false;
            result = Errno.ENOMEM;
        }

        if (!isTaken && result != Errno.EAGAIN)
        {
            Close(inode.Fd, inode.Mount);
        }

        return result;
    }

    /// <summary>Makes an inode the root, with a lookup count of 2 as is the custom. It is never forgotten.</summary>
    public void AddRoot(in NewInode inode)
    {
        bool isTaken;
        int stray = 0;
        lock (_lock)
        {
            isTaken = _table.Find(NodeId.Root, int.MaxValue) == 0;
            if (isTaken)
            {
                _hasEnded = false;
                stray = TakeOut(_table.Find(inode.Key, inode.Handle, int.MaxValue));
                Insert(inode, NodeId.Root, 2);
            }
        }

        if (!isTaken)
        {
            Close(inode.Fd, inode.Mount);
        }
        else if (stray != 0)
        {
            Unpin(stray);
        }
    }

    /// <summary>How many lookups of a node the client holds; 0 if it is not known.</summary>
    public ulong LookupCount(NodeId node)
    {
        using HostInode inode = Get(node);
        return inode.IsNone ? 0 : inode.LookupCount;
    }

    /// <summary>As <see cref="Clear()"/>.</summary>
    public void Dispose() => Clear();

    /// <summary>Lets go of a slot; the last one closes the file descriptor and frees the slot.</summary>
    internal void Unpin(int slot)
    {
        ref InodeSlot unpinned = ref _table[slot];
        if (!unpinned.Pins.Release())
        {
            return;
        }

        TestPoint("InodeStore.Unpin: unused");
        Close(unpinned.Fd, unpinned.Mount);
        lock (_lock)
        {
            _fds -= unpinned.Fd >= 0 ? 1 : 0;
            _table.Free(slot);
        }
    }

    /// <summary>A point at which a test can stop this thread; nothing in a build without them.</summary>
    static partial void TestPoint(string point);

    private bool TryLookup(
        in InodeKey key, ulong birth, in KernelHandle handle, out NodeId node, out bool isDisputed)
    {
        node = NodeId.None;
        int slot = _table.Find(key, handle, InodeTable.MaxSteps, out isDisputed);
        if (slot == 0)
        {
            return false;
        }

        TestPoint("InodeStore.TryLookup: found");
        ref InodeSlot found = ref _table[slot];
        if (!found.TryPin())
        {
            return false;
        }

        TestPoint("InodeStore.TryLookup: pinned");
        bool isIt = found.Is(key, handle) && (birth == 0 || found.Birth == 0 || found.Birth == birth) &&
            found.TryAddLookup();
        found.Touch();
        node = isIt ? new NodeId(found.Node) : NodeId.None;
        Unpin(slot);
        return isIt;
    }

    /// <summary>Pins a slot that was found without the lock, if it is (still) that node's.</summary>
    private bool TryPin(int slot, NodeId node)
    {
        ref InodeSlot found = ref _table[slot];
        if (!found.TryPin())
        {
            return false;
        }

        if (found.Node == node.Value)
        {
            return true;
        }

        Unpin(slot);
        return false;
    }

    private Errno AddLocked(in NewInode inode, out NodeId node, out bool isTaken)
    {
        isTaken = false;
        node = NodeId.None;
        if (_hasEnded)
        {
            // Whoever asks belongs to the session that was: the node would be the next one's, and the root a second time.
            return Errno.EBADF;
        }

        int slot = _table.Find(inode.Key, inode.Handle, int.MaxValue, out bool isDisputed);
        if (slot != 0 && !_table[slot].IsRemembered)
        {
            // From 0 as well: the thread that brought it there waits for the lock, and will see the new count. The
            // birth time does not matter here: both hold the inode by fd, or it agrees by handle.
            ref InodeSlot found = ref _table[slot];
            if (!found.TryAddLookup())
            {
                Volatile.Write(ref found.Lookups, 1);
            }

            node = new NodeId(found.Node);
            return Errno.OK;
        }

        if (isDisputed && inode.Handle.IsNone)
        {
            return Errno.EAGAIN;
        }

        if (!HasRoom)
        {
            return Errno.ENOMEM;
        }

        // The number is this inode's now: whatever else is remembered to have had it is deleted.
        while (_table.FindRemembered(inode.Key) is not 0 and int remembered)
        {
            if (IsSame(remembered, inode, out bool isCertain) && (isCertain || node == NodeId.None))
            {
                node = new NodeId(_table[remembered].Node);
            }

            DropRemembered(remembered);
        }

        if (node == NodeId.None && !TryAllocate(inode.Key, out node))
        {
            return Errno.EOVERFLOW;
        }

        Insert(inode, node, 1);
        isTaken = true;
        return Errno.OK;
    }

    /// <summary>
    /// Makes way for the root, which has its identity alone. Returns a slot to let go of outside the lock, or 0.
    /// </summary>
    private int TakeOut(int slot)
    {
        if (slot == 0)
        {
            return 0;
        }

        if (_table[slot].IsRemembered)
        {
            DropRemembered(slot);
            return 0;
        }

        Volatile.Write(ref _table[slot].Lookups, 0);
        Remove(slot);
        return slot;
    }

    private bool TryAllocate(in InodeKey key, out NodeId node)
    {
        // A number that a live inode has can come again where inodes are kept by handle: the file was deleted, and its
        // number given to a new one. The root has a number of its own, which the allocator never makes.
        if (_allocator is not null && _allocator.TryAllocate(key, out node) &&
            (_table.Find(node, int.MaxValue) == 0 || _allocator.TryAllocateVirtual(key, out node)))
        {
            return true;
        }

        // There are more devices than the allocator tells apart: these numbers are smaller than all of its own.
        node = new NodeId(_nextNode);
        return _nextNode++ <= (_allocator is null ? InodeAllocator.MaxNodeId : InodeAllocator.MaxHostIno);
    }

    private void Insert(in NewInode inode, NodeId node, ulong lookups)
    {
        TestPoint("InodeStore.Insert: memory");
        int index = _table.Take();
        ref InodeSlot slot = ref _table[index];
        slot.Node = node.Value;
        slot.Key = inode.Key;
        slot.Birth = inode.Birth;
        slot.Handle = inode.Handle;
        slot.Fd = inode.Fd;
        slot.Mount = inode.Mount;
        slot.Mode = inode.Mode;
        slot.Removals = _removals;
        slot.IsRemembered = false;
        slot.IsLive = true;
        slot.IsInRing = false;
        slot.IsUsed = false;
        Volatile.Write(ref slot.Lookups, lookups);
        slot.Pins.Start();
        _table.Link(index);
        _live++;
        ClientMemory.AddNodes(1);
        if (slot.Fd >= 0)
        {
            _fds++;
            JoinRing(index);
        }
    }

    /// <summary>Takes a live inode out of the table; the caller lets go of the store's pin afterwards.</summary>
    private void Remove(int slot)
    {
        _table.Unlink(slot);
        _table[slot].IsLive = false;
        _live--;
        ClientMemory.AddNodes(-1);
        LeaveRing(slot);
    }

    private void Close(int fd, int mount)
    {
        if (fd >= 0)
        {
            _ = Sys.Close(fd);
        }

        if (mount >= 0)
        {
            _mounts?.Release(mount);
        }
    }
}
