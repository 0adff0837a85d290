using System;
using System.Diagnostics;
using System.Threading;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;
using PassthroughFs.Samples.VirtioFsDaemon.Virtio;

namespace PassthroughFs.Samples.VirtioFsDaemon.Vhost;

/// <summary>
/// A thread that serves one queue while that is started. As long as there is work it makes no system call of its own,
/// save to call a guest that wants it; then it looks again for a moment, and sleeps until it is kicked.
/// </summary>
internal sealed unsafe class QueueThread : IDisposable
{
    private readonly int _index;
    private readonly SplitQueue _queue;
    private readonly RingAddresses _addresses;
    private readonly GuestMemory _memory;
    private readonly IChainHandler _handler;
    private readonly CallEvent _call;
    private readonly Action _reportBroken;
    private readonly ILogger _logger;
    private readonly SafeFileHandle _wake = Libc.NewEvent();
    private readonly SafeFileHandle _epoll = Libc.Own(Libc.epoll_create1(Libc.EPOLL_CLOEXEC));
    private readonly DescriptorChain _chain;
    private readonly LookAgain _lookAgain = new();
    private readonly Thread _thread;
    private long _badChains;
    private long _lastBadChain;
    private bool _stop;

    /// <param name="index">The queue's number.</param>
    /// <param name="queue">The queue; this thread's alone until <see cref="Stop"/> returns.</param>
    /// <param name="addresses">Where its rings are.</param>
    /// <param name="memory">The guest's memory.</param>
    /// <param name="handler">Gets the requests.</param>
    /// <param name="kick">The eventfd by which the guest tells of work. Not owned; open until it has ended.</param>
    /// <param name="call">The other direction.</param>
    /// <param name="reportBroken">Called if the ring is broken, on this thread.</param>
    /// <param name="chainLimit">The most descriptors of one request.</param>
    /// <param name="logger">Where faults of the guest go.</param>
    public QueueThread(
        int index, SplitQueue queue, RingAddresses addresses, GuestMemory memory, IChainHandler handler,
        SafeFileHandle kick, CallEvent call, Action reportBroken, int chainLimit, ILogger logger)
    {
        _index = index;
        _queue = queue;
        _addresses = addresses;
        _memory = memory;
        _handler = handler;
        _call = call;
        _reportBroken = reportBroken;
        _logger = logger;
        _chain = new DescriptorChain(chainLimit);
        if (_wake.IsInvalid || _epoll.IsInvalid || !Watch(kick) || !Watch(_wake))
        {
            string reason = Libc.Describe(Libc.LastError);
            CloseDescriptors();
            throw new VhostException($"queue {index} cannot be started: {reason}");
        }

        _thread = new Thread(Run) { Name = $"ptfs-queue-{index}", IsBackground = true };
    }

    public void Start() => _thread.Start();

    /// <summary>Waits until the request under way is done and the thread has ended.</summary>
    public void Stop()
    {
        Volatile.Write(ref _stop, true);
        _ = Libc.Signal(Libc.Number(_wake));
        TimeSpan patience = TimeSpan.FromSeconds(5);
        while (!_thread.Join(patience))
        {
            Log.QueueBusy(_logger, _index);
            patience = TimeSpan.FromMinutes(1);
        }
    }

    /// <summary>Closes what it owns, after <see cref="Stop"/>.</summary>
    public void Dispose() => CloseDescriptors();

    private void Run()
    {
        try
        {
            bool first = true;
            while (!Volatile.Read(ref _stop))
            {
                if (!Serve(first))
                {
                    Log.QueueBroken(_logger, _index, _queue.Fault);
                    _reportBroken();
                    return;
                }

                first = false;
                if (!Volatile.Read(ref _stop))
                {
                    Sleep();
                }
            }
        }
#pragma warning disable CA1031 // A defect of this program costs the queue, not the guest its other devices.
        catch (Exception e)
#pragma warning restore CA1031
        {
            Log.QueueFailed(_logger, _index, e.GetType().Name, e.Message);
            _reportBroken();
        }
    }

    // Until there is no more work and the guest was asked to kick. False if the ring is broken.
    private bool Serve(bool first)
    {
        MemoryLease lease = _memory.Lease();
        try
        {
            if (!_queue.TryMap(lease.Map, _addresses))
            {
                return NotMapped();
            }

            if (first)
            {
                _queue.ResumeUsed();
            }

            _queue.DisableKicks();
            while (!Volatile.Read(ref _stop))
            {
                if (lease.Map != _memory.Current)
                {
                    MemoryLease newer = _memory.Lease();
                    lease.Dispose();
                    lease = newer;
                    if (!_queue.TryMap(lease.Map, _addresses))
                    {
                        return NotMapped();
                    }
                }

                switch (_queue.TryTake(lease.Map, _chain))
                {
                    case TakeResult.Request:
                        _queue.Complete(_chain.Head, _handler.Handle(_chain));
                        CallIfWanted();
                        break;
                    case TakeResult.BadChain:
                        NoteBadChain();
                        CallIfWanted();
                        break;
                    case TakeResult.Broken:
                        return false;
                    case TakeResult.Empty when _lookAgain.Until(_queue, ref _stop) || _queue.EnableKicks():
                        _queue.DisableKicks();
                        break;
                    default:
                        return true;
                }
            }

            return true;
        }
        finally
        {
            lease.Dispose();
        }
    }

    private bool NotMapped()
    {
        _queue.Fail("its rings are not in the guest's memory, or not aligned");
        return false;
    }

    private void CallIfWanted()
    {
        if (_queue.MustCall())
        {
            _call.Signal();
        }
    }

    // Edge-triggered: each write to an eventfd is one event, so that the counter need not be read back to 0, which
    // would be one system call more for each time.
    private void Sleep()
    {
        byte* events = stackalloc byte[2 * 16];
        long start = Stopwatch.GetTimestamp();
        _ = Libc.epoll_wait(Libc.Number(_epoll), events, 2, -1); // Sound: room for two events of any layout.
        _lookAgain.Slept(Stopwatch.GetTimestamp() - start);
    }

    private bool Watch(SafeFileHandle fd)
    {
        // Sound: struct epoll_event begins with its flags and has 12 or 16 bytes; the rest is not looked at here.
        byte* watched = stackalloc byte[16];
        new Span<byte>(watched, 16).Clear();
        *(uint*)watched = Libc.EPOLLIN | Libc.EPOLLET;
        return Libc.epoll_ctl(Libc.Number(_epoll), Libc.EPOLL_CTL_ADD, Libc.Number(fd), watched) == 0;
    }

    // At most one line a second, whatever the guest does.
    private void NoteBadChain()
    {
        _badChains++;
        long now = Stopwatch.GetTimestamp();
        if (_lastBadChain == 0 || now - _lastBadChain > Stopwatch.Frequency)
        {
            _lastBadChain = now;
            Log.BadChain(_logger, _index, _queue.Fault, _badChains);
        }
    }

    private void CloseDescriptors()
    {
        _epoll.Dispose();
        _wake.Dispose();
    }
}
