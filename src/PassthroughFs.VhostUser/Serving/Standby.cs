using System;
using System.Threading;

namespace PassthroughFs.VhostUser;

/// <summary>
/// Where threads wait that serve a queue only while others hang. They are there from the beginning, because a thread
/// that is needed when something goes wrong may not be had then.
/// </summary>
internal sealed class Standby
{
    private readonly object _lock = new();
    private volatile int _wanted;

    /// <summary>Whether so many serve that a thread may, by its place among those of its queue.</summary>
    public bool Wants(int place) => place < _wanted;

    /// <summary>Sets how many requests hang.</summary>
    public void Want(int hanging)
    {
        if (_wanted != hanging)
        {
            _wanted = hanging;
            Wake();
        }
    }

    /// <summary>Has them look whether they are over.</summary>
    public void Wake()
    {
        lock (_lock)
        {
            Monitor.PulseAll(_lock);
        }
    }

    /// <summary>Waits until a thread may serve, or is over.</summary>
    public void Wait(int place, Func<bool> isOver)
    {
        lock (_lock)
        {
            while (!Wants(place) && !isOver())
            {
                Monitor.Wait(_lock);
            }
        }
    }
}
