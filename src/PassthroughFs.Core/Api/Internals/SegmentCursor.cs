using System;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace PassthroughFs.Core.Api;

/// <summary>A position in a list of segments. Copies in and out, never past the limit it was given.</summary>
internal ref struct SegmentCursor
{
    private readonly ReadOnlySpan<IoSegment> _segments;
    private int _index;
    private nuint _offset;

    public SegmentCursor(ReadOnlySpan<IoSegment> segments, long limit)
    {
        _segments = segments;
        Remaining = Math.Min(limit, TotalLength(segments));
    }

    /// <summary>Goes on at a position that another cursor over the same segments had.</summary>
    public SegmentCursor(ReadOnlySpan<IoSegment> segments, int index, nuint offset, long remaining)
    {
        _segments = segments;
        _index = index;
        _offset = offset;
        Remaining = remaining;
    }

    /// <summary>The segment the position is in; with <see cref="Offset"/>, enough to come back to it.</summary>
    public readonly int Index => _index;

    /// <summary>The position within the segment.</summary>
    public readonly nuint Offset => _offset;

    /// <summary>How many bytes are left before the limit.</summary>
    public long Remaining { get; private set; }

    /// <summary>The sum of the segments' lengths, saturating at <see cref="long.MaxValue"/>.</summary>
    public static long TotalLength(ReadOnlySpan<IoSegment> segments)
    {
        ulong total = 0;
        foreach (ref readonly IoSegment segment in segments)
        {
            ulong next = total + segment.Length;
            if (next < total || next > long.MaxValue)
            {
                return long.MaxValue;
            }

            total = next;
        }

        return (long)total;
    }

    /// <summary>Draws the limit nearer: at most <paramref name="most"/> bytes from here.</summary>
    public void Limit(long most) => Remaining = Math.Min(Remaining, most);

    /// <summary>Moves on by <paramref name="count"/> bytes, or to the limit if that is nearer.</summary>
    public void Advance(long count)
    {
        count = Math.Min(count, Remaining);
        Remaining -= count;
        nuint left = (nuint)count;
        while (left > 0)
        {
            nuint here = _segments[_index].Length - _offset;
            if (left < here)
            {
                _offset += left;
                return;
            }

            left -= here;
            _index++;
            _offset = 0;
        }
    }

    /// <summary>
    /// Lists what lies ahead, up to the limit, without moving; fewer than all if <paramref name="target"/> is full.
    /// Empty segments are left out.
    /// </summary>
    public readonly unsafe int Peek(Span<IoSegment> target)
    {
        int count = 0;
        nuint left = (nuint)Remaining;
        nuint offset = _offset;
        for (int i = _index; left > 0 && count < target.Length; i++, offset = 0)
        {
            ref readonly IoSegment segment = ref _segments[i];
            nuint length = nuint.Min(segment.Length - offset, left);
            if (length == 0)
            {
                continue;
            }

            // Sound: offset <= segment.Length, so the pointer stays inside the segment.
            target[count++] = new IoSegment(segment.Pointer + offset, length);
            left -= length;
        }

        return count;
    }

    /// <summary>Copies out of the segments; returns how much, less than asked only at the limit.</summary>
    public int Read(scoped Span<byte> target)
    {
        int done = 0;
        while (done < target.Length && Remaining > 0)
        {
            Span<byte> here = Here(target.Length - done);
            here.CopyTo(target[done..]);
            done += here.Length;
            Advance(here.Length);
        }

        return done;
    }

    /// <summary>Copies into the segments; returns how much, less than asked only at the limit.</summary>
    public int Write(scoped ReadOnlySpan<byte> source)
    {
        int done = 0;
        while (done < source.Length && Remaining > 0)
        {
            Span<byte> here = Here(source.Length - done);
            source.Slice(done, here.Length).CopyTo(here);
            done += here.Length;
            Advance(here.Length);
        }

        return done;
    }

    /// <summary>What lies ahead in one piece, never empty. Only while something remains.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private unsafe Span<byte> Here(int most)
    {
        while (_segments[_index].Length == _offset)
        {
            _index++;
            _offset = 0;
        }

        ref readonly IoSegment segment = ref _segments[_index];
        nuint length = nuint.Min(segment.Length - _offset, (nuint)Math.Min(most, Remaining));

        // Sound: [_offset, _offset + length) lies inside the segment, whose owner keeps it mapped during the call.
        return MemoryMarshal.CreateSpan(ref *(segment.Pointer + _offset), (int)length);
    }
}
