using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net.Sockets;
using System.Threading.Tasks;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;
using Microsoft.Win32.SafeHandles;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Passthrough;
using PassthroughFs.Core.Protocol;
using PassthroughFs.Samples.FuseMount.Ring;
using PassthroughFs.Samples.FuseMount.Upgrade;

namespace PassthroughFs.Samples.FuseMount;

/// <summary>A mount from its beginning to its end, or to where a successor goes on with it.</summary>
internal sealed class MountedSource
{
    private static readonly TimeSpan s_initLimit = TimeSpan.FromSeconds(10);

    private static SafeFileHandle? s_root;
    private static SafeFileHandle? s_namespace;

    private readonly ILogger _logger;
    private readonly ServerStatus _status = new();
    private readonly DeviceTransport _transport = new();
    private readonly FuseSession _session;
    private readonly Call _call;
    private readonly MountOptions _options;
    private readonly Paths _paths;
    private readonly Served _served;
    private readonly HangWatch _watch;
    private readonly Action<string> _announce;
    private readonly Func<Exception, int> _fail;

    private MountedSource(
        Call call, MountOptions options, Paths paths, Served served, ILoggerFactory loggers, Action<string> announce,
        Func<Exception, int> fail)
    {
        _call = call;
        _options = options;
        _paths = paths;
        _served = served;
        _announce = announce;
        _fail = fail;
        _logger = loggers.CreateLogger("ptfs-mount");
        _session = new FuseSession(
            served.FileSystem, new FuseSessionOptions { MaxWrite = options.MaxWrite }, _transport,
            loggers.CreateLogger<FuseSession>());
        _watch = new HangWatch(
            new RequestWatch(_session), served.PathOf,
            new HangEpisode(
                options.HangWarning, options.Threads + options.StandbyThreads, paths.MountPoint, _logger));
    }

    /// <summary>Mounts, serves until it is over, unmounts.</summary>
    /// <param name="call">What the program was called with.</param>
    /// <param name="options">What is wanted.</param>
    /// <param name="announce">Gets the line that says that it serves.</param>
    /// <param name="fail">Gets what nobody catches, on any thread; says it and gives the exit code.</param>
    /// <returns>The exit code.</returns>
    public static int Run(Call call, MountOptions options, Action<string> announce, Func<Exception, int> fail)
    {
        Paths paths = options.Mounts.Count == 0
            ? Paths.Check(options.Source, options.MountPoint)
            : Paths.CheckTree(options.Mounts, options.MountPoint);
        return options.Fake ? 0 : Run(call, options, paths, null, announce, fail);
    }

    /// <summary>The same for a mount that another program serves, which ends.</summary>
    /// <param name="upgrade">Which.</param>
    /// <param name="announce">As above.</param>
    /// <param name="fail">As above.</param>
    public static int TakeOver(UpgradeOptions upgrade, Action<string> announce, Func<Exception, int> fail)
    {
        RaiseFileLimit();
        using Successor successor = Successor.Connect(
            upgrade.Control ?? ControlClient.SocketOf(upgrade.MountPoint), upgrade.MountPoint);
        Handover handover = successor.Handover;
        var call = new Call(handover.Arguments, handover.AsMountHelper);
        MountOptions options = CommandLine.Parse([.. call.Arguments], call.AsMountHelper)
            ?? throw new MountException("what the running program was called with mounts nothing");
        NamedSource[] sources = [.. handover.Mounts.Select(mount => new NamedSource(mount.Path, mount.Source))];
        var paths = new Paths(handover.Source, handover.SourceMode, handover.MountPoint) { Mounts = sources };
        options = options with
        {
            Source = handover.SourceName,
            MountPoint = handover.MountPoint,
            Control = handover.Control,
            ExportState = handover.ExportState,
            LogLevel = upgrade.LogLevel ?? options.LogLevel,

            // The client came to terms with the device long ago.
            IoUring = false,
        };
        return Run(call, options, paths, successor, announce, fail);
    }

    private static int Run(
        Call call, MountOptions options, Paths paths, Successor? successor, Action<string> announce,
        Func<Exception, int> fail)
    {
        ExportState? state = ExportState.At(options.ExportState, paths);

        // No directory of the user's is kept busy, and nothing here depends on one any more.
        Directory.SetCurrentDirectory("/");
        RaiseFileLimit();
        using ILoggerFactory loggers = CreateLoggers(options.LogLevel);
        if (successor is null)
        {
            options = AsSourcesAre(options, paths, loggers);
        }

        if (options.Mounts.Count == 0 && !AccessTimes.AreSo(paths.Source, options.Flags))
        {
            // As long as the process.
            (s_root, s_namespace) = AccessTimes.Open(paths.Source, options.Flags);
            options.Config.RootFd = s_root.DangerousGetHandle().ToInt32();
        }

        Served served = options.Mounts.Count == 0
            ? new ServedDirectory(
                CreateFileSystem(options.Config, paths.Source, loggers), options, state, successor is not null)
            : new ServedTree(
                options with { Mounts = paths.Mounts }, paths.MountPoint, successor?.Handover.Mounts,
                (config, source) => AccessTimes.AreSo(source, options.Flags)
                    ? CreateFileSystem(config, source, loggers)
                    : throw AccessTimes.Refusal(source, "with --mount they are the host's"), loggers);
        return new MountedSource(call, options, paths, served, loggers, announce, fail).Serve(successor);
    }

