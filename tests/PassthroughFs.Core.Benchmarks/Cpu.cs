using System;
using System.Runtime.InteropServices;

namespace PassthroughFs.Core.Benchmarks;

/// <summary>
/// Processor time in nanoseconds: of this thread, or of a whole process. Moves less than time on the wall.
/// </summary>
internal static unsafe partial class Cpu
{
    private const int CLOCK_THREAD_CPUTIME_ID = 3;

    /// <summary>What this thread has used, in user and kernel mode.</summary>
    public static long Thread => Read(CLOCK_THREAD_CPUTIME_ID);

    /// <summary>What all threads of a process have used.</summary>
    public static long Process(int pid)
    {
        // As clock_getcpuclockid(3) makes it: the scheduler's clock of a thread group.
        const int SchedulerClock = 2;
        return Read((~pid << 3) | SchedulerClock);
    }

    private static long Read(int clock)
    {
        // Sound: two longs are a timespec of a 64-bit system, and live until the call returns.
        long* time = stackalloc long[2];
        return clock_gettime(clock, time) == 0
            ? (time[0] * 1_000_000_000) + time[1]
            : throw new InvalidOperationException("The processor clock cannot be read: is the process gone?");
    }

    [LibraryImport("libc")]
    private static partial int clock_gettime(int clock, long* time);
}
