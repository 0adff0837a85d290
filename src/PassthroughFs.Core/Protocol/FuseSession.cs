using System;
using System.Collections.Generic;
using System.Linq;
using System.Numerics;
using System.Threading;
using Microsoft.Extensions.Logging;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Protocol;

/// <summary>
/// One client of a file system, spoken to in FUSE messages. It holds what was agreed on; the requests go to its
/// workers, one for each thread or queue.
/// </summary>
public sealed partial class FuseSession
{
    private readonly Lock _initLock = new();
    private readonly FuseSessionOptions _options;
    private readonly IFuseTransport? _transport;
    private readonly bool _canNotify;
    private readonly IBackingFiles? _backingFiles;
    private readonly int _maxWrite;
    private readonly int _maxPages;

    // Read by every request, written by INIT and DESTROY; what it points to never changes.
    private volatile FuseConnection? _connection;

    // Replaced as a whole, under a lock of its own: INIT may take long.
    private readonly Lock _workersLock = new();
    private WeakReference<FuseWorker>[] _workers = [];

    /// <summary>Makes a session that waits for its client's INIT.</summary>
    /// <param name="fileSystem">What the client gets to see. Not owned.</param>
    /// <param name="options">What to ask of the client.</param>
    /// <param name="transport">
    /// Limits of the transport and the way for notifications; null for none of either. It may be an
    /// <see cref="IBackingFiles"/> as well.
    /// </param>
    /// <param name="logger">Gets events: bad requests and failures of the file system, at a limited rate.</param>
    /// <exception cref="ArgumentException">
    /// An option is out of range, the transport's messages are too small, or its window is not whole pages.
    /// </exception>
    public FuseSession(
        IFileSystem fileSystem, FuseSessionOptions options, IFuseTransport? transport = null, ILogger? logger = null)
    {
        ArgumentNullException.ThrowIfNull(fileSystem);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        FileSystem = fileSystem;
        Events = new FuseEvents(GuardedLogger.Around(logger), options.MaxEventsPerSecond);
        _transport = transport;
        _canNotify = transport is { CanNotify: true };
        Notifications = new FuseNotifications(this, _canNotify ? transport : null);
        _backingFiles = _canNotify ? transport as IBackingFiles : null;
        LockWaiters = new LockWaiters(this, transport);
        DaxWindow = transport?.DaxWindow;
        if (DaxWindow is { } window && (window.Length == 0 || window.Length % (uint)Environment.SystemPageSize != 0))
        {
            throw new ArgumentException(
                $"The transport's window has {window.Length} bytes; it must be pages of {Environment.SystemPageSize}.",
                nameof(transport));
        }

        _options = options;
        (_maxWrite, _maxPages) = FuseNegotiation.Sizes(options, transport?.Limits ?? default);
    }

    /// <summary>Whether INIT succeeded and no DESTROY came since.</summary>
    public bool IsInitialized => _connection is not null;

    /// <summary>The minor version both speak; 0 before INIT.</summary>
    public int ProtocolMinor => (int)(_connection?.Minor ?? 0);

    /// <summary>What both act on; nothing before INIT.</summary>
    public InitFlags NegotiatedFlags => _connection?.Flags ?? InitFlags.None;

    /// <summary>
    /// The most data of one WRITE, in bytes: before INIT what will be offered, then what was agreed on.
    /// </summary>
    public int MaxWrite => _connection?.MaxWrite ?? _maxWrite;

    /// <summary>How often a lock was refused (ENOLCK) because 4,096 requests wait for one.</summary>
    public long RefusedLockWaits => LockWaiters.Refused;

    /// <summary>A buffer of this many bytes holds any request that this session accepts. Never changes.</summary>
    public int RequestBufferSize => Math.Max(
        FuseProtocol.WriteRequestOverhead + _maxWrite,
        FuseProtocol.RequestHeaderSize + FuseWorker.ArgumentsSize + FuseProtocol.PageSize);

    /// <summary>A buffer of this many bytes holds any reply of this session. Never changes.</summary>
    public int ReplyBufferSize => FuseProtocol.ReplyHeaderSize
        + Math.Max(_maxPages * FuseProtocol.PageSize, FuseProtocol.XattrBytes + FuseProtocol.PageSize);

    /// <summary>Tells the client of changes behind its back.</summary>
    public INotificationSink Notifications { get; }

    private SessionServices Services => new()
    {
        Notifications = Notifications,
        BackingFiles = _backingFiles,
        HasLocalCallers = _transport is { HasLocalCallers: true },
    };

    internal IFileSystem FileSystem { get; }

    /// <summary>What files are mapped into; null for none.</summary>
    internal IDaxWindow? DaxWindow { get; }

    /// <summary>The requests that wait for a lock.</summary>
    internal LockWaiters LockWaiters { get; }

    internal FuseEvents Events { get; }

    internal FuseConnection? Connection => _connection;

