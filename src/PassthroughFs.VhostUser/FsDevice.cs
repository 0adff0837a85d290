using System;
using System.Collections.Generic;
using System.Text;
using System.Threading;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Protocol;

namespace PassthroughFs.VhostUser;

/// <summary>
/// A virtio-fs device without a way to the guest: requests are <see cref="DescriptorChain"/>s, which somebody takes
/// from the guest's queues. <see cref="VhostUserServer"/> does so for VMMs of others; a VMM of one's own does it with
/// <see cref="SplitQueue"/>.
/// </summary>
/// <remarks>
/// <para>
/// Queue 0 has priority, for what must not wait behind a long request; the rest are alike. All of them are one FUSE
/// session, which begins with the first request and ends with <see cref="Reset"/>. The device sends nothing by itself:
/// there is no notification queue.
/// </para>
/// <para>All members may be called from any thread; a <see cref="FsRequestHandler"/> is one thread's.</para>
/// </remarks>
public sealed class FsDevice
{
    /// <summary>The most bytes of a tag.</summary>
    public const int MaxTagBytes = 36;

    // What a request needs besides its data: two descriptors of headers there, two back.
    private const int HeaderDescriptors = 4;
    private const int PageBytes = 4096;

    private readonly Lock _lock = new();
    private readonly IFileSystem _fileSystem;
    private readonly ILoggerFactory _loggers;
    private readonly ILogger _logger;
    private readonly FuseSessionOptions _sessionOptions;
    private readonly byte[] _configuration;
    private readonly List<RequestWatch> _watches = [];
    private FuseSession? _session;
    private RequestWatch? _watch;
    private int _smallestQueue = int.MaxValue;
    private IDaxWindow? _window;

    /// <summary>Makes a device.</summary>
    /// <param name="fileSystem">
    /// What is served. The caller's: it must live until the last request has been handled.
    /// </param>
    /// <param name="options">
    /// What the device is like; null for the defaults. Changes made to it later have no effect.
    /// </param>
    /// <param name="loggers">For what happens at run time; null for nothing.</param>
    /// <exception cref="VhostUserException">An option makes no sense; the message names it.</exception>
    public FsDevice(IFileSystem fileSystem, FsDeviceOptions? options = null, ILoggerFactory? loggers = null)
    {
        ArgumentNullException.ThrowIfNull(fileSystem);
        options ??= new FsDeviceOptions();
        options.Validate();
        _fileSystem = fileSystem;
        _sessionOptions = options.Session;
        _loggers = loggers ?? NullLoggerFactory.Instance;
        _logger = _loggers.CreateLogger<FsDevice>();
        QueueCount = options.RequestQueues + 1;

        // struct virtio_fs_config: the tag, filled up with NUL, and the number of request queues.
        _configuration = options.Tag is null ? [] : new byte[MaxTagBytes + sizeof(uint)];
        if (options.Tag is not null)
        {
            Encoding.UTF8.GetBytes(options.Tag, _configuration);
            BitConverter.TryWriteBytes(_configuration.AsSpan(MaxTagBytes), (uint)options.RequestQueues);
        }
    }

    /// <summary>How many queues there are, the one with priority included.</summary>
    public int QueueCount { get; }

    /// <summary>
    /// The device's configuration space, <c>struct virtio_fs_config</c>; empty if there is no
    /// <see cref="FsDeviceOptions.Tag"/>.
    /// </summary>
    public ReadOnlySpan<byte> Configuration => _configuration;

    /// <summary>
    /// The memory that the guest reads and writes by itself (DAX), if the VMM has such; null, the default, if not. For
    /// sessions that begin from now on; one under way keeps what it has.
    /// </summary>
    public IDaxWindow? Window
    {
        get
        {
            lock (_lock)
            {
                return _window;
            }
        }

        set
        {
            lock (_lock)
            {
                _window = value;
            }
        }
    }

    /// <summary>
    /// Who knows what requests are under way: those of this guest, and those of former ones that hang. Look at them by
    /// <see cref="RequestWatch.Look"/> from time to time.
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

    /// <summary>
    /// Makes what handles requests of one queue, for one thread. To be asked for before the first request.
    /// </summary>
    /// <param name="queue">The queue: 0 is the one with priority.</param>
    /// <param name="queueSize">
    /// How many descriptors the queue has. The smallest queue for requests says how much data a request may have.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such queue, or no queue has that size.</exception>
    public FsRequestHandler CreateHandler(int queue, int queueSize)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(queue);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(queue, QueueCount);
        if (!SplitQueue.IsValidSize(queueSize))
        {
            throw new ArgumentOutOfRangeException(
                nameof(queueSize), queueSize, $"Not a power of two up to {SplitQueue.MaxSize}.");
        }

        lock (_lock)
        {
            if (queue > 0)
            {
                _smallestQueue = Math.Min(_smallestQueue, queueSize);
            }
        }

        return new FsRequestHandler(this);
    }

    /// <summary>
    /// Back to the beginning, as the guest is gone: whatever it had open is closed, and the next request begins a new
    /// session. No handler made before may be used again; one may still be at a request that hangs.
    /// </summary>
    public void Reset()
    {
        lock (_lock)
        {
            if (_session is not null)
            {
                // The guest had no time to say goodbye.
                _fileSystem.Destroy(default);
            }

            _session = null;
            _watch?.Look();
            _watch = null;
            _smallestQueue = int.MaxValue;
        }
    }

    // Made when the first request comes: all queues are set up by then, so that their sizes are known.
    internal FuseWorker CreateWorker()
    {
        lock (_lock)
        {
            if (_session is null)
            {
                int size = Math.Min(_smallestQueue, SplitQueue.MaxSize);
                _session = new FuseSession(
                    _fileSystem, _sessionOptions, new Transport(size, _window), _loggers.CreateLogger<FuseSession>());
                _watch = new RequestWatch(_session);
                _watches.Add(_watch);
                Log.Limits(_logger, _session.MaxWrite, size);
            }

            return _session.CreateWorker();
        }
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
