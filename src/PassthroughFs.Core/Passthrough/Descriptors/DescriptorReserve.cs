using System;
using System.Threading;
using PassthroughFs.Core.Interop;

namespace PassthroughFs.Core.Passthrough;

/// <summary>
/// The descriptors of this process that no client gets, whatever it does: the runtime, a logger, a thread that starts, a
/// request under way and the end of a mount need some too, and a process that has none left ends.
/// </summary>
/// <remarks>
/// Linux gives each new descriptor the lowest number that is free. So a number that is not below
/// <see cref="First"/> says that everything below is in use, by whomever, and nothing has to be counted: what would stay
/// open under such a number is closed again, and the client gets EMFILE. What a request opens for its own time alone may
/// have such a number; those are as many as there are requests under way.
/// </remarks>
internal static unsafe class DescriptorReserve
{
    /// <summary>A process with a lower limit cannot serve: the runtime itself holds about that many.</summary>
    public const int SmallestLimit = 128;

    private const ulong Most = 512;
    private const ulong Share = 8;

    private static int s_first = int.MaxValue;

    /// <summary>The first number of the reserve: an eighth of the limit, or 512 if that is less.</summary>
    public static int First => Volatile.Read(ref s_first);

    /// <summary>Reads the soft RLIMIT_NOFILE again: it changes (prlimit(2)).</summary>
    /// <returns>The limit; no more than an int holds.</returns>
    public static int Refresh()
    {
        ulong* limits = stackalloc ulong[2]; // SAFETY: struct rlimit is two 64-bit numbers, soft and hard.
        ulong limit = Sys.Getrlimit(Constants.RLIMIT_NOFILE, limits) == 0 ? Math.Min(limits[0], int.MaxValue) : 1024;
        Volatile.Write(ref s_first, (int)(limit - Math.Min(limit / Share, Most)));
        return (int)limit;
    }
}
