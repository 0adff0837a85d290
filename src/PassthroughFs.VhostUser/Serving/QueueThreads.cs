using System;
using System.Diagnostics;
using System.Linq;
using System.Threading;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;
using PassthroughFs.Shared;

namespace PassthroughFs.VhostUser;

/// <summary>
/// The threads that serve one queue while that is started: one, or several, so that a long request does not hold up
/// the next. As long as there is work they make no system call of their own, save to call a guest that wants it. Who
/// finds nothing sleeps until the guest kicks.
/// </summary>
/// <remarks>All are alike: who is awake takes requests.</remarks>
internal sealed unsafe class QueueThreads : IDisposable
{
    private const int BusyMilliseconds = 5000;

    private readonly int _index;
    private readonly SharedQueue _queue;
    private readonly GuestMemory _memory;
    private readonly CallEvent _call;
    private readonly Standby _standby;
    private readonly Action _reportBroken;
    private readonly ILogger _logger;
    private readonly SafeFileHandle _wake = Libc.NewEvent();
    private readonly SafeFileHandle _epoll = Libc.Own(Libc.epoll_create1(Libc.EPOLL_CLOEXEC));
    private readonly Thread[] _threads;

    // Over what follows.
    private readonly Lock _life = new();
    private int _running;
    private bool _isDisposed;

    private long _badChains;
    private long _lastBadChain;
    private bool _ended;
    private bool _stop;

    /// <param name="index">The queue's number.</param>
    /// <param name="queue">The queue; these threads' alone until <see cref="Stop"/> returns.</param>
    /// <param name="addresses">Where its rings are.</param>
    /// <param name="memory">The guest's memory.</param>
    /// <param name="handlers">They get the requests: one for each thread that serves.</param>
    /// <param name="standbyHandlers">The same for each that serves while others hang.</param>
    /// <param name="standby">Where those wait for it.</param>
    /// <param name="kick">The eventfd by which the guest tells of work. Not owned; open until they have ended.</param>
    /// <param name="call">The other direction.</param>
    /// <param name="reportBroken">Called once if the ring is broken, on one of the threads.</param>
    /// <param name="chainLimit">The most descriptors of one request.</param>
    /// <param name="logger">Where faults of the guest go.</param>
    public QueueThreads(
        int index, SplitQueue queue, RingAddresses addresses, GuestMemory memory, FsRequestHandler[] handlers,
        FsRequestHandler[] standbyHandlers, Standby standby, SafeFileHandle kick, CallEvent call, Action reportBroken,
        int chainLimit, ILogger logger)
    {
        _index = index;
        _queue = new SharedQueue(queue, addresses, handlers.Length);
        _memory = memory;
        _call = call;
        _standby = standby;
        _reportBroken = reportBroken;
        _logger = logger;
        if (_wake.IsInvalid || _epoll.IsInvalid || !Watch(kick) || !Watch(_wake))
        {
            string reason = Libc.Describe(Libc.LastError);
            CloseDescriptors();
            throw new ProtocolException($"queue {index} cannot be started: {reason}");
        }

        _running = handlers.Length + standbyHandlers.Length;
        _threads = [.. handlers.Concat(standbyHandlers).Select((handler, i) =>
        {
            int place = i - handlers.Length;
            return new Thread(() => Run(handler, new DescriptorChain(chainLimit), place))
            {
                Name = _running == 1 ? $"ptfs-queue-{index}" : $"ptfs-queue-{index}.{i}",
                IsBackground = true,
            };
        })];
    }

    public void Start() => Array.ForEach(_threads, thread => thread.Start());

    /// <summary>Waits until the requests under way are done and the threads have ended.</summary>
    /// <param name="patience">How long.</param>
    /// <returns>False if some have not: they end when what they hang in ends, and are nobody's until then.</returns>
    public bool Stop(Patience patience)
    {
        End();
        TimeSpan step = TimeSpan.FromMilliseconds(50);
        long nextWarning = Environment.TickCount64 + BusyMilliseconds;
        foreach (Thread thread in _threads)
        {
            while (!thread.Join(step))
            {
                if (patience.IsOver())
                {
                    return false;
                }

                if (Environment.TickCount64 >= nextWarning)
                {
                    Log.QueueBusy(_logger, _index);
                    nextWarning = Environment.TickCount64 + (12 * BusyMilliseconds);
                }
            }
        }

        return true;
    }

    /// <summary>Closes what it owns, after <see cref="Stop"/>; if threads hang, the last of them does.</summary>
    public void Dispose()
    {
        lock (_life)
        {
            _isDisposed = true;
            CloseUnlessUsed();
        }
    }

