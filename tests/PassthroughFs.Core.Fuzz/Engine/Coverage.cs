using System.Collections.Generic;
using System.Numerics;

namespace PassthroughFs.Core.Fuzz.Engine;

/// <summary>
/// What a run has reached, told by replies: which operation was answered with which error and how much, in which
/// configuration, after which other operation.
/// </summary>
internal sealed class Coverage
{
    private const int Bits = 20;
    private const int MostTapes = 3000;
    private const int TapeLength = 24;
    private const int TapeBytes = 8192;

    private readonly ulong[] _seen = new ulong[(1 << Bits) / 64];
    private readonly List<Tape> _tapes = [];

    public int Count { get; private set; }

    /// <summary>Sessions that reached something first.</summary>
    public IReadOnlyList<Tape> Tapes => _tapes;

    public void Learn(Tape tape) => _tapes.Add(tape);

    /// <summary>Notes an answer; the end of the tape is kept if nobody had it before.</summary>
    public void Note(int setup, uint opcode, uint before, int errno, int length, Tape tape)
    {
        uint size = length > 16 ? (uint)BitOperations.Log2((uint)length) : 0;
        uint hash = (uint)HashCode(setup, opcode, (uint)errno, size) >> (32 - Bits);
        bool isNew = Mark(hash);

        // Pairs of operations lead to states that single ones do not.
        isNew |= errno >= 0 && Mark((uint)HashCode(200, opcode, (uint)errno, before) >> (32 - Bits));
        if (!isNew)
        {
            return;
        }

        Tape last = tape.Last(TapeLength, TapeBytes);
        if (last.Count == 0)
        {
            return;
        }

        if (_tapes.Count < MostTapes)
        {
            _tapes.Add(last);
        }
        else
        {
            _tapes[(int)(hash % MostTapes)] = last;
        }
    }

    private static ulong HashCode(int a, uint b, uint c, uint d)
    {
        ulong x = ((ulong)(uint)a << 48) ^ ((ulong)b << 32) ^ ((ulong)c << 16) ^ d;
        x *= 0x9E3779B97F4A7C15;
        return (x ^ (x >> 29)) * 0xBF58476D1CE4E5B9 >> 32;
    }

    private bool Mark(uint bit)
    {
        ref ulong word = ref _seen[bit / 64];
        ulong mask = 1UL << (int)(bit % 64);
        if ((word & mask) != 0)
        {
            return false;
        }

        word |= mask;
        Count++;
        return true;
    }
}
