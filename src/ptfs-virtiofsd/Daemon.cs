using System;
using System.IO;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;
using Microsoft.Win32.SafeHandles;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Passthrough;
using PassthroughFs.Core.Vfs;
using PassthroughFs.Shared;
using PassthroughFs.VhostUser;

namespace PassthroughFs.PtfsVirtiofsd;

/// <summary>The daemon from its beginning to its end: one VMM after another.</summary>
internal static unsafe class Daemon
{
    /// <summary>Listens and serves until it is over.</summary>
    /// <param name="options">What is wanted.</param>
    /// <param name="announce">Gets the line that says that it listens.</param>
    /// <param name="fail">Gets what nobody catches, on any thread; says it and gives the exit code.</param>
    /// <returns>The exit code.</returns>
    public static int Run(DaemonOptions options, Action<string> announce, Func<Exception, int> fail)
    {
        string shared = Path.GetFullPath(options.SharedDir);
        Sandbox.Check(options.Sandbox, shared, options.Config);
        if (options.Sandbox == SandboxMode.Namespace)
        {
            UserNamespace.Enter(options.UserMap, options.GroupMap, options.Fd);
        }

        using SandboxInside? inside = options.Sandbox == SandboxMode.Namespace ? SandboxInside.Find() : null;
        VhostUserServer.Prepare();
        if (!Directory.Exists(shared))
        {
            throw new DaemonException(
                $"shared directory {options.SharedDir} does not exist or is no directory: name an existing one");
        }

        Sandbox.DropPrivileges(options.Sandbox, options.Capabilities, options.Fd);
        SetFileLimit(options.FileLimit);
        using VhostUserSocket socket = (inside?.SocketFd ?? options.Fd) is { } fd
            ? Inherit(fd)
            : VhostUserSocket.Listen(options.SocketPath!);
        if (options.Sandbox == SandboxMode.Namespace && inside is null)
        {
            return SandboxOutside.Run(socket, shared, options.Capabilities);
        }

        using ILoggerFactory loggers = CreateLoggers(options.LogLevel);
        ILogger logger = loggers.CreateLogger("ptfs-virtiofsd");
        using var signals = new Signals(socket.Remove, logger);
        AppDomain.CurrentDomain.UnhandledException += (_, crash) =>
        {
            // Some thread's exception ends the process: not without its socket, and in one line.
            socket.Remove();
            Libc._exit(fail((Exception)crash.ExceptionObject));
        };
        using SafeFileHandle? directory = Sandbox.Open(options.Sandbox, shared, inside);
        options.Config.RootDir = shared;
        options.Config.RootFd = directory is null ? null : Libc.Number(directory);
        using PassthroughFileSystem fileSystem = CreateFileSystem(options.Config, loggers);
        Sandbox.Enter(options.Sandbox, inside);
        IFileSystem served = options.XattrMap is { } names ? new XattrMappedFileSystem(fileSystem, names) : fileSystem;
        using var server = VhostUserServer.Create(served, socket, options.Server, loggers);
        signals.Attach(server);
        SystemCallFilter.Install(
            options.Seccomp,
            options.Config.InodeFileHandles != InodeFileHandles.Never,
            isSandboxed: options.Sandbox != SandboxMode.None);
        announce($"listening on {options.SocketPath ?? $"descriptor {options.Fd}"}");
        server.Serve();
        if (server.Completion.GetAwaiter().GetResult() == VhostUserEnd.StillInUse)
        {
            // Their threads use what would be closed now: the end of the process closes it.
            Log.EndsWithHanging(logger, server.RequestsUnderWay);
            loggers.Dispose();
            Environment.Exit(0);
        }

        return 0;
    }

    private static VhostUserSocket Inherit(int fd)
    {
        try
        {
            return VhostUserSocket.FromListening(Libc.Own(fd));
        }
        catch (VhostUserException)
        {
            throw new DaemonException($"--fd {fd} is no listening socket: let the parent call listen(2) on it");
        }
    }

    private static PassthroughFileSystem CreateFileSystem(PassthroughConfig config, ILoggerFactory loggers)
    {
        try
        {
            return new PassthroughFileSystem(config, loggers.CreateLogger<PassthroughFileSystem>());
        }
        catch (Exception e) when (e is IOException or ArgumentException or UnauthorizedAccessException)
        {
            // The library's own words: they name what is wrong and what helps.
            throw new DaemonException(CommandLine.AsOptionNames(e.Message));
        }
    }

    // Each inode that the guest knows costs a descriptor, as long as there are any.
    private static void SetFileLimit(ulong? wanted)
    {
        if (wanted == 0)
        {
            return;
        }

        ulong* limit = stackalloc ulong[2]; // Sound: struct rlimit is two 64-bit numbers, soft and hard.
        if (Libc.getrlimit(Libc.RLIMIT_NOFILE, limit) != 0)
        {
            return;
        }

        limit[0] = wanted ?? limit[1];
        limit[1] = Math.Max(limit[0], limit[1]);
        if (Libc.setrlimit(Libc.RLIMIT_NOFILE, limit) != 0 && wanted is not null)
        {
            throw new DaemonException(
                $"--rlimit-nofile {wanted} is refused ({Libc.Describe(Libc.LastError)}): give a lower number");
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
