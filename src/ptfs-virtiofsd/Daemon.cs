using System;
using System.IO;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;
using Microsoft.Win32.SafeHandles;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Passthrough;
using PassthroughFs.Core.Vfs;
using PassthroughFs.PtfsVirtiofsd.Vhost;

namespace PassthroughFs.PtfsVirtiofsd;

/// <summary>The daemon from its beginning to its end: one VMM after another.</summary>
internal sealed unsafe class Daemon
{
    private readonly ListeningSocket _socket;
    private readonly SafeFileHandle _stop;
    private readonly IVirtioDevice _device;
    private readonly TimeSpan _endTimeout;
    private readonly ILogger _logger;

    private Daemon(
        ListeningSocket socket, SafeFileHandle stop, IVirtioDevice device, TimeSpan endTimeout, ILogger logger)
    {
        _endTimeout = endTimeout;
        _socket = socket;
        _stop = stop;
        _device = device;
        _logger = logger;
    }

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
        DescriptorKind.Prepare();
        if (!Directory.Exists(shared))
        {
            throw new DaemonException(
                $"shared directory {options.SharedDir} does not exist or is no directory: name an existing one");
        }

        Sandbox.DropPrivileges(options.Sandbox, options.Capabilities, options.Fd);
        SetFileLimit(options.FileLimit);
        using ListeningSocket socket = (inside?.SocketFd ?? options.Fd) is { } fd
            ? ListeningSocket.Inherit(fd)
            : ListeningSocket.Create(options.SocketPath!);
        if (options.Sandbox == SandboxMode.Namespace && inside is null)
        {
            return SandboxOutside.Run(socket, shared, options.Capabilities);
        }

        using ILoggerFactory loggers = CreateLoggers(options.LogLevel);
        ILogger logger = loggers.CreateLogger("ptfs-virtiofsd");
        using SafeFileHandle stop = Libc.NewEvent();
        using var signals = new Signals(stop, socket.Remove, logger);
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
        var device = new FsDevice(served, options.RequestQueues, options.Threads, options.StandbyThreads, options.Tag, loggers)
        {
            WindowLength = options.WindowLength,
        };
        var watch = new HangWatch(device, options.HangWarning, logger);
        watch.Start();
        signals.Attach(watch.Report);
        var daemon = new Daemon(socket, stop, device, options.EndTimeout, logger);
        if (!LostMemory.IsAnswered)
        {
            Log.LostMemoryUnanswered(logger);
        }

        SystemCallFilter.Install(
            options.Seccomp,
            options.Config.InodeFileHandles != InodeFileHandles.Never,
            isSandboxed: options.Sandbox != SandboxMode.None);
        announce($"listening on {options.SocketPath ?? $"descriptor {options.Fd}"}");
        daemon.Serve(options.Once);
        if (watch.Count is > 0 and var count)
        {
            // Their threads use what would be closed now: the end of the process closes it.
            Log.EndsWithHanging(logger, count);
            socket.Remove();
            loggers.Dispose();
            Environment.Exit(0);
        }

        return 0;
    }

    private void Serve(bool once)
    {
        while (Wait(_socket.Handle))
        {
            using SafeFileHandle connection = _socket.Accept();
            if (connection.IsInvalid)
            {
                Rest();
                continue;
            }

            Serve(connection);
            if (once)
            {
                return;
            }
        }
    }

    private void Serve(SafeFileHandle connection)
    {
        Log.Connected(_logger);
        var socket = new VhostSocket(connection, () => WaitForMessage(connection));
        try
        {
            var patience = new Patience(
                () => IsReady(_stop, Libc.POLLIN), () => IsReady(connection, Libc.POLLHUP), _endTimeout);
            using var frontEnd = new VhostConnection(socket, _device, patience, _logger);
            frontEnd.Serve();
        }
        catch (VhostException e)
        {
            Log.ConnectionClosed(_logger, e.Message);
        }

        Log.Disconnected(_logger);
    }

    // Whoever wants to connect in the meantime is told that there is one already, by the end of the connection.
    private bool WaitForMessage(SafeFileHandle connection)
    {
        while (true)
        {
            bool go = Wait(connection, _socket.Handle, out bool another);
            if (!go || !another)
            {
                return go;
            }

            using SafeFileHandle second = _socket.Accept();
            if (!second.IsInvalid)
            {
                Log.SecondConnection(_logger);
            }
            else
            {
                Rest();
            }
        }
    }

    // Without a descriptor left nobody can be accepted, and who waits makes the socket readable again and again.
    private void Rest()
    {
        const int milliseconds = 50;
        var stop = new Libc.PollFd(Libc.Number(_stop), Libc.POLLIN);
        _ = Libc.poll(&stop, 1, milliseconds); // SAFETY: one entry, of this frame.
    }

    private bool Wait(SafeFileHandle handle) => Wait(handle, null, out _);

    private static bool IsReady(SafeFileHandle handle, short events)
    {
        var fd = new Libc.PollFd(Libc.Number(handle), events);
        return Libc.poll(&fd, 1, 0) > 0 && (fd.Returned & events) != 0; // SAFETY: one entry, of this frame.
    }

    // Until the first can be read, or only the second one; false if it is time to end.
    private bool Wait(SafeFileHandle first, SafeFileHandle? second, out bool onlySecond)
    {
        Libc.PollFd* fds = stackalloc Libc.PollFd[3];
        fds[0] = new Libc.PollFd(Libc.Number(_stop), Libc.POLLIN);
        fds[1] = new Libc.PollFd(Libc.Number(first), Libc.POLLIN);
        fds[2] = new Libc.PollFd(second is null ? -1 : Libc.Number(second), Libc.POLLIN);
        while (Libc.poll(fds, 3, -1) < 0)
        {
            // A signal; the handler says by the eventfd what is wanted. Sound: three entries, of this frame.
        }

        onlySecond = fds[1].Returned == 0 && fds[2].Returned != 0;
        return fds[0].Returned == 0;
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
