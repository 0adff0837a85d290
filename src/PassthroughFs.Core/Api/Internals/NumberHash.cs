using System.Numerics;

namespace PassthroughFs.Core.Api;

/// <summary>Stands in for inode numbers that do not fit where they are shown.</summary>
internal static class NumberHash
{
    /// <summary>Where these numbers begin; the last one is twice this, less one.</summary>
    public const ulong First = 1UL << 55;

    /// <summary>
    /// A number of 56 bits whose highest is 1. The same one always; two different pairs get the same one with a chance of
    /// 2^-55.
    /// </summary>
    /// <param name="space">What the number is unique in.</param>
    /// <param name="number">The number.</param>
    public static ulong Of(ulong space, ulong number)
    {
        // Each half takes a number apart from every other of its space; from both together no way leads back.
        ulong key = Mix(space);
        return First | ((Mix(number ^ key) ^ Mix(BitOperations.RotateLeft(number, 32) + key)) & (First - 1));
    }

    /// <summary>Maps 64 bits one to one so that each bit counts for each (the end of MurmurHash3).</summary>
    private static ulong Mix(ulong value)
    {
        value += 0x9e37_79b9_7f4a_7c15;
        value = (value ^ (value >> 33)) * 0xff51_afd7_ed55_8ccd;
        value = (value ^ (value >> 33)) * 0xc4ce_b9fe_1a85_ec53;
        return value ^ (value >> 33);
    }
}
