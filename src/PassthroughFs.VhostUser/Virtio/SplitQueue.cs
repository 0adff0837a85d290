using System;
using System.Threading;

namespace PassthroughFs.VhostUser;

/// <summary>
/// The device's side of a virtio 1.x split queue: takes descriptor chains and gives them back. The guest may write to
/// the rings at any moment, so that each field is read once and checked before it is used.
/// </summary>
/// <remarks>
/// <para>
/// Used by one thread at a time; several threads take turns under a lock of theirs, and handle requests outside of it.
/// No member makes a system call or allocates.
/// </para>
/// <para>
/// The rings are in the guest's memory: from <see cref="TryMap"/> on the caller holds a <see cref="MemoryLease"/> on
/// the map that it gave, until it maps again with another or uses the queue no more. Without that, members read and
/// write memory that may be somebody else's by then.
/// </para>
/// <para>
/// A loop that serves: <see cref="DisableKicks"/>; <see cref="TryTake"/>, handle, <see cref="Complete"/>, and an
/// interrupt if <see cref="MustCall"/>; when there is nothing, <see cref="EnableKicks"/>, and sleep until the guest
/// kicks unless that says that something came.
/// </para>
/// </remarks>
public sealed unsafe class SplitQueue
{
    /// <summary>The most descriptors of a queue.</summary>
    public const int MaxSize = 32768;

    private const int DescriptorBytes = 16;
    private const ushort NextFlag = 1;
    private const ushort WriteFlag = 2;
    private const ushort IndirectFlag = 4;
    private const ushort NoNotifyFlag = 1; // used.flags
    private const ushort NoInterruptFlag = 1; // avail.flags

    private readonly int _size;
    private readonly bool _indirect;
    private readonly bool _eventIndex;
    private Descriptor* _descriptors;
    private ushort* _available; // flags, index, ring[size], used_event
    private ushort* _used; // flags, index, ring[size] of 8 bytes, avail_event
    private ushort _nextAvailable;
    private ushort _nextUsed;
    private ushort _signalled;
    private bool _signalledIsKnown;

    /// <summary>A queue that is not mapped yet.</summary>
    /// <param name="size">A power of two, at most <see cref="MaxSize"/>.</param>
    /// <param name="next">The first index to take: 0 for a new queue, <see cref="Next"/> of a predecessor.</param>
    /// <param name="indirect">Whether VIRTIO_F_RING_INDIRECT_DESC was agreed on.</param>
    /// <param name="eventIndex">Whether VIRTIO_F_RING_EVENT_IDX was agreed on.</param>
    /// <exception cref="ArgumentOutOfRangeException">No queue has that size.</exception>
    public SplitQueue(int size, ushort next, bool indirect, bool eventIndex)
    {
        if (!IsValidSize(size))
        {
            throw new ArgumentOutOfRangeException(nameof(size), size, "a power of two up to 32768");
        }

        _size = size;
        _indirect = indirect;
        _eventIndex = eventIndex;
        _nextAvailable = next;
        _nextUsed = next;
    }

    /// <summary>The index of the next chain to take: where a successor has to go on.</summary>
    public ushort Next => _nextAvailable;

    /// <summary>What was wrong with the last bad chain or with the ring, for a log; empty if nothing was.</summary>
    public string Fault { get; private set; } = "";

    /// <summary>
    /// Whether the guest has made something available. Only a hint: <see cref="TryTake"/> looks again.
    /// </summary>
    /// <exception cref="InvalidOperationException">No map was ever found to have the rings.</exception>
    public bool HasWork => Volatile.Read(ref Available[1]) != _nextAvailable;

    private ushort* Available => _available != null ? _available : throw NotMapped();

    private ushort* Used => _used != null ? _used : throw NotMapped();

    /// <summary>Whether a queue may have so many descriptors: a power of two up to <see cref="MaxSize"/>.</summary>
    /// <param name="size">How many.</param>
    public static bool IsValidSize(int size) => size is > 0 and <= MaxSize && (size & (size - 1)) == 0;

