using System;
using System.Collections.Generic;
using System.Threading;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.FailingSource;

/// <summary>All faults there are now, and who hangs in one.</summary>
internal sealed class Faults
{
    [ThreadStatic]
    private static ulong t_request;

    private readonly object _lock = new();
    private readonly HashSet<ulong> _interrupted = [];
    private Fault[] _all = [];
    private int _hanging;

    public int Hanging => Volatile.Read(ref _hanging);

    public void Add(Fault fault)
    {
        lock (_lock)
        {
            _all = [.. _all, fault];
        }
    }

    /// <summary>Ends all faults, and lets go of who hangs.</summary>
    public void Clear() => End(_ => true);

    /// <summary>The same for those of one operation and name.</summary>
    public void Release(string operation, string name) => End(fault => fault.IsOf(operation, name));

    /// <summary>Notes what request the calling thread is at.</summary>
    public static void Begin(ulong unique) => t_request = unique;

    /// <summary>A request's caller has got a signal.</summary>
    public void Interrupt(ulong unique)
    {
        lock (_lock)
        {
            _interrupted.Add(unique);
            Monitor.PulseAll(_lock);
        }
    }

    /// <summary>Does to a call what the faults say.</summary>
    /// <param name="operation">The operation, as <see cref="IFileSystem"/> calls it.</param>
    /// <param name="name">The file's name.</param>
    /// <param name="offset">Where it begins, in bytes; 0 where there is nothing of the kind.</param>
    /// <param name="length">How many bytes; becomes less where the call shall be short.</param>
    /// <returns>OK if the call goes on.</returns>
    public Errno Meet(string operation, string name, long offset, ref long length)
    {
        foreach (Fault fault in Volatile.Read(ref _all))
        {
            if (!fault.Meets(operation, name, offset, length))
            {
                continue;
            }

            if (fault.Delay > TimeSpan.Zero)
            {
                Thread.Sleep(fault.Delay);
            }

            if (fault.Hangs && !Hang(fault))
            {
                return Errno.EINTR;
            }

            length = Math.Min(length, fault.Most);
            if (fault.Errno == Errno.OK)
            {
                continue;
            }

            if (fault.Whole || offset >= fault.From)
            {
                return fault.Errno;
            }

            length = Math.Min(length, fault.From - offset);
        }

        return Errno.OK;
    }

    private void End(Predicate<Fault> which)
    {
        lock (_lock)
        {
            foreach (Fault fault in Array.FindAll(_all, which))
            {
                fault.IsReleased = true;
            }

            _all = Array.FindAll(_all, fault => !fault.IsReleased);
            Monitor.PulseAll(_lock);
        }
    }

    // False for one that was interrupted.
    private bool Hang(Fault fault)
    {
        lock (_lock)
        {
            _hanging++;
            while (!fault.IsReleased && !(fault.IsInterruptible && _interrupted.Contains(t_request)))
            {
                Monitor.Wait(_lock);
            }

            _hanging--;
            return fault.IsReleased;
        }
    }
}
