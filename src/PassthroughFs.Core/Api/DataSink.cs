using System;

namespace PassthroughFs.Core.Api;

/// <summary>
/// Where READ puts the data: the transport's own memory. Fill it from the front, by a system call on
/// <see cref="Peek"/>'s segments followed by <see cref="Advance"/>, or by <see cref="Write"/>.
/// </summary>
/// <remarks>Borrowed: valid until the call it was given to returns.</remarks>
public ref struct DataSink
{
    private SegmentCursor _cursor;

    /// <summary>A sink over <paramref name="segments"/> that takes at most <paramref name="limit"/> bytes.</summary>
    public DataSink(ReadOnlySpan<IoSegment> segments, long limit)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(limit);
        _cursor = new SegmentCursor(segments, limit);
    }

    internal DataSink(SegmentCursor cursor) => _cursor = cursor;

    /// <summary>How many bytes still fit.</summary>
    public readonly long Remaining => _cursor.Remaining;

    /// <summary>How many bytes were put in.</summary>
    public long Written { get; private set; }

    /// <summary>
    /// Lists the free memory, without taking it. Fewer than all segments if <paramref name="target"/> is too small:
    /// then fill those, <see cref="Advance"/>, and ask again.
    /// </summary>
    /// <returns>How many elements of <paramref name="target"/> are set.</returns>
    public readonly int Peek(Span<IoSegment> target) => _cursor.Peek(target);

    /// <summary>Says that the next <paramref name="count"/> bytes have been filled.</summary>
    /// <exception cref="ArgumentOutOfRangeException">
    /// That is more than <see cref="Remaining"/>, or negative.
    /// </exception>
    public void Advance(long count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, Remaining);
        _cursor.Advance(count);
        Written += count;
    }

    /// <summary>Copies <paramref name="data"/> in.</summary>
    /// <returns>How many bytes fit.</returns>
    public int Write(scoped ReadOnlySpan<byte> data)
    {
        int count = _cursor.Write(data);
        Written += count;
        return count;
    }
}
