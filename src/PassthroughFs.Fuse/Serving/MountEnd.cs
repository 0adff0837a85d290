using System;
using System.Diagnostics;
using System.Threading;
using Microsoft.Extensions.Logging;

namespace PassthroughFs.Fuse;

/// <summary>
/// The end of a mount, which comes although the source hangs: what is under way is waited for up to a limit, then said and
/// aborted.
/// </summary>
internal sealed class MountEnd(ActiveMount mount, HangWatch watch, Func<bool> isAborting, TimeSpan limit, ILogger logger)
{
    private static readonly TimeSpan s_quietLimit = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_step = TimeSpan.FromMilliseconds(100);

    private readonly long _start = Stopwatch.GetTimestamp();
    private bool _hasGivenUp;

    /// <summary>What the kernel has not written yet is written.</summary>
    public void Flush() => Run(mount.Flush);

    /// <summary>Takes the mount out of the tree, unless that has happened.</summary>
    public void Remove() => Run(mount.Remove);

    /// <summary>Waits for threads to end, which they do after the requests that were under way when it was to end.</summary>
    /// <param name="wait">Waits for them for some time.</param>
    /// <returns>False if somebody still uses the mount, or requests hang.</returns>
    public bool WaitForThreads(Func<TimeSpan, bool> wait)
    {
        if (wait(s_quietLimit))
        {
            return true;
        }

        while (AreUnderWay && !_hasGivenUp)
        {
            if (IsTooLong)
            {
                GiveUp();
            }
            else if (wait(s_step))
            {
                return true;
            }
        }

        return wait(TimeSpan.Zero);
    }

    private bool IsTooLong => isAborting() || Stopwatch.GetElapsedTime(_start) > limit;

    // Those from before the end, by a look that is a second old at most. Others come from who has files open, as long as
    // this process lives.
    private bool AreUnderWay => watch.Count(Stopwatch.GetElapsedTime(_start) - s_quietLimit) > 0;

    // The kernel gives a signal to the first thread if it can. Where that one hangs in a call that waits for the
    // server, the signal that is to end the hanging would never be seen.
    private void Run(Action action)
    {
        var thread = new Thread(() => action()) { Name = "ptfs-end", IsBackground = true };
        thread.Start();
        while (!thread.Join(s_step))
        {
            if (_hasGivenUp)
            {
                // Nobody is waited for any more, so it comes back if it ever does.
                thread.Join(s_quietLimit);
                return;
            }

            if (IsTooLong)
            {
                GiveUp();
            }
        }
    }

    private void GiveUp()
    {
        _hasGivenUp = true;
        string requests = watch.Describe().TrimEnd('\n').ReplaceLineEndings("; ");
        if (requests.Length > 0)
        {
            Log.EndsWithHanging(logger, Math.Round(Stopwatch.GetElapsedTime(_start).TotalSeconds, 1), requests);
        }

        mount.Abort();
    }
}
