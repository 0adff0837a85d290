using System;
using PassthroughFs.Shared;

namespace PassthroughFs.PtfsMount;

/// <summary>The limit of open files below which this program could not even say what is wrong.</summary>
internal static unsafe class DescriptorMinimum
{
    // The runtime opens a file for each assembly, and below some 70 the one that writes a message is not among them.
    // From here up to what serving takes the library says it.
    private const ulong Least = 96;

    /// <summary>Says on standard error that the limit is too low, if it is. To be called first of all.</summary>
    /// <returns>Whether it is high enough for a message.</returns>
    public static bool IsThere()
    {
        ulong* limit = stackalloc ulong[2]; // SAFETY: struct rlimit is two 64-bit numbers, soft and hard.
        if (Libc.getrlimit(Libc.RLIMIT_NOFILE, limit) != 0 || limit[0] >= Least)
        {
            return true;
        }

        ReadOnlySpan<byte> message =
            "ptfs-mount: the limit of open files (RLIMIT_NOFILE) is below 96, and serving takes 128 at least: "u8 +
            "raise it (ulimit -n) to 1,024 or more\n"u8;
        fixed (byte* text = message)
        {
            _ = Libc.write(2, text, (nuint)message.Length); // SAFETY: pinned, and as long as that.
        }

        return false;
    }
}