    /// <summary>Makes a worker: the memory to handle one request at a time.</summary>
    public FuseWorker CreateWorker()
    {
        var worker = new FuseWorker(this);
        lock (_workersLock)
        {
            // Those that nobody has any more go.
            _workers = [.. _workers.Where(other => other.TryGetTarget(out _)), new WeakReference<FuseWorker>(worker)];
        }

        return worker;
    }

    /// <summary>The workers that there are.</summary>
    internal IEnumerable<FuseWorker> Workers
    {
        get
        {
            foreach (WeakReference<FuseWorker> reference in Volatile.Read(ref _workers))
            {
                if (reference.TryGetTarget(out FuseWorker? worker))
                {
                    yield return worker;
                }
            }
        }
    }

    /// <summary>
    /// INIT: agrees with the client. Whatever was agreed on before ends first, as the client has forgotten it.
    /// </summary>
    internal Errno Initialize(in RequestContext context, in FuseInitIn init, int length, out FuseInitOut reply)
    {
        lock (_initLock)
        {
            End(context);
            reply = default;
            reply.Major = FuseProtocol.MajorVersion;
            reply.Minor = FuseProtocol.MinorVersion;
            if (init.Major > FuseProtocol.MajorVersion)
            {
                // The client is newer: it asks again, in the version named here.
                return Errno.OK;
            }

            if (init.Major < FuseProtocol.MajorVersion || init.Minor < FuseProtocol.MinimumMinorVersion)
            {
                return Errno.EPROTO;
            }

            InitFlags offered = FuseNegotiation.Offered(init, length);
            if (DaxWindow is null)
            {
                // The file system shall not hear of it either: it would mark files for what is not there.
                offered &= ~FuseNegotiation.NeedsWindow;
            }

            if (_backingFiles is null)
            {
                offered &= ~FuseNegotiation.NeedsBackingFiles;
            }

            if (_transport is not { CanReplyLater: true })
            {
                offered &= ~FuseNegotiation.NeedsLateReplies;
            }

            FileSystem.Attach(Services);
            Errno errno = FileSystem.Init(context, offered, out InitFlags accepted);
            if (errno != Errno.OK)
            {
                return errno;
            }

            InitFlags flags = FuseNegotiation.Agree(
                offered, accepted, _transport?.AcceptedFlags ?? InitFlags.None, _canNotify);
            if ((flags & FuseNegotiation.NeedsLateReplies) != 0 && !TryStartWaiting(context))
            {
                return Errno.ENOMEM;
            }

            bool hasMaxPages = (flags & InitFlags.FUSE_MAX_PAGES) != 0;
            int pages = hasMaxPages ? _maxPages : Math.Min(_maxPages, FuseProtocol.DefaultMaxPages);
            var connection = new FuseConnection
            {
                Flags = flags,
                Minor = Math.Min(init.Minor, FuseProtocol.MinorVersion),
                MaxWrite = Math.Min(_maxWrite, pages * FuseProtocol.PageSize),
                MaxRead = pages * FuseProtocol.PageSize,
            };
            reply.Minor = connection.Minor;
            reply.MaxReadahead = Math.Min(init.MaxReadahead, (uint)_options.MaxReadahead);
            reply.Flags = (uint)flags;
            reply.Flags2 = (uint)((ulong)flags >> 32);
            reply.MaxBackground = (ushort)_options.MaxBackground;
            reply.CongestionThreshold = (ushort)_options.EffectiveCongestionThreshold;
            reply.MaxWrite = (uint)connection.MaxWrite;
            reply.MaxPages = hasMaxPages ? (ushort)pages : (ushort)0;
            reply.MapAlignment = (flags & InitFlags.FUSE_MAP_ALIGNMENT) != 0
                ? (ushort)BitOperations.Log2((uint)Environment.SystemPageSize)
                : (ushort)0;
            reply.TimeGran = (uint)_options.TimeGranularityNanoseconds;
            reply.MaxStackDepth = connection.Has(InitFlags.FUSE_PASSTHROUGH) ? FuseNegotiation.MaxStackDepth : 0;
            _connection = connection;
            return Errno.OK;
        }
    }

    /// <summary>Has a thread for requests that will wait for a lock; without one the client gets no session.</summary>
    private bool TryStartWaiting(in RequestContext context)
    {
        try
        {
            LockWaiters.Start();
            return true;
        }
        catch (OutOfMemoryException e)
        {
            Events.Failure(FuseOpcode.FUSE_INIT, context.Id.Value, e);
            FileSystem.Destroy(context);
            return false;
        }
    }

    /// <summary>DESTROY: back to waiting for an INIT.</summary>
    internal void Destroy(in RequestContext context)
    {
        lock (_initLock)
        {
            End(context);
        }
    }

    private void End(in RequestContext context)
    {
        if (_connection is not null)
        {
            // First, so that a file system that throws here leaves no session behind.
            _connection = null;
            LockWaiters.Clear();
            try
            {
                FileSystem.Destroy(context);
            }
            finally
            {
                // A client that has gone leaves no file within reach. Where that fails, it is the transport's to log.
                _ = DaxWindow?.Unmap(new DaxRange(0, DaxWindow.Length));
            }
        }
    }
}
