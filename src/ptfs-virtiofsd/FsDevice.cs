using System;
using System.Collections.Generic;
using System.Text;
using System.Threading;
using Microsoft.Extensions.Logging;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Protocol;
using PassthroughFs.PtfsVirtiofsd.Vhost;
using PassthroughFs.PtfsVirtiofsd.Virtio;

namespace PassthroughFs.PtfsVirtiofsd;

/// <summary>
/// The virtio-fs device: queue 0 has priority, for what must not wait behind a long request; the rest are alike. All of
/// them are one FUSE session.
/// </summary>
internal sealed class FsDevice : IVirtioDevice
{
    /// <summary>The longest tag.</summary>
    public const int TagBytes = 36;

    // What a request needs besides its data: two descriptors of headers there, two back.
    private const int HeaderDescriptors = 4;
    private const int PageBytes = 4096;

    private readonly Lock _lock = new();
    private readonly IFileSystem _fileSystem;
    private readonly ILoggerFactory _loggers;
    private readonly ILogger _logger;
    private readonly int _threads;
    private readonly int _standbyThreads;
    private readonly byte[] _configuration;
    private readonly List<RequestWatch> _watches = [];
    private FuseSession? _session;
    private RequestWatch? _watch;
    private int _smallestQueue = int.MaxValue;
    private IDaxWindow? _window;

    /// <param name="fileSystem">What is served. Not owned.</param>
    /// <param name="requestQueues">How many queues there are besides the one with priority.</param>
    /// <param name="threads">How many requests of each of those may be under way at once.</param>
    /// <param name="standbyThreads">How many more while others hang.</param>
    /// <param name="tag">The name by which the guest mounts it; null if the VMM gives it one.</param>
    /// <param name="loggers">Where the session's events go.</param>
    public FsDevice(
        IFileSystem fileSystem, int requestQueues, int threads, int standbyThreads, string? tag,
        ILoggerFactory loggers)
    {
        _threads = threads;
        _standbyThreads = standbyThreads;
        _fileSystem = fileSystem;
        _loggers = loggers;
        _logger = loggers.CreateLogger("ptfs-virtiofsd");
        QueueCount = requestQueues + 1;

        // struct virtio_fs_config: the tag, filled up with NUL, and the number of request queues.
        _configuration = tag is null ? [] : new byte[TagBytes + sizeof(uint)];
        if (tag is not null)
        {
            Encoding.UTF8.GetBytes(tag, _configuration);
            BitConverter.TryWriteBytes(_configuration.AsSpan(TagBytes), (uint)requestQueues);
        }
    }

    public int QueueCount { get; }

    public ReadOnlySpan<byte> Configuration => _configuration;

    /// <summary>What comes by the queue with priority is never long: one thread.</summary>
    public int ThreadsOf(int queue) => queue == 0 ? 1 : _threads;

    public int StandbyThreadsOf(int queue) => queue == 0 ? 0 : _standbyThreads;

    public Standby Standby { get; } = new();

    /// <summary>
    /// Who knows what requests are under way: those of this guest, and those of former ones that hang.
    /// </summary>
    public IReadOnlyList<RequestWatch> Watches
    {
        get
        {
            lock (_lock)
            {
                _watches.RemoveAll(watch => watch != _watch && watch.Count(TimeSpan.Zero) == 0);
                return [.. _watches];
            }
        }
    }

    public IChainHandler CreateHandler(int queue, int queueSize)
    {
        lock (_lock)
        {
            if (queue > 0)
            {
                _smallestQueue = Math.Min(_smallestQueue, queueSize);
            }
        }

        return new Handler(this);
    }

    public void Reset()
    {
        lock (_lock)
        {
            if (_session is not null)
            {
                // The guest had no time to say goodbye: whatever it had open is closed.
                _fileSystem.Destroy(default);
            }

            _session = null;
            _watch?.Look();
            _watch = null;
            _smallestQueue = int.MaxValue;
        }
    }

    public ulong WindowLength { get; init; }

    public IDaxWindow? Window
    {
        set
        {
            lock (_lock)
            {
                _window = value;
            }
        }
    }

    // Made when the first request comes: all queues are set up by then, so that their sizes are known.
    private FuseWorker CreateWorker()
    {
        lock (_lock)
        {
            if (_session is null)
            {
                int size = Math.Min(_smallestQueue, SplitQueue.MaxSize);
                _session = new FuseSession(
                    _fileSystem, new FuseSessionOptions(), new Transport(size, _window),
                    _loggers.CreateLogger<FuseSession>());
                _watch = new RequestWatch(_session);
                _watches.Add(_watch);
                Log.Limits(_logger, _session.MaxWrite, size);
            }

            return _session.CreateWorker();
        }
    }

    /// <summary>A worker of a queue's thread.</summary>
    private sealed class Handler(FsDevice device) : IChainHandler
    {
        private FuseWorker? _worker;

        public uint Handle(DescriptorChain chain) =>
            (uint)(_worker ??= device.CreateWorker()).Dispatch(chain.Readable, chain.Writable);
    }

    /// <summary>What fits into a queue. There is no way for notifications.</summary>
    private sealed class Transport(int queueSize, IDaxWindow? window) : IFuseTransport
    {
        private int DataBytes => Math.Max(1, queueSize - HeaderDescriptors) * PageBytes;

        public TransportLimits Limits => new()
        {
            MaxRequestBytes = FuseProtocol.WriteRequestOverhead + DataBytes,
            MaxReplyBytes = FuseProtocol.ReplyHeaderSize + DataBytes,
        };

        public bool CanNotify => false;

        public IDaxWindow? DaxWindow => window;

        public Errno Notify(ReadOnlySpan<IoSegment> message) => Errno.EOPNOTSUPP;
    }
}