    // No more requests are taken. One wake-up is enough: who ends passes it on.
    private void End()
    {
        Volatile.Write(ref _stop, true);
        _ = Libc.Signal(Libc.Number(_wake));
        _standby.Wake();
    }

    // A negative place is that of one who always serves.
    private void Run(FsRequestHandler handler, DescriptorChain chain, int place)
    {
        bool serves = place < 0;
        try
        {
            while (!Volatile.Read(ref _stop))
            {
                if (!serves || (place >= 0 && !_standby.Wants(place)))
                {
                    StandBy(place, ref serves);
                }
                else if (!Serve(handler, chain))
                {
                    EndFor(() => Log.QueueBroken(_logger, _index, _queue.Fault));
                }
                else if (!Volatile.Read(ref _stop))
                {
                    Sleep();
                }
            }
        }
#pragma warning disable CA1031 // A defect of this program costs the queue, not the guest its other devices.
        catch (Exception e)
#pragma warning restore CA1031
        {
            EndFor(() => Log.QueueFailed(_logger, _index, e.GetType().Name, e.Message));
        }

        End();
        lock (_life)
        {
            _running--;
            CloseUnlessUsed();
        }
    }

    // Who stands by does not count as asleep: no guest need kick for it. Who was woken and leaves passes that on.
    private void StandBy(int place, ref bool serves)
    {
        if (serves)
        {
            _queue.StandBy();
            _ = Libc.Signal(Libc.Number(_wake));
            serves = false;
        }

        _standby.Wait(place, () => Volatile.Read(ref _stop));
        if (!Volatile.Read(ref _stop))
        {
            _queue.ServeAgain();
            serves = true;
        }
    }

    // Once, whoever of the threads comes first.
    private void EndFor(Action log)
    {
        if (!Interlocked.Exchange(ref _ended, true))
        {
            log();
            _reportBroken();
        }

        End();
    }

    // Until there is no more work and the guest was asked to kick. False if the ring is broken.
    private bool Serve(FsRequestHandler handler, DescriptorChain chain)
    {
        MemoryLease lease = _memory.Lease();
        try
        {
            if (!_queue.WakeUp(lease.Map))
            {
                return false;
            }

            while (!Volatile.Read(ref _stop))
            {
                if (lease.Map != _memory.Current)
                {
                    MemoryLease newer = _memory.Lease();
                    lease.Dispose();
                    lease = newer;
                }

                switch (_queue.Take(lease.Map, chain, out bool thereIsMore))
                {
                    case TakeResult.Request:
                        if (thereIsMore)
                        {
                            _ = Libc.Signal(Libc.Number(_wake));
                        }

                        GiveBack(lease.Map, chain.Head, handler.Handle(chain));
                        break;
                    case TakeResult.BadChain:
                        NoteBadChain();
                        _call.Signal(); // whether it wants that or not
                        break;
                    case TakeResult.Broken:
                        return false;
                    case TakeResult.Empty when !_queue.MayFallAsleep(lease.Map):
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

    private void GiveBack(MemoryMap map, ushort head, uint length)
    {
        if (_queue.GiveBack(map, head, length))
        {
            _call.Signal();
        }
    }

    // Edge-triggered: each write to an eventfd is one event, for one of the sleepers, so that the counter need not be
    // read back to 0, which would be one system call more for each time.
    private void Sleep()
    {
        byte* events = stackalloc byte[2 * 16];
        _ = Libc.epoll_wait(Libc.Number(_epoll), events, 2, -1); // SAFETY: room for two events of any layout.
    }

    private bool Watch(SafeFileHandle fd)
    {
        // SAFETY: struct epoll_event begins with its flags and has 12 or 16 bytes; the rest is not looked at here.
        byte* watched = stackalloc byte[16];
        new Span<byte>(watched, 16).Clear();
        *(uint*)watched = Libc.EPOLLIN | Libc.EPOLLET;
        return Libc.epoll_ctl(Libc.Number(_epoll), Libc.EPOLL_CTL_ADD, Libc.Number(fd), watched) == 0;
    }

    // At most one line a second, whatever the guest does.
    private void NoteBadChain()
    {
        long count = Interlocked.Increment(ref _badChains);
        long now = Stopwatch.GetTimestamp();
        if (count == 1 || now - _lastBadChain > Stopwatch.Frequency)
        {
            _lastBadChain = now;
            Log.BadChain(_logger, _index, _queue.Fault, count);
        }
    }

    private void CloseUnlessUsed()
    {
        if (_isDisposed && _running == 0)
        {
            CloseDescriptors();
        }
    }

    private void CloseDescriptors()
    {
        _epoll.Dispose();
        _wake.Dispose();
    }
}
