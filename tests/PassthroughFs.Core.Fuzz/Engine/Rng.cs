using System;
using System.Numerics;

namespace PassthroughFs.Core.Fuzz.Engine;

/// <summary>Numbers that follow from a seed alone, on every machine and in every version of .NET.</summary>
internal struct Rng
{
    private ulong _a;
    private ulong _b;

    public Rng(ulong seed)
    {
        _a = Mix(ref seed);
        _b = Mix(ref seed);
    }

    public ulong Next()
    {
        // xoroshiro128+
        ulong a = _a;
        ulong b = _b;
        ulong result = a + b;
        b ^= a;
        _a = BitOperations.RotateLeft(a, 24) ^ b ^ (b << 16);
        _b = BitOperations.RotateLeft(b, 37);
        return result;
    }

    public uint Next32() => (uint)(Next() >> 32);

    /// <summary>From 0 to <paramref name="limit"/> - 1.</summary>
    public int Below(int limit) => (int)(((Next() >> 32) * (uint)limit) >> 32);

    public bool OneIn(int n) => Below(n) == 0;

    public bool Percent(int percent) => Below(100) < percent;

    public T Of<T>(ReadOnlySpan<T> values) => values[Below(values.Length)];

    private static ulong Mix(ref ulong seed)
    {
        // splitmix64
        ulong z = seed += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
