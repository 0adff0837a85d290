using System.Runtime.InteropServices;

namespace PassthroughFs.Core.VhostBench;

/// <summary>How long a process's threads have been running, in nanoseconds.</summary>
internal static unsafe partial class ProcessorTime
{
    private const int ProcessClock = 2; // CLOCK_PROCESS_CPUTIME_ID

    /// <summary>Of this process.</summary>
    public static long Own => Read(ProcessClock);

    /// <summary>Of another one: the clock that clock_getcpuclockid(3) gives.</summary>
    public static long Of(int pid) => Read((~pid << 3) | ProcessClock);

    private static long Read(int clock)
    {
        long* time = stackalloc long[2]; // Sound: struct timespec of a 64-bit system.
        _ = clock_gettime(clock, time);
        return (time[0] * 1_000_000_000) + time[1];
    }

    [LibraryImport("libc")]
    private static partial int clock_gettime(int clock, long* time);
}
