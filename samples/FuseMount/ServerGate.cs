using System;
using System.Diagnostics;
using System.Threading;

namespace PassthroughFs.Samples.FuseMount;

/// <summary>Where threads wait between two requests while the server stands still.</summary>
internal sealed class ServerGate
{
    private readonly object _lock = new();
    private volatile bool _isClosed;
    private int _waiting;

    /// <summary>Asked before each request.</summary>
    public bool IsClosed => _isClosed;

    /// <summary>Waits until it is open.</summary>
    public void Wait()
    {
        lock (_lock)
        {
            _waiting++;
            Monitor.PulseAll(_lock);
            while (_isClosed)
            {
                Monitor.Wait(_lock);
            }

            _waiting--;
        }
    }

    /// <summary>Closes it and waits for all threads to be there.</summary>
    /// <param name="threads">How many there are.</param>
    /// <param name="ask">
    /// Makes one request and waits for its answer: the thread that gives it finds the gate closed. The last one may be left
    /// for whoever serves next.
    /// </param>
    /// <param name="asked">Called when nothing is asked any more.</param>
    /// <param name="limit">How long to wait.</param>
    /// <returns>False if some did not come: it is open again.</returns>
    public bool Close(int threads, Action ask, Action asked, TimeSpan limit)
    {
        _isClosed = true;
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
    public void Open()
    {
        lock (_lock)
        {
            _isClosed = false;
            Monitor.PulseAll(_lock);
        }
    }

    private void AskUntilAllWait(int threads, Action ask, Action asked)
    {
        while (_isClosed && Volatile.Read(ref _waiting) < threads)
        {
            ask();
        }

        asked();
    }
}
