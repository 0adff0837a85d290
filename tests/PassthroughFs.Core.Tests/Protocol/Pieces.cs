using System;
using System.Collections.Generic;
using PassthroughFs.Core.Api;
using Xunit;

namespace PassthroughFs.Core.Tests.Protocol;

/// <summary>
/// A message in pieces, each with guard bytes on both sides: whoever writes past a piece is found out.
/// </summary>
internal sealed unsafe class Pieces
{
    private const byte Guard = 0xA5;
    private const int GuardSize = 16;

    private readonly byte[] _memory;
    private readonly List<(int Start, int Length)> _pieces = [];

    /// <summary>Pieces of the given lengths.</summary>
    public Pieces(IReadOnlyList<int> lengths)
    {
        int total = GuardSize;
        foreach (int length in lengths)
        {
            _pieces.Add((total, length));
            total += length + GuardSize;
            Length += length;
        }

        _memory = GC.AllocateUninitializedArray<byte>(total, pinned: true);
        Array.Fill(_memory, Guard);
        Segments = new IoSegment[_pieces.Count];
        fixed (byte* memory = _memory)
        {
            for (int i = 0; i < Segments.Length; i++)
            {
                // Outlives the fixed block: the array is a pinned one, and this object holds it.
                Segments[i] = new IoSegment(memory + _pieces[i].Start, (nuint)_pieces[i].Length);
            }
        }
    }

    public IoSegment[] Segments { get; }

    public int Length { get; }

    /// <summary>One piece.</summary>
    public static Pieces Whole(int length) => new([length]);

    public static Pieces Whole(byte[] content) => Whole(content.Length).Fill(content);

    /// <summary>Pieces of random lengths, some of them empty.</summary>
    public static Pieces Random(int length, Random random)
    {
        List<int> lengths = [];
        int most = random.Next(4) == 0 ? 2 : random.Next(1, Math.Max(2, length + 1));
        for (int left = length; left > 0;)
        {
            int next = Math.Min(left, random.Next(0, most + 1));
            lengths.Add(next);
            left -= next;
        }

        if (random.Next(2) == 0)
        {
            lengths.Add(0);
        }

        return new Pieces(lengths);
    }

    /// <summary>One byte a piece.</summary>
    public static Pieces Single(int length)
    {
        int[] lengths = new int[length];
        Array.Fill(lengths, 1);
        return new Pieces(lengths);
    }

    public Pieces Fill(ReadOnlySpan<byte> content)
    {
        foreach ((int start, int length) in _pieces)
        {
            content[..length].CopyTo(_memory.AsSpan(start));
            content = content[length..];
        }

        return this;
    }

    public byte[] Content(int count)
    {
        List<byte> content = [];
        foreach ((int start, int length) in _pieces)
        {
            content.AddRange(_memory.AsSpan(start, Math.Min(length, count - content.Count)));
        }

        return [.. content];
    }

    /// <summary>
    /// Nothing outside the pieces has changed, nor behind the first <paramref name="used"/> bytes of them.
    /// </summary>
    public void AssertUntouchedBehind(int used)
    {
        bool[] mayChange = new bool[_memory.Length];
        foreach ((int start, int length) in _pieces)
        {
            int here = Math.Min(length, used);
            Array.Fill(mayChange, true, start, here);
            used -= here;
        }

        for (int i = 0; i < _memory.Length; i++)
        {
            if (!mayChange[i] && _memory[i] != Guard)
            {
                Assert.Fail($"Byte {i} of {_memory.Length} was changed.");
            }
        }
    }
}
