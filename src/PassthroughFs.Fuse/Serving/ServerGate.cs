using System;
using System.Diagnostics;
using System.Threading;

namespace PassthroughFs.Fuse;

/// <summary>
/// Where threads wait between two requests while the server stands still, and those that stand by until they are needed.
/// </summary>
internal sealed class ServerGate
{
    private readonly object _lock = new();
    private int _wanted;
    private bool _isClosed;
    private volatile int _most;
    private int _waiting;

    /// <summary>Whether a thread has to wait. Asked before each request.</summary>
    /// <param name="rank">0 for a thread that serves, 1 and up for those that stand by.</param>
    public bool IsClosedFor(int rank) => rank > _most;

    /// <summary>Waits until a thread may serve.</summary>
    public void Wait(int rank)
    {
        lock (_lock)
        {
            _waiting++;
            Monitor.PulseAll(_lock);
            while (IsClosedFor(rank))
            {
                Monitor.Wait(_lock);
            }

            _waiting--;
        }
    }

    /// <summary>How many of those that stand by shall serve as well; all of them at the end.</summary>
    public void Want(int standby)
    {
        if (Volatile.Read(ref _wanted) != standby)
        {
            lock (_lock)
            {
                _wanted = standby;
                Change();
            }
        }
    }

    /// <summary>Closes it and waits for all threads to be there.</summary>
    /// <param name="threads">How many there are, those that stand by included.</param>
    /// <param name="ask">
    /// Makes one request and waits for its answer: the thread that gives it finds the gate closed. The last one may be left
    /// for whoever serves next.
    /// </param>
    /// <param name="asked">Called when nothing is asked any more.</param>
    /// <param name="limit">How long to wait.</param>
    /// <returns>False if some did not come: it is open again.</returns>
    public bool Close(int threads, Action ask, Action asked, TimeSpan limit)
    {
        SetClosed(true);
        new Thread(() => AskUntilAllWait(threads, ask, asked)) { Name = "ptfs-gate", IsBackground = true }.Start();
        long start = Stopwatch.GetTimestamp();
        lock (_lock)
        {
            while (_waiting < threads)
            {
                TimeSpan left = limit - Stopwatch.GetElapsedTime(start);
                if (left <= TimeSpan.Zero)
                {
                    Open();
                    return false;
                }

                Monitor.Wait(_lock, left);
            }

            return true;
        }
    }

    /// <summary>Has them go on.</summary>
    public void Open() => SetClosed(false);

    private void SetClosed(bool isClosed)
    {
        lock (_lock)
        {
            _isClosed = isClosed;
            Change();
        }
    }

    private void Change()
    {
        _most = _isClosed ? -1 : _wanted;
        Monitor.PulseAll(_lock);
    }

    private void AskUntilAllWait(int threads, Action ask, Action asked)
    {
        while (_most < 0 && Volatile.Read(ref _waiting) < threads)
        {
            ask();
        }

        asked();
    }
}
