using System;
using System.Runtime.InteropServices;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Fuzz.Engine;

/// <summary>
/// Memory for one message, cut into segments with guard bytes around each; what lies behind its end is not mapped for
/// writing by anybody else.
/// </summary>
internal sealed unsafe class SegmentedMemory : IDisposable
{
    private const int Guard = 64;
    private const int SmallGuard = 8;
    private const int MaxSegments = 2048;

    private readonly byte* _memory;
    private readonly int _size;
    private readonly IoSegment[] _segments = GC.AllocateUninitializedArray<IoSegment>(MaxSegments, pinned: true);
    private readonly int[] _starts = new int[MaxSegments];
    private readonly int[] _lengths = new int[MaxSegments];
    private int _count;
    private int _end;

    public SegmentedMemory(int capacity)
    {
        _size = capacity + (Guard * 2) + (MaxSegments * SmallGuard);
        _memory = (byte*)NativeMemory.AllocZeroed((nuint)_size);
    }

    public ReadOnlySpan<IoSegment> Segments => _segments.AsSpan(0, _count);

    /// <summary>Cuts memory for <paramref name="length"/> bytes as a seed says.</summary>
    /// <param name="length">How many bytes the segments hold together.</param>
    /// <param name="cuts">The seed; 0 for one segment.</param>
    /// <param name="header">Where messages of this kind have a natural seam.</param>
    /// <param name="guard">What to put around the segments.</param>
    public void Cut(int length, uint cuts, int header, byte guard)
    {
        _count = 0;
        _end = Guard;
        switch (cuts & 7)
        {
            case < 4:
                Add(length);
                break;
            case 4:
                Add(Math.Min(header, length));
                Add(length - Math.Min(header, length));
                break;
            case 5:
                // One byte a segment, as long as there is room for so many.
                int single = Math.Min(length, (int)(cuts >> 3) % 700);
                for (int i = 0; i < single; i++)
                {
                    Add(1);
                }

                Add(length - single);
                break;
            default:
                var rng = new Rng(cuts);
                int left = length;
                for (int i = rng.Below(12); i > 0 && left > 0; i--)
                {
                    int piece = rng.OneIn(4) ? rng.Below(Math.Min(left, 40) + 1) : rng.Below(left + 1);
                    Add(piece);
                    left -= piece;
                }

                Add(left);
                if (rng.OneIn(3))
                {
                    Add(0);
                }

                break;
        }

        // SAFETY: _size covers the capacity, a small guard behind each segment and the large ones at both ends.
        new Span<byte>(_memory, Guard).Fill(guard);
        int at = Guard;
        for (int i = 0; i < _count; i++)
        {
            int end = _starts[i] + _lengths[i];
            at = i + 1 < _count ? _starts[i + 1] : _end + Guard;
            new Span<byte>(_memory + end, at - end).Fill(guard);
        }
    }

    public void Fill(byte value)
    {
        for (int i = 0; i < _count; i++)
        {
            new Span<byte>(_memory + _starts[i], _lengths[i]).Fill(value);
        }
    }

    public void Write(ReadOnlySpan<byte> content)
    {
        for (int i = 0; i < _count; i++)
        {
            content[.._lengths[i]].CopyTo(new Span<byte>(_memory + _starts[i], _lengths[i]));
            content = content[_lengths[i]..];
        }
    }

    /// <summary>The first bytes in one piece: in place if they are, else copied.</summary>
    public ReadOnlySpan<byte> Read(int length, Span<byte> copy)
    {
        if (_count > 0 && _lengths[0] >= length)
        {
            return new ReadOnlySpan<byte>(_memory + _starts[0], length);
        }

        int done = 0;
        for (int i = 0; i < _count && done < length; i++)
        {
            int piece = Math.Min(_lengths[i], length - done);
            new ReadOnlySpan<byte>(_memory + _starts[i], piece).CopyTo(copy[done..]);
            done += piece;
        }

        return copy[..done];
    }

    /// <summary>Whether anything around the segments has changed.</summary>
    public bool IsGuardBroken(byte guard, out int segment)
    {
        segment = -1;
        if (new ReadOnlySpan<byte>(_memory, Guard).ContainsAnyExcept(guard))
        {
            return true;
        }

        for (int i = 0; i < _count; i++)
        {
            int end = _starts[i] + _lengths[i];
            int next = i + 1 < _count ? _starts[i + 1] : _end + Guard;
            if (new ReadOnlySpan<byte>(_memory + end, next - end).ContainsAnyExcept(guard))
            {
                segment = i;
                return true;
            }
        }

        return false;
    }

    /// <summary>Whether the segments hold this, still.</summary>
    public bool Holds(ReadOnlySpan<byte> content)
    {
        for (int i = 0; i < _count; i++)
        {
            if (!content[.._lengths[i]].SequenceEqual(new ReadOnlySpan<byte>(_memory + _starts[i], _lengths[i])))
            {
                return false;
            }

            content = content[_lengths[i]..];
        }

        return true;
    }

    public void Dispose() => NativeMemory.Free(_memory);

    private void Add(int length)
    {
        _starts[_count] = _end;
        _lengths[_count] = length;
        _segments[_count++] = new IoSegment(_memory + _end, (nuint)length);
        _end += length + SmallGuard;
    }
}
