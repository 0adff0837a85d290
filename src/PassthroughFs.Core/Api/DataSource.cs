using System;

namespace PassthroughFs.Core.Api;

/// <summary>
/// Where WRITE gets the data: the transport's own memory. Drain it from the front, by a system call on
/// <see cref="Peek"/>'s segments followed by <see cref="Advance"/>, or by <see cref="Read"/>.
/// </summary>
/// <remarks>
/// Borrowed: valid until the call it was given to returns. The memory may be a guest's, so that it changes while it is
/// read: read each byte once.
/// </remarks>
public ref struct DataSource
{
    private SegmentCursor _cursor;

    /// <summary>A source over the first <paramref name="limit"/> bytes of <paramref name="segments"/>.</summary>
    public DataSource(ReadOnlySpan<IoSegment> segments, long limit)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(limit);
        _cursor = new SegmentCursor(segments, limit);
    }

    internal DataSource(SegmentCursor cursor) => _cursor = cursor;

    /// <summary>How many bytes are left.</summary>
    public readonly long Remaining => _cursor.Remaining;

    /// <summary>How many bytes were taken.</summary>
    public long Consumed { get; private set; }

    /// <summary>
    /// Lists the data, without taking them. Fewer than all segments if <paramref name="target"/> is too small: then use
    /// those, <see cref="Advance"/>, and ask again.
    /// </summary>
    /// <returns>How many elements of <paramref name="target"/> are set.</returns>
    public readonly int Peek(Span<IoSegment> target) => _cursor.Peek(target);

    /// <summary>Says that the next <paramref name="count"/> bytes have been used.</summary>
    /// <exception cref="ArgumentOutOfRangeException">
    /// That is more than <see cref="Remaining"/>, or negative.
    /// </exception>
    public void Advance(long count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, Remaining);
        _cursor.Advance(count);
        Consumed += count;
    }

    /// <summary>Copies data out.</summary>
    /// <returns>How many bytes there were.</returns>
    public int Read(scoped Span<byte> target)
    {
        int count = _cursor.Read(target);
        Consumed += count;
        return count;
    }
}
