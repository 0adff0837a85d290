using System;
using System.Diagnostics;
using System.Threading;
using PassthroughFs.Samples.VirtioFsDaemon.Virtio;

namespace PassthroughFs.Samples.VirtioFsDaemon.Vhost;

/// <summary>
/// How long to look for more work before going to sleep: a while where sleeps turn out to be short, as then each would
/// cost two system calls and a wake-up; not at all where they are long, or there is one processor only.
/// </summary>
internal sealed class LookAgain
{
    private static readonly long s_most = Environment.ProcessorCount > 1 ? Stopwatch.Frequency / 20_000 : 0; // 50 µs
    private static readonly long s_least = s_most / 8;

    private long _window;

    /// <summary>Looks for as long as it has been worth it of late.</summary>
    /// <returns>True if there is work.</returns>
    public bool Until(SplitQueue queue, ref bool stop)
    {
        if (_window == 0)
        {
            return queue.HasWork;
        }

        long end = Stopwatch.GetTimestamp() + _window;
        do
        {
            if (queue.HasWork)
            {
                return true;
            }

            Thread.SpinWait(10);
        }
        while (!Volatile.Read(ref stop) && Stopwatch.GetTimestamp() < end);

        return false;
    }

    /// <summary>Notes how long a sleep lasted.</summary>
    public void Slept(long ticks) => _window = ticks <= s_most ? Math.Clamp(_window * 2, s_least, s_most) : 0;
}
