using System;

namespace PassthroughFs.Shared;

/// <summary>The limit of open files below which a program could not even say what is wrong.</summary>
internal static unsafe class DescriptorMinimum
{
    /// <summary>Says on standard error that the limit is too low, if it is. To be called first of all.</summary>
    /// <param name="least">The lowest that is high enough for a message.</param>
    /// <param name="message">What is said, with a line's end.</param>
    /// <returns>Whether it is high enough.</returns>
    public static bool IsThere(ulong least, ReadOnlySpan<byte> message)
    {
        ulong* limit = stackalloc ulong[2]; // SAFETY: struct rlimit is two 64-bit numbers, soft and hard.
        if (Libc.getrlimit(Libc.RLIMIT_NOFILE, limit) != 0 || limit[0] >= least)
        {
            return true;
        }

        fixed (byte* text = message)
        {
            _ = Libc.write(2, text, (nuint)message.Length); // SAFETY: pinned, and as long as that.
        }

        return false;
    }
}