    /// <summary>Finds the rings in a map, at first and each time when the map was replaced.</summary>
    /// <param name="memory">The map. The caller holds a lease on it.</param>
    /// <param name="addresses">Where the rings are.</param>
    /// <returns>
    /// False if one of them is not there in one piece, or not aligned: the queue cannot be used with this map, and
    /// stays with the one before.
    /// </returns>
    public bool TryMap(MemoryMap memory, RingAddresses addresses)
    {
        ArgumentNullException.ThrowIfNull(memory);
        byte* descriptors = memory.FindUser(addresses.Descriptors, (ulong)_size * DescriptorBytes);
        byte* available = memory.FindUser(addresses.Available, 4 + ((ulong)_size * 2) + 2);
        byte* used = memory.FindUser(addresses.Used, 4 + ((ulong)_size * 8) + 2);

        // What counts is where they are here; a region may begin at an odd place of its own.
        if (descriptors == null || available == null || used == null
            || !new RingAddresses((ulong)descriptors, (ulong)available, (ulong)used).AreAligned)
        {
            return false;
        }

        _descriptors = (Descriptor*)descriptors;
        _available = (ushort*)available;
        _used = (ushort*)used;
        return true;
    }

    /// <summary>
    /// Takes up where the used ring says that the queue's former user stopped. Once, before the first request.
    /// </summary>
    /// <exception cref="InvalidOperationException">No map was ever found to have the rings.</exception>
    public void ResumeUsed() => _nextUsed = Volatile.Read(ref Used[1]);

    /// <summary>Takes the next chain.</summary>
    /// <param name="memory">The map that <see cref="TryMap"/> got last.</param>
    /// <param name="chain">Gets it. Valid if the result is <see cref="TakeResult.Request"/>.</param>
    /// <returns>Whether there was one.</returns>
    /// <exception cref="InvalidOperationException">No map was ever found to have the rings.</exception>
    public TakeResult TryTake(MemoryMap memory, DescriptorChain chain)
    {
        ArgumentNullException.ThrowIfNull(memory);
        ArgumentNullException.ThrowIfNull(chain);
        ushort available = Volatile.Read(ref Available[1]); // before the ring's entry and the descriptors
        ushort waiting = (ushort)(available - _nextAvailable);
        if (waiting == 0)
        {
            return TakeResult.Empty;
        }

        if (waiting > _size)
        {
            Fault = $"the available index went from {_nextAvailable} to {available} in a queue of {_size}";
            return TakeResult.Broken;
        }

        ushort head = Volatile.Read(ref _available[2 + (_nextAvailable & (_size - 1))]);
        if (head >= _size)
        {
            // There is no chain that could be given back under this number.
            Fault = $"descriptor {head} is made available in a queue of {_size}";
            return TakeResult.Broken;
        }

        _nextAvailable++;
        if (Walk(memory, chain, head) is { } fault)
        {
            Fault = fault;
            Complete(head, 0);
            return TakeResult.BadChain;
        }

        return TakeResult.Request;
    }

    /// <summary>Gives a chain back. Chains may come back in any order, each once.</summary>
    /// <param name="head">The chain's <see cref="DescriptorChain.Head"/>.</param>
    /// <param name="length">How many bytes were written to it.</param>
    /// <exception cref="InvalidOperationException">No map was ever found to have the rings.</exception>
    public void Complete(ushort head, uint length)
    {
        uint* entry = (uint*)(Used + 2) + (2 * (_nextUsed & (_size - 1)));
        entry[0] = head;
        entry[1] = length;
        Volatile.Write(ref _used[1], ++_nextUsed); // behind the entry and the answer
    }

    /// <summary>
    /// Whether the guest asked to be called (interrupted) for what was completed since the last question.
    /// </summary>
    /// <exception cref="InvalidOperationException">No map was ever found to have the rings.</exception>
    public bool MustCall()
    {
        ushort* rings = Available;
        Interlocked.MemoryBarrier(); // the used index has to be out before the guest's wish is read
        if (!_eventIndex)
        {
            return (Volatile.Read(ref rings[0]) & NoInterruptFlag) == 0;
        }

        ushort before = _signalled;
        bool known = _signalledIsKnown;
        _signalled = _nextUsed;
        _signalledIsKnown = true;
        ushort wanted = Volatile.Read(ref rings[2 + _size]);
        return !known || (ushort)(_nextUsed - wanted - 1) < (ushort)(_nextUsed - before);
    }

