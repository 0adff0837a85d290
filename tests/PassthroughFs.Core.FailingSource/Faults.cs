using System;
using System.Threading;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.FailingSource;

/// <summary>All faults there are now, and who hangs in one.</summary>
internal sealed class Faults
{
    private readonly Lock _lock = new();
    private Fault[] _all = [];
    private ManualResetEventSlim _released = new();
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
    public void Clear()
    {
        lock (_lock)
        {
            _all = [];
            _released.Set();
            _released = new ManualResetEventSlim();
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

            if (fault.Hangs)
            {
                Hang();
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

    private void Hang()
    {
        ManualResetEventSlim released;
        lock (_lock)
        {
            released = _released;
        }

        Interlocked.Increment(ref _hanging);
        released.Wait();
        Interlocked.Decrement(ref _hanging);
    }
}
