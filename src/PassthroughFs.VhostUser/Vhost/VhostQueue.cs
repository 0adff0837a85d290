using System;
using System.Linq;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;

namespace PassthroughFs.VhostUser;

/// <summary>
/// One queue as the front end sets it up, piece by piece. Used by the thread of the connection alone.
/// </summary>
internal sealed class VhostQueue(
    int index, GuestMemory memory, FsDevice device, VhostUserServerOptions options, Standby standby, Patience patience,
    ILogger logger) : IDisposable
{
    // A guest may use indirect tables longer than its queue, as some did; a request of ours never needs more.
    private const int ChainLimit = 1024;

    private readonly CallEvent _call = new();
    private readonly CallEvent _error = new();
    private SafeFileHandle? _kick;
    private RingAddresses? _addresses;
    private int _size;
    private ushort _base;
    private bool _enabled;
    private SplitQueue? _queue;
    private QueueThreads? _threads;

    /// <summary>Whether its threads run.</summary>
    public bool IsRunning => _threads is not null;

    /// <summary>Sets how many descriptors it has.</summary>
    public void SetSize(uint size)
    {
        RefuseWhileRunning("size");
        _size = size <= options.MaxQueueSize && SplitQueue.IsValidSize((int)size)
            ? (int)size
            : throw new ProtocolException($"queue {index} with {size} descriptors");
    }

    /// <summary>Sets where its rings are.</summary>
    public void SetAddresses(in VringAddress address)
    {
        RefuseWhileRunning("address");
        _addresses = new RingAddresses(address.Descriptors, address.Available, address.Used);
    }

    /// <summary>Sets where to go on.</summary>
    public void SetBase(uint next)
    {
        RefuseWhileRunning("base");
        _base = next <= ushort.MaxValue
            ? (ushort)next
            : throw new ProtocolException($"queue {index} with the base {next}");
    }

    /// <summary>Stops it for good, until it gets a kick descriptor again.</summary>
    /// <returns>Where a successor has to go on.</returns>
    public ushort TakeBase()
    {
        Stop();
        _kick?.Dispose();
        _kick = null;
        return _base;
    }

    /// <summary>Sets by what the guest tells of work. The queue is started by that.</summary>
    public void SetKick(SafeFileHandle fd)
    {
        Stop();
        _kick?.Dispose();
        _kick = fd;
    }

    /// <summary>Sets by what the guest is called; null if it polls.</summary>
    public void SetCall(SafeFileHandle? fd) => _call.Replace(fd);

    /// <summary>Sets by what the VMM hears of a broken ring.</summary>
    public void SetError(SafeFileHandle? fd) => _error.Replace(fd);

    /// <summary>Switches it on or off; a queue that is off takes no requests.</summary>
    public void Enable(bool on)
    {
        _enabled = on;
        if (!on)
        {
            Stop();
        }
    }

    /// <summary>Starts the threads if there is everything it needs.</summary>
    public void StartIfReady(VirtioFeatures features)
    {
        if (_threads is not null || !_enabled || _kick is null || _size == 0 || _addresses is not { } addresses)
        {
            return;
        }

        _queue = new SplitQueue(
            _size, _base, features.HasFlag(VirtioFeatures.RingIndirectDesc),
            features.HasFlag(VirtioFeatures.RingEventIdx));
        _threads = new QueueThreads(
            index, _queue, addresses, memory, CreateHandlers(options.ThreadsOf(index)),
            CreateHandlers(options.StandbyThreadsOf(index)), standby, _kick, _call,
            _error.Signal, Math.Max(ChainLimit, _size), logger);
        _threads.Start();
        Log.QueueStarted(logger, index, _size, _base);
    }

    /// <summary>As it was at the beginning of the connection.</summary>
    public void Reset()
    {
        _ = TakeBase();
        _call.Replace(null);
        _error.Replace(null);
        _addresses = null;
        _size = 0;
        _base = 0;
        _enabled = false;
    }

    public void Dispose() => Reset();

    private FsRequestHandler[] CreateHandlers(int count) =>
        [.. Enumerable.Range(0, count).Select(_ => device.CreateHandler(index, _size))];

    private void Stop()
    {
        if (_threads is null)
        {
            return;
        }

        bool isDone = _threads.Stop(patience);
        _threads.Dispose();
        _threads = null;
        if (!isDone)
        {
            Log.QueueLeft(logger, index);
        }

        _base = _queue!.Next;
        Log.QueueStopped(logger, index, _base);
    }

    private void RefuseWhileRunning(string what)
    {
        if (_threads is not null)
        {
            throw new ProtocolException($"a new {what} for queue {index}, which is running");
        }
    }
}
