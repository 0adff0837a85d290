using System.Threading;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Passthrough;

/// <summary>
/// The slots of an <see cref="InodeStore"/> and two hash indexes over them: by NodeId and by host identity.
/// </summary>
/// <remarks>
/// Changes come under the store's lock. Readers take none: they may run into a slot that is being moved or reused, so a
/// hit must be pinned and checked again, and a miss must be confirmed under the lock. Slot 0 is never used, so that 0
/// ends a chain.
/// </remarks>
internal sealed class InodeTable
{
    private const int ChunkShift = 10;
    private const int ChunkSize = 1 << ChunkShift;

    /// <summary>Without the lock, a chain longer than this is taken for one that changed underfoot.</summary>
    public const int MaxSteps = 128;

    private InodeSlot[][] _chunks = [new InodeSlot[ChunkSize]];
    private Buckets _buckets = new(ChunkSize);
    private int _used = 1;
    private int _free;
    private int _linked;

    public ref InodeSlot this[int slot] => ref Volatile.Read(ref _chunks)[slot >> ChunkShift][slot & (ChunkSize - 1)];

    /// <summary>How many slots have ever been used, slot 0 included.</summary>
    public int Used => _used;

    /// <summary>The slot with this NodeId, or 0. Under the lock there is no limit to the steps.</summary>
    public int Find(NodeId node, int maxSteps)
    {
        int slot = Volatile.Read(ref Volatile.Read(ref _buckets).ByNode(node.Value));
        for (int step = 0; slot != 0 && step < maxSteps; step++)
        {
            ref InodeSlot candidate = ref this[slot];
            if (candidate.Node == node.Value)
            {
                return slot;
            }

            slot = Volatile.Read(ref candidate.NextByNode);
        }

        return 0;
    }

    /// <summary>The slot with this key and handle, or 0. Under the lock there is no limit to the steps.</summary>
    public int Find(in InodeKey key, in KernelHandle handle, int maxSteps) => Find(key, handle, maxSteps, out _);

    /// <summary>
    /// As above, a live one before a remembered one; <paramref name="isDisputed"/> says that on the way was a live one
    /// with this key, of which only a handle can tell whether it is the one.
    /// </summary>
    public int Find(in InodeKey key, in KernelHandle handle, int maxSteps, out bool isDisputed)
    {
        isDisputed = false;
        int remembered = 0;
        int slot = Volatile.Read(ref Volatile.Read(ref _buckets).ByKey(key));
        for (int step = 0; slot != 0 && step < maxSteps; step++)
        {
            ref InodeSlot candidate = ref this[slot];
            if (candidate.Key == key)
            {
                bool isIt = candidate.Is(key, handle);
                if (isIt && !candidate.IsRemembered)
                {
                    return slot;
                }

                remembered = isIt ? slot : remembered;
                isDisputed |= candidate.IsLive;
            }

            slot = Volatile.Read(ref candidate.NextByKey);
        }

        return remembered;
    }

    /// <summary>Whether a live one seems to have this key.</summary>
    public bool SeemsLive(in InodeKey key)
    {
        int slot = Volatile.Read(ref Volatile.Read(ref _buckets).ByKey(key));
        for (int step = 0; slot != 0 && step < MaxSteps; step++)
        {
            ref InodeSlot candidate = ref this[slot];
            if (candidate.Key == key && candidate.IsLive)
            {
                return true;
            }

            slot = Volatile.Read(ref candidate.NextByKey);
        }

        return false;
    }

    /// <summary>A remembered slot with this key, whatever its handle, or 0. Under the lock.</summary>
    public int FindRemembered(in InodeKey key)
    {
        int slot = _buckets.ByKey(key);
        while (slot != 0 && !(this[slot].Key == key && this[slot].IsRemembered))
        {
            slot = this[slot].NextByKey;
        }

        return slot;
    }