    private ControlOrders Orders => new(_served.Tree, RemountRefusal, () => _watch.Describe());

    private int Serve(Successor? successor)
    {
        _status.Attach(_session);
        ControlSocket? control = successor is null
            ? ControlSocket.Open(
                _options.Control, _paths.MountPoint, Orders,
                needsOrders: _options.Control is not null || _options.Mounts.Count > 0, _logger)
            : null;
        try
        {
            using var signals = new Signals(_status, _logger);
            RingServer? ring = _options.IoUring ? RingServer.Prepare(_session, _status, _logger) : null;
            _transport.HasRing = ring is not null;
            if (_status.End.IsCompleted)
            {
                return 0;
            }

            ActiveMount mount = successor is not null ? TakeOver(successor, out control)
                : Libc.geteuid() == 0 && !_options.AutoUnmount ? KernelMount.Create(_options, _paths)
                : FusermountHelper.Create(_options, _paths);
            return Serve(mount, control, ring, signals, successor);
        }
        finally
        {
            if (_status.IsHandedOver)
            {
                control?.Leave();
            }
            else
            {
                control?.Dispose();
            }
        }
    }

    private ActiveMount TakeOver(Successor successor, out ControlSocket control)
    {
        ActiveMount mount = successor.TakeOver(_session, _transport, out Socket socket);
        control = ControlSocket.Adopt(socket, _options.Control!, Orders);
        return mount;
    }

    private int Serve(
        ActiveMount mount, ControlSocket? control, RingServer? ring, Signals signals, Successor? successor)
    {
        signals.Attach(mount);
        AppDomain.CurrentDomain.UnhandledException += (_, crash) =>
        {
            // Some thread's exception ends the process: not without its mount, and in one line.
            if (!_status.IsHandedOver)
            {
                mount.Remove();
            }

            Libc._exit(_fail((Exception)crash.ExceptionObject));
        };
        _transport.Connect(mount.DeviceFd);
        var server = new Server(
            _session, mount.DeviceFd, _options.Threads, _options.StandbyThreads, _status, _logger);
        MountEnd? end = null;
        Exception? fault;
        bool hasServed = false;
        try
        {
            // Beside a ring one thread is enough for INIT and what owes no answer.
            _session.Resume();
            server.Start(ring is null ? int.MaxValue : 1);
            _watch.Start(server.Replace);
            fault = successor is null ? WaitUntilServing(_status) : null;
            if (ring is not null && !RingServer.TryStart(ring, _session, mount.DeviceFd, _logger))
            {
                server.Start();
            }

            hasServed = fault is null;
            if (hasServed && !_status.End.IsCompleted)
            {
                control?.Attach(new Predecessor(
                    _session, server, _status, mount, control, () => Describe(mount, control),
                    s_namespace is not null ? "its access times are kept by mounts of its own, which end with it"
                        : (_session.NegotiatedFlags & InitFlags.FUSE_OVER_IO_URING) == 0 ? null : RingServer.NoUpgrade,
                    _logger));
                Announce(successor);
            }

            fault ??= WaitForEnd(_status, signals, mount);
            end = new MountEnd(mount, _watch, signals, _options.EndTimeout, _logger);
            if (_status.IsHandedOver)
            {
                // All there is goes on elsewhere: the end of this process closes its share, and nothing else happens.
                return 0;
            }

            if (fault is null && _served.Writeback && signals.Any)
            {
                end.Flush();
            }
        }
        finally
        {
            if (!_status.IsHandedOver)
            {
                end ??= new MountEnd(mount, _watch, signals, _options.EndTimeout, _logger);
                end.Remove();
            }
        }

        bool isQuiet = end.WaitForThreads(server.WaitForThreads)
            && (ring is null || end.WaitForThreads(ring.WaitForThreads));
        _watch.Stop();
        MountException? unsaved = hasServed ? _served.SaveState() : null;
        fault ??= unsaved;
        if (isQuiet)
        {
            control?.Dispose();
            _served.Dispose();
        }
        else if (fault is null)
        {
            // Somebody has a file or directory of the detached mount open. The end of the process disconnects them.
            Log.StillInUse(_logger);
        }

        return fault is null ? 0 : _fail(fault);
    }

