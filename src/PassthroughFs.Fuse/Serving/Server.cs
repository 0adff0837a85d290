using System;
using System.Diagnostics;
using System.Threading;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;
using PassthroughFs.Core.Protocol;
using PassthroughFs.Shared;

namespace PassthroughFs.Fuse;

/// <summary>
/// The threads that serve a device. Some stand by: they are there from the beginning, because a thread that is needed
/// when something goes wrong may not be had then, and serve when others hang.
/// </summary>
internal sealed class Server
{
    private readonly Thread[] _threads;
    private readonly ServerStatus _status;
    private readonly ILogger _logger;
    private readonly FuseSession _session;
    private readonly int _fd;
    private readonly ServerGate _gate = new();
    private int _started;

    /// <param name="session">Whose requests they get.</param>
    /// <param name="fd">The device.</param>
    /// <param name="threads">How many serve.</param>
    /// <param name="standby">How many stand by.</param>
    /// <param name="status">Hears of the end.</param>
    /// <param name="logger">Gets what goes wrong.</param>
    public Server(FuseSession session, int fd, int threads, int standby, ServerStatus status, ILogger logger)
    {
        Threads = threads;
        Standby = standby;
        _session = session;
        _fd = fd;
        _status = status;
        _logger = logger;
        _threads = new Thread[threads + standby];
        for (int i = 0; i < _threads.Length; i++)
        {
            int rank = Math.Max(0, i - threads + 1);

            // Dedicated threads: they wait in the kernel nearly always, which would starve a pool. Background ones:
            // they must not keep the process alive once the mount is gone.
            _threads[i] = new Thread(() => Serve(rank)) { Name = $"ptfs-{i}", IsBackground = true };
        }
    }

    /// <summary>How many serve.</summary>
    public int Threads { get; }

    /// <summary>How many more serve when others hang.</summary>
    public int Standby { get; }

    /// <summary>Starts the first so many threads, as far as they are not started yet.</summary>
    public void Start(int count = int.MaxValue)
    {
        for (; _started < Math.Min(count, _threads.Length); _started++)
        {
            _threads[_started].Start();
        }
    }

    /// <summary>
    /// Has all threads stand still, after each has answered what it was at. New requests wait in the kernel.
    /// </summary>
    /// <remarks>
    /// A thread that waits for a request is in the kernel, and comes back with one alone: so some are made.
    /// </remarks>
    /// <param name="root">The mount's root, taken over.</param>
    /// <param name="limit">How long to wait.</param>
    /// <returns>False if some took longer: all go on.</returns>
    public bool TryPause(SafeFileHandle root, TimeSpan limit)
    {
        int fd = root.DangerousGetHandle().ToInt32();
        return _gate.Close(_started, () => Libc.AskFileSystem(fd), root.Dispose, limit);
    }

    /// <summary>Has them go on.</summary>
    public void Resume() => _gate.Open();

    /// <summary>Has as many of those that stand by serve as others hang.</summary>
    public void Replace(int hanging) => _gate.Want(Math.Min(hanging, Standby));

    /// <summary>Waits for the threads to end, which they do when the kernel has no more requests.</summary>
    public bool WaitForThreads(TimeSpan limit)
    {
        // Whoever stands by finds out as well.
        _gate.Want(int.MaxValue);
        long start = Stopwatch.GetTimestamp();
        foreach (Thread thread in _threads.AsSpan(0, _started))
        {
            TimeSpan left = limit - Stopwatch.GetElapsedTime(start);
            if (!thread.Join(left > TimeSpan.Zero ? left : TimeSpan.Zero))
            {
                return false;
            }
        }

        return true;
    }

    private void Serve(int rank)
    {
        try
        {
            using var buffers = new DeviceBuffers(_session.RequestBufferSize, _session.ReplyBufferSize);
            FuseWorker worker = _session.CreateWorker();
            new DeviceLoop(_fd, worker, buffers, _gate, rank, _status, _logger).Run();
            _status.RequestEnd();
        }
#pragma warning disable CA1031 // Whatever it is: the mount must go, and the user must hear of it.
        catch (Exception e)
#pragma warning restore CA1031
        {
            _status.RequestEnd(e);
        }
    }
}
