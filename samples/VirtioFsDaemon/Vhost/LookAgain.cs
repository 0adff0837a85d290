using System;
using System.Diagnostics;
using System.Threading;
using PassthroughFs.Samples.VirtioFsDaemon.Virtio;

namespace PassthroughFs.Samples.VirtioFsDaemon.Vhost;

/// <summary>
/// How long to look for more work before going to sleep: a moment where sleeps turn out to be short, as then each costs
/// the guest a kick and both sides a wake-up; not at all where they are long, or there is one processor only.
/// </summary>
internal sealed class LookAgain
{
    // No longer than that: requests that come together are cheaper than requests that are waited for one by one.
    private static readonly long s_window = Environment.ProcessorCount > 1 ? Stopwatch.Frequency / 200_000 : 0; // 5 µs
    private static readonly long s_shortSleep = Stopwatch.Frequency / 20_000; // 50 µs

    private bool _isWorthIt;

    /// <summary>Looks for a moment, if that has been worth it of late.</summary>
    /// <returns>True if there is work.</returns>
    public bool Until(SplitQueue queue, ref bool stop)
    {
        if (!_isWorthIt)
        {
            return queue.HasWork;
        }

        long end = Stopwatch.GetTimestamp() + s_window;
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
    public void Slept(long ticks) => _isWorthIt = ticks < s_shortSleep;
}
