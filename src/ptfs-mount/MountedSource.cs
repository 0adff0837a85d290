using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;
using Microsoft.Win32.SafeHandles;
using PassthroughFs.Core.Passthrough;
using PassthroughFs.Fuse;
using PassthroughFs.PtfsMount.Upgrade;
using PassthroughFs.Shared;

namespace PassthroughFs.PtfsMount;

/// <summary>A mount from its beginning to its end, or to where a successor goes on with it.</summary>
internal sealed class MountedSource
{
    private static SafeFileHandle? s_root;
    private static SafeFileHandle? s_namespace;

    private readonly ILoggerFactory _loggers;
    private readonly ILogger _logger;
    private readonly Call _call;
    private readonly MountOptions _options;
    private readonly Paths _paths;
    private readonly Served _served;
    private readonly Action<string> _announce;
    private readonly Func<Exception, int> _fail;
    private FuseMount? _mount;

    private MountedSource(
        Call call, MountOptions options, Paths paths, Served served, ILoggerFactory loggers, Action<string> announce,
        Func<Exception, int> fail)
    {
        _call = call;
        _options = options;
        _paths = paths;
        _served = served;
        _loggers = loggers;
        _announce = announce;
        _fail = fail;
        _logger = loggers.CreateLogger("ptfs-mount");
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
            ?? throw new FuseMountException("what the running program was called with mounts nothing");
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

    private ControlOrders Orders => new(_served.Tree, RemountRefusal, () => _mount?.DescribeRequests() ?? "");

    private int Serve(Successor? successor)
    {
        ControlSocket? control = successor is null
            ? ControlSocket.Open(
                _options.Control, _paths.MountPoint, Orders,
                needsOrders: _options.Control is not null || _options.Mounts.Count > 0, _logger)
            : null;
        try
        {
            _mount = successor is not null
                ? TakeOver(successor, out control)
                : Start();
            AppDomain.CurrentDomain.UnhandledException += (_, crash) =>
                Libc._exit(_fail((Exception)crash.ExceptionObject)); // In one line. The mount has gone before.
            if (!_mount.Completion.IsCompleted)
            {
                control?.Attach(new Predecessor(_mount, control, () => Describe(_mount, control), Obstacle, _logger));
                Announce(successor);
            }

            return WaitForEnd(_mount);
        }
        finally
        {
            control?.Dispose();
        }
    }

    private FuseMount Start()
    {
        try
        {
            return FuseMount.Start(_served.FileSystem, _paths.MountPoint, FuseOptions, _loggers);
        }
        catch (FuseMountException e)
        {
            throw new FuseMountException(CommandLine.AsOptionNames(e.Message), e.Fault);
        }
    }

    private FuseMount TakeOver(Successor successor, out ControlSocket control)
    {
        FuseMount mount = successor.TakeOver(_served.FileSystem, FuseOptions, _loggers, out Socket socket);
        control = ControlSocket.Adopt(socket, _options.Control!, Orders);
        return mount;
    }

    private int WaitForEnd(FuseMount mount)
    {
        FuseMountEnd end = FuseMountEnd.StillInUse;
        Exception? fault = null;
        try
        {
            end = mount.Completion.GetAwaiter().GetResult();
        }
#pragma warning disable CA1031 // The user hears of it, whatever it is.
        catch (Exception e)
#pragma warning restore CA1031
        {
            fault = e;
        }

        if (end == FuseMountEnd.HandedOver)
        {
            return 0;
        }

        // What handles mean is written down however the mount ended.
        FuseMountException? unsaved = _served.SaveState();
        fault ??= unsaved;
        if (end == FuseMountEnd.Unmounted)
        {
            _served.Dispose();
        }

        return fault is null ? 0 : _fail(fault);
    }

    private FuseMountOptions FuseOptions
    {
        get
        {
            FuseMountOptions options = _options.ToFuse(_paths.Source);
            options.PathOf = _served.PathOf;
            options.HangHint = $"`ptfs-mount ctl {_paths.MountPoint} requests` shows all.";
            return options;
        }
    }

    private string? Obstacle => s_namespace is not null
        ? "its access times are kept by mounts of its own, which end with it"
        : _mount?.HandOverObstacle is { } obstacle
            ? $"{obstacle}: unmount and mount again, without --io-uring if upgrades are wanted"
            : null;

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

    private Handover Describe(FuseMount mount, ControlSocket control) => new()
    {
        Pid = Environment.ProcessId,
        Arguments = _call.Arguments,
        AsMountHelper = _call.AsMountHelper,
        SourceName = _options.Source,
        Source = _paths.Source,
        SourceMode = _paths.SourceMode,
        MountPoint = mount.MountPoint,
        Connection = mount.Identity.Connection,
        ByHelper = mount.Identity.ByHelper,
        HelperWaits = mount.Identity.HelperWaits,
        Control = control.Place,
        ExportState = _served.StateFile,
        Mounts = _served.Sources,
    };

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
            throw new FuseMountException(CommandLine.AsOptionNames(e.Message));
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
