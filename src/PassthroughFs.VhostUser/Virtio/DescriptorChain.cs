using System;
using PassthroughFs.Core.Api;

namespace PassthroughFs.VhostUser;

/// <summary>
/// One request: what the guest wants read and where it wants the answer, as pieces of its memory. Filled again for each
/// request by <see cref="SplitQueue.TryTake"/>, so that none is allocated.
/// </summary>
/// <remarks>
/// The segments point into the guest's memory, every byte of which was checked to be there. They are valid as long as
/// the <see cref="MemoryLease"/> on the map that the chain was taken with is held, and until the chain is filled again.
/// The guest may change what they point to at any moment. One thread's at a time.
/// </remarks>
public sealed class DescriptorChain
{
    private readonly IoSegment[] _readable;
    private readonly IoSegment[] _writable;
    private int _readableCount;
    private int _writableCount;
    private ulong _total;

    /// <summary>Makes room for chains of that many descriptors.</summary>
    /// <param name="descriptors">The most descriptors of a chain, at least 1; a longer one is a bad chain.</param>
    /// <param name="seams">How many of them may lie across the border of two regions, at least 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is too small.</exception>
    public DescriptorChain(int descriptors, int seams = 32)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(descriptors);
        ArgumentOutOfRangeException.ThrowIfNegative(seams);
        MaxDescriptors = descriptors;
        _readable = new IoSegment[descriptors + seams];
        _writable = new IoSegment[descriptors + seams];
    }

    /// <summary>The most descriptors of a chain.</summary>
    public int MaxDescriptors { get; }

    /// <summary>The number of the descriptor that it begins with, for <see cref="SplitQueue.Complete"/>.</summary>
    public ushort Head { get; private set; }

    /// <summary>What the guest sends: to be read only.</summary>
    public ReadOnlySpan<IoSegment> Readable => _readable.AsSpan(0, _readableCount);

    /// <summary>Where the answer goes.</summary>
    public ReadOnlySpan<IoSegment> Writable => _writable.AsSpan(0, _writableCount);

    internal void Start(ushort head)
    {
        Head = head;
        _readableCount = 0;
        _writableCount = 0;
        _total = 0;
    }

    /// <summary>Adds what a descriptor says.</summary>
    /// <returns>Null, or what is wrong with it.</returns>
    internal string? Add(MemoryMap memory, ulong address, uint length, bool writable)
    {
        if (length == 0)
        {
            return "a descriptor of length 0";
        }

        if (!writable && _writableCount > 0)
        {
            return "a readable descriptor behind a writable one";
        }

        _total += length;
        if (_total > uint.MaxValue)
        {
            return "a chain of more than 4 GiB";
        }

        bool inside = writable
            ? memory.TryTranslate(address, length, _writable, ref _writableCount)
            : memory.TryTranslate(address, length, _readable, ref _readableCount);
        return inside ? null : "a descriptor that points outside of the guest's memory";
    }
}
