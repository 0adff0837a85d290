using System;
using System.Runtime.InteropServices;

namespace PassthroughFs.Core.Fuzz.Engine;

/// <summary>
/// Bytes that are where a client must never get them from: each kind repeats one byte, which requests never do, so that
/// four in a row in an answer say where they came from. A second set tells a leak from a coincidence.
/// </summary>
internal readonly struct Poison
{
    public static readonly Poison First = new(0xA1, 0xD3, 0xC9);
    public static readonly Poison Second = new(0xB6, 0xDD, 0xCB);

    /// <summary>Of which the sentinel files outside of the root consist.</summary>
    public const byte Secret = 0xE7;

    private Poison(byte reply, byte guard, byte scratch)
    {
        Reply = reply;
        Guard = guard;
        Scratch = scratch;
    }

    /// <summary>What reply memory holds beforehand.</summary>
    public byte Reply { get; }

    /// <summary>What lies around segments.</summary>
    public byte Guard { get; }

    /// <summary>What the worker's own memory and the stack hold beforehand.</summary>
    public byte Scratch { get; }

    /// <summary>Says which poison an answer carries; null for none.</summary>
    public string? Find(ReadOnlySpan<byte> answer, out int at)
    {
        ReadOnlySpan<uint> words = MemoryMarshal.Cast<byte, uint>(answer);
        uint reply = Reply * 0x01010101u;
        uint guard = Guard * 0x01010101u;
        uint scratch = Scratch * 0x01010101u;
        const uint secret = Secret * 0x01010101u;
        int index = words.IndexOfAny(reply, guard, scratch);
        if (index < 0)
        {
            index = words.IndexOf(secret);
            if (index < 0)
            {
                at = 0;
                return null;
            }
        }

        at = index * sizeof(uint);
        uint found = words[index];
        return found == reply ? "bytes that were never written"
            : found == guard ? "memory around a segment"
            : found == scratch ? "memory of the worker or the stack"
            : "content of a file outside of the root";
    }
}