    /// <summary>The remembered slot with this key and exactly this handle, or 0. Under the lock.</summary>
    public int FindRemembered(in InodeKey key, in KernelHandle handle)
    {
        int slot = _buckets.ByKey(key);
        while (slot != 0 && !(this[slot].Key == key && this[slot].IsRemembered && this[slot].Handle == handle))
        {
            slot = this[slot].NextByKey;
        }

        return slot;
    }

    /// <summary>Takes a free slot, to be linked next. Under the lock.</summary>
    /// <exception cref="System.OutOfMemoryException">There is no memory for one more; nothing has changed.</exception>
    public int Take()
    {
        if (_linked == _buckets.Capacity)
        {
            Grow();
        }

        int slot = _free;
        if (slot != 0)
        {
            _free = this[slot].Next;
            return slot;
        }

        if (_used == _chunks.Length * ChunkSize)
        {
            var chunks = new InodeSlot[_chunks.Length + 1][];
            _chunks.CopyTo(chunks, 0);
            chunks[^1] = new InodeSlot[ChunkSize];
            Volatile.Write(ref _chunks, chunks);
        }

        return _used++;
    }

    /// <summary>Gives back a slot that is not linked and not pinned. Under the lock.</summary>
    public void Free(int slot)
    {
        this[slot].Next = _free;
        _free = slot;
    }

    /// <summary>Makes a filled slot visible to readers. Under the lock.</summary>
    public void Link(int slot)
    {
        _linked++;
        Link(slot, _buckets);
    }

    /// <summary>
    /// Takes a slot out of the indexes. Under the lock. Its own links stay, for readers who are on it.
    /// </summary>
    public void Unlink(int slot)
    {
        ref InodeSlot gone = ref this[slot];
        ref int link = ref _buckets.ByNode(gone.Node);
        while (link != slot)
        {
            link = ref this[link].NextByNode;
        }

        Volatile.Write(ref link, gone.NextByNode);
        link = ref _buckets.ByKey(gone.Key);
        while (link != slot)
        {
            link = ref this[link].NextByKey;
        }

        Volatile.Write(ref link, gone.NextByKey);
        _linked--;
    }

    private void Link(int slot, Buckets buckets)
    {
        ref InodeSlot added = ref this[slot];
        ref int byNode = ref buckets.ByNode(added.Node);
        Volatile.Write(ref added.NextByNode, byNode);
        Volatile.Write(ref byNode, slot);
        ref int byKey = ref buckets.ByKey(added.Key);
        Volatile.Write(ref added.NextByKey, byKey);
        Volatile.Write(ref byKey, slot);
    }

    /// <summary>Doubles the buckets. Readers get lost meanwhile; their misses wait for the lock.</summary>
    private void Grow()
    {
        Buckets old = _buckets;
        var buckets = new Buckets(old.Capacity * 2);
        for (int bucket = 0; bucket < old.Capacity; bucket++)
        {
            // Every linked slot is in exactly one chain by node. The next one is read before Link changes it.
            for (int slot = old.NodeChain(bucket), next; slot != 0; slot = next)
            {
                next = this[slot].NextByNode;
                Link(slot, buckets);
            }
        }

        Volatile.Write(ref _buckets, buckets);
    }

    private sealed class Buckets(int capacity)
    {
        private readonly int[] _byNode = new int[capacity];
        private readonly int[] _byKey = new int[capacity];

        /// <summary>A power of two.</summary>
        public int Capacity => _byNode.Length;

        public ref int ByNode(ulong node) => ref _byNode[Mix(node) & (uint)(_byNode.Length - 1)];

        public ref int ByKey(in InodeKey key) =>
            ref _byKey[Mix(key.Ino ^ (key.Dev << 40) ^ (key.Mnt * 0x9E37_79B9UL)) & (uint)(_byKey.Length - 1)];

        public int NodeChain(int bucket) => _byNode[bucket];

        private static uint Mix(ulong value)
        {
            value *= 0x9E37_79B9_7F4A_7C15UL;
            return (uint)(value >> 32) ^ (uint)(value >> 59);
        }
    }
}