    private void Announce(Successor? successor)
    {
        Log.Serving(_logger, _paths.Source, _paths.MountPoint, _options.Threads);
        string line = $"mounted {_options.Source} at {_options.MountPoint}";
        if (successor is not null)
        {
            long outage = (long)successor.Outage.TotalMilliseconds;
            Log.TookOver(_logger, successor.Handover.Pid, outage);
            line += $", in place of process {successor.Handover.Pid}: {outage} ms without service";
        }

        _announce(line);
    }

    private Handover Describe(ActiveMount mount, ControlSocket control) => new()
    {
        Pid = Environment.ProcessId,
        Arguments = _call.Arguments,
        AsMountHelper = _call.AsMountHelper,
        SourceName = _options.Source,
        Source = _paths.Source,
        SourceMode = _paths.SourceMode,
        MountPoint = mount.MountPoint,
        Connection = mount.Connection,
        ByHelper = mount is FusermountHelper,
        HelperWaits = mount.HelperSocket is not null,
        Control = control.Place,
        ExportState = _served.StateFile,
        Mounts = _served.Sources,
    };

    private static MountException? WaitUntilServing(ServerStatus status)
    {
        Task<Errno> first = status.First;
        return !first.Wait(s_initLimit)
            ? new MountException("the kernel did not start a session: look into its log with `dmesg`")
            : first.Result is not (Errno.OK or Errno.ENOTCONN) and var error
                ? new MountException($"the session could not be started: {Libc.Describe(error)}")
                : null;
    }

    private static Exception? WaitForEnd(ServerStatus status, Signals signals, ActiveMount mount)
    {
        Exception? fault = status.End.GetAwaiter().GetResult();
        return fault is null && !signals.Any && mount.IsMounted()
            ? new MountException("the connection was aborted from outside: mount again to go on")
            : fault;
    }

    // What nobody can write to is mounted as such: else the kernel says of access(2) what the modes say.
    private static MountOptions AsSourcesAre(MountOptions options, Paths paths, ILoggerFactory loggers)
    {
        bool isReadOnly = AreReadOnly(paths.Mounts.Count == 0
            ? [paths.Source]
            : paths.Mounts.Select(mount => mount.Source));
        if (!isReadOnly || (options.Flags & MountFlags.ReadOnly) != 0)
        {
            return options;
        }

        Log.ReadOnlySource(loggers.CreateLogger("ptfs-mount"), options.Source);
        return options with { Flags = options.Flags | MountFlags.ReadOnly };
    }

    private static bool AreReadOnly(IEnumerable<string> sources) => sources.All(Libc.IsReadOnly);

    // The words are "ro" or "rw", and the options that the mount does not have by the kernel's own account.
    private string? RemountRefusal(string words)
    {
        string[] items = [.. OptionList.Split(words)];
        if (items.FirstOrDefault() == "rw")
        {
            if (_options.Config.ReadOnly)
            {
                return "it is served with --read-only: unmount it, and mount it without";
            }

            if (AreReadOnly(_served.Tree is null ? [_paths.Source] : _served.Sources.Select(source => source.Source)))
            {
                return "what is served is read-only on the host: remount that first";
            }
        }

        return CommandLine.FirstUnlike([.. _call.Arguments], items.Skip(1)) is { } other
            ? $"a remount cannot change {other}: unmount it, and mount it anew"
            : null;
    }

    private static PassthroughFileSystem CreateFileSystem(
        PassthroughConfig config, string source, ILoggerFactory loggers)
    {
        config.RootDir = source;
        try
        {
            return new PassthroughFileSystem(config, loggers.CreateLogger<PassthroughFileSystem>());
        }
        catch (Exception e) when (e is IOException or ArgumentException or UnauthorizedAccessException)
        {
            // The library's own words: they name what is wrong and what helps.
            throw new MountException(CommandLine.AsOptionNames(e.Message));
        }
    }

    // Each inode that the kernel knows costs a descriptor, as long as there are any.
    private static unsafe void RaiseFileLimit()
    {
        ulong* limit = stackalloc ulong[2]; // Sound: struct rlimit is two 64-bit numbers, soft and hard.
        if (Libc.getrlimit(Libc.RLIMIT_NOFILE, limit) == 0)
        {
            limit[0] = limit[1];
            _ = Libc.setrlimit(Libc.RLIMIT_NOFILE, limit);
        }
    }

    private static ILoggerFactory CreateLoggers(LogLevel level) => LoggerFactory.Create(builder => builder
        .SetMinimumLevel(level)
        .AddSimpleConsole(format => format.SingleLine = true)
        .Services.Configure<ConsoleLoggerOptions>(console =>
        {
            console.LogToStandardErrorThreshold = LogLevel.Trace;

            // Nobody who reads standard error late, or not at all, holds up a request: lines are dropped and counted.
            console.QueueFullMode = ConsoleLoggerQueueFullMode.DropWrite;
        }));
}
