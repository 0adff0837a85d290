using System;

namespace PassthroughFs.PtfsVirtiofsd;

/// <summary>The limit of open files below which this program could not even say what is wrong.</summary>
internal static unsafe class DescriptorMinimum
{
    // What the library takes. The runtime opens a file for each assembly, and below some 100 the one that writes the
    // library's message is not among them.
    private const ulong Least = 128;

    /// <summary>Says on standard error that the limit is too low, if it is. To be called first of all.</summary>
    /// <returns>Whether it is high enough.</returns>
    public static bool IsThere()
    {
        ulong* limit = stackalloc ulong[2]; // SAFETY: struct rlimit is two 64-bit numbers, soft and hard.
        if (Libc.getrlimit(Libc.RLIMIT_NOFILE, limit) != 0 || limit[0] >= Least)
        {
            return true;
        }

        ReadOnlySpan<byte> message =
            "ptfs-virtiofsd: the limit of open files (RLIMIT_NOFILE) is below 128: "u8 +
            "raise it (ulimit -n) to 1,024 or more\n"u8;
        fixed (byte* text = message)
        {
            _ = Libc.write(2, text, (nuint)message.Length); // SAFETY: pinned, and as long as that.
        }

        return false;
    }
}
