using System;
using System.Diagnostics;
using System.Linq;
using System.Threading;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;
using PassthroughFs.PtfsVirtiofsd.Virtio;

namespace PassthroughFs.PtfsVirtiofsd.Vhost;

/// <summary>
/// The threads that serve one queue while that is started: one, or several, so that a long request does not hold up
/// the next. As long as there is work they make no system call of their own, save to call a guest that wants it. Who
/// finds nothing sleeps until the guest kicks.
/// </summary>
/// <remarks>
/// All are alike: who is awake takes requests. With several, one that takes a request while others sleep asks the guest
/// to kick, or wakes another at once if more is there already. So while anybody sleeps, the guest was asked to kick or
/// somebody awake is about to look at the ring.
/// </remarks>
internal sealed unsafe class QueueThreads : IDisposable
{
    private const int BusyMilliseconds = 5000;

    private readonly int _index;
    private readonly SplitQueue _queue;
    private readonly RingAddresses _addresses;
    private readonly GuestMemory _memory;
    private readonly CallEvent _call;
    private readonly Standby _standby;
    private readonly Action _reportBroken;
    private readonly ILogger _logger;
    private readonly SafeFileHandle _wake = Libc.NewEvent();
    private readonly SafeFileHandle _epoll = Libc.Own(Libc.epoll_create1(Libc.EPOLL_CLOEXEC));
    private readonly Thread[] _threads;

    // Over the queue and what follows here. No request is handled under it, and no call made.
    private readonly Lock _ring = new();
    private MemoryMap? _mapped;
    private int _asleep;
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
        int index, SplitQueue queue, RingAddresses addresses, GuestMemory memory, IChainHandler[] handlers,
        IChainHandler[] standbyHandlers, Standby standby, SafeFileHandle kick, CallEvent call, Action reportBroken, int chainLimit, ILogger logger)
    {
        _index = index;
        _queue = queue;
        _addresses = addresses;
        _memory = memory;
        _call = call;
        _standby = standby;
        _reportBroken = reportBroken;
        _logger = logger;
        if (_wake.IsInvalid || _epoll.IsInvalid || !Watch(kick) || !Watch(_wake))
        {
            string reason = Libc.Describe(Libc.LastError);
            CloseDescriptors();
            throw new VhostException($"queue {index} cannot be started: {reason}");
        }

        _asleep = handlers.Length;
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
        lock (_ring)
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
    private void Run(IChainHandler handler, DescriptorChain chain, int place)
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
        lock (_ring)
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
            lock (_ring)
            {
                _asleep--;
            }

            _ = Libc.Signal(Libc.Number(_wake));
            serves = false;
        }

        _standby.Wait(place, () => Volatile.Read(ref _stop));
        if (!Volatile.Read(ref _stop))
        {
            lock (_ring)
            {
                _asleep++;
            }

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
    private bool Serve(IChainHandler handler, DescriptorChain chain)
    {
        MemoryLease lease = _memory.Lease();
        try
        {
            if (!WakeUp(lease.Map))
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

                switch (Take(lease.Map, chain, out bool thereIsMore))
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
                    case TakeResult.Empty when !MayFallAsleep(lease.Map):
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

    // The queue takes its pointers from the map of the thread that uses it: the lease of that thread keeps this map. A
    // map that lacks the rings changes nothing, so that a thread with an older lease still answers through its own.
    // Under the lock.
    private bool Map(MemoryMap map)
    {
        if (_mapped == map)
        {
            return true;
        }

        if (!_queue.TryMap(map, _addresses))
        {
            _queue.Fail("its rings are not in the guest's memory, or not aligned");
            return false;
        }

        if (_mapped is null)
        {
            _queue.ResumeUsed();
        }

        _mapped = map;
        return true;
    }

    private bool WakeUp(MemoryMap map)
    {
        lock (_ring)
        {
            _asleep--;
            if (!Map(map))
            {
                return false;
            }

            _queue.DisableKicks();
            return true;
        }
    }

    private TakeResult Take(MemoryMap map, DescriptorChain chain, out bool thereIsMore)
    {
        lock (_ring)
        {
            thereIsMore = false;
            if (!Map(map))
            {
                return TakeResult.Broken;
            }

            TakeResult result = _queue.TryTake(map, chain);
            if (result == TakeResult.Request)
            {
                thereIsMore = _asleep > 0 && _queue.EnableKicks();
            }

            return result;
        }
    }

    private void GiveBack(MemoryMap map, ushort head, uint length)
    {
        bool call;
        lock (_ring)
        {
            _ = Map(map); // works: it did so when the request was taken
            _queue.Complete(head, length);
            call = _queue.MustCall();
        }

        if (call)
        {
            _call.Signal();
        }
    }

    private bool MayFallAsleep(MemoryMap map)
    {
        lock (_ring)
        {
            _ = Map(map); // works: it did so just before
            if (_queue.EnableKicks())
            {
                _queue.DisableKicks();
                return false;
            }

            _asleep++;
            return true;
        }
    }

    // Edge-triggered: each write to an eventfd is one event, for one of the sleepers, so that the counter need not be
    // read back to 0, which would be one system call more for each time.
    private void Sleep()
    {
        byte* events = stackalloc byte[2 * 16];
        _ = Libc.epoll_wait(Libc.Number(_epoll), events, 2, -1); // Sound: room for two events of any layout.
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