    /// <summary>
    /// Tells the guest not to kick: the queue is being looked at anyway. Some kicks may come all the same.
    /// </summary>
    /// <exception cref="InvalidOperationException">No map was ever found to have the rings.</exception>
    public void DisableKicks()
    {
        // With event indexes the guest kicks when it passes the index that was asked for last, which is behind us.
        if (!_eventIndex)
        {
            Volatile.Write(ref Used[0], NoNotifyFlag);
        }
    }

    /// <summary>Asks the guest to kick at the next chain.</summary>
    /// <returns>True if something came in the meantime, for which no kick may come.</returns>
    /// <exception cref="InvalidOperationException">No map was ever found to have the rings.</exception>
    public bool EnableKicks()
    {
        ushort* used = Used;
        if (_eventIndex)
        {
            Volatile.Write(ref used[2 + (_size * 4)], _nextAvailable);
        }
        else
        {
            Volatile.Write(ref used[0], 0);
        }

        Interlocked.MemoryBarrier(); // the wish has to be out before the index is read
        return HasWork;
    }

    // A guest can cause none of these: it is the caller who maps.
    private static InvalidOperationException NotMapped() => new($"{nameof(TryMap)} has found no rings yet.");

    /// <summary>Notes a fault that was found outside.</summary>
    internal void Fail(string fault) => Fault = fault;

    // Null if the chain is sound, or what is wrong with it.
    private string? Walk(MemoryMap memory, DescriptorChain chain, ushort head)
    {
        chain.Start(head);
        Descriptor* table = _descriptors;
        int tableSize = _size;
        int index = head;
        bool inTable = false;

        // A chain that visits more descriptors than its table has goes round in a circle.
        for (int seen = 0, all = 0; seen < tableSize; seen++)
        {
            Descriptor descriptor = Copy(table + index);
            if ((descriptor.Flags & IndirectFlag) != 0)
            {
                if (!_indirect || inTable)
                {
                    return inTable ? "an indirect table in an indirect table" : "an indirect table not agreed on";
                }

                if ((descriptor.Flags & NextFlag) != 0)
                {
                    return "an indirect descriptor with a next one";
                }

                if (descriptor.Length == 0 || descriptor.Length % DescriptorBytes != 0)
                {
                    return "an indirect table with a part of a descriptor";
                }

                if (descriptor.Length / DescriptorBytes > chain.MaxDescriptors - all)
                {
                    return "a chain that is too long";
                }

                table = (Descriptor*)memory.Find(descriptor.Address, descriptor.Length);
                if (table == null)
                {
                    return "an indirect table outside of the guest's memory";
                }

                tableSize = (int)(descriptor.Length / DescriptorBytes);
                inTable = true;
                index = 0;
                seen = -1;
                continue;
            }

            if (++all > chain.MaxDescriptors)
            {
                return "a chain that is too long";
            }

            string? fault = chain.Add(
                memory, descriptor.Address, descriptor.Length, (descriptor.Flags & WriteFlag) != 0);
            if (fault is not null || (descriptor.Flags & NextFlag) == 0)
            {
                return fault;
            }

            index = descriptor.Next;
            if (index >= tableSize)
            {
                return "a next descriptor outside of the table";
            }
        }

        return "a chain that goes round in a circle";
    }

    // Once, so that what is checked is what is used. SAFETY: inside the table, by the caller; an indirect table may
    // have any alignment, hence no access that needs one.
    private static Descriptor Copy(Descriptor* descriptor)
    {
        Descriptor copy;
        new ReadOnlySpan<byte>(descriptor, DescriptorBytes).CopyTo(new Span<byte>(&copy, DescriptorBytes));
        return copy;
    }

    private struct Descriptor
    {
        public ulong Address;
        public uint Length;
        public ushort Flags;
        public ushort Next;
    }
}
