using System;
using System.IO;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Passthrough;
using PassthroughFs.Core.Protocol;
using PassthroughFs.Samples.FuseMount.Ring;

namespace PassthroughFs.Samples.FuseMount;

/// <summary>A mount from its beginning to its end.</summary>
internal static class MountedSource
{
    private static readonly TimeSpan s_initLimit = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_endLimit = TimeSpan.FromSeconds(1);

    /// <summary>Mounts, serves until it is over, unmounts.</summary>
    /// <param name="options">What is wanted.</param>
    /// <param name="announce">Gets the line that says that it serves.</param>
    /// <param name="fail">Gets what nobody catches, on any thread; says it and gives the exit code.</param>
    /// <returns>The exit code.</returns>
    public static int Run(MountOptions options, Action<string> announce, Func<Exception, int> fail)
    {
        Paths paths = options.Mounts.Count == 0
            ? Paths.Check(options.Source, options.MountPoint)
            : Paths.CheckTree(options.Mounts, options.MountPoint);
        if (options.Fake)
        {
            return 0;
        }

        ExportState? state = ExportState.At(options.ExportState, paths);

        // No directory of the user's is kept busy, and nothing here depends on one any more.
        Directory.SetCurrentDirectory("/");
        RaiseFileLimit();
        using ILoggerFactory loggers = CreateLoggers(options.LogLevel);
        Served served = options.Mounts.Count == 0
            ? new ServedDirectory(CreateFileSystem(options.Config, paths.Source, loggers), options, state)
            : new ServedTree(
                options with { Mounts = paths.Mounts }, paths.MountPoint,
                (config, source) => CreateFileSystem(config, source, loggers), loggers);
        try
        {
            return Serve(options, paths, served, loggers, announce, fail);
        }
        finally
        {
            served.Close();
        }
    }

    private static int Serve(
        MountOptions options, Paths paths, Served served, ILoggerFactory loggers, Action<string> announce,
        Func<Exception, int> fail)
    {
        ILogger logger = loggers.CreateLogger("ptfs-mount");
        var status = new ServerStatus();
        using var signals = new Signals(status, logger);
        var transport = new DeviceTransport();
        var session = new FuseSession(
            served.FileSystem, new FuseSessionOptions { MaxWrite = options.MaxWrite }, transport,
            loggers.CreateLogger<FuseSession>());
        status.Attach(session);
        RingServer? ring = options.IoUring ? RingServer.Prepare(session, status, logger) : null;
        transport.HasRing = ring is not null;
        if (status.End.IsCompleted)
        {
            return 0;
        }

        ActiveMount mount = Libc.geteuid() == 0 && !options.AutoUnmount
            ? KernelMount.Create(options, paths)
            : FusermountHelper.Create(options, paths);
        signals.Attach(mount);
        AppDomain.CurrentDomain.UnhandledException += (_, crash) =>
        {
            // Some thread's exception ends the process: not without its mount, and in one line.
            mount.Remove();
            Libc._exit(fail((Exception)crash.ExceptionObject));
        };
        transport.Connect(mount.DeviceFd);
        var server = new Server(session, mount.DeviceFd, options.Threads, status, logger);
        Exception? fault;
        bool hasServed = false;
        try
        {
            // Beside a ring one thread is enough for INIT and what owes no answer.
            server.Start(ring is null ? options.Threads : 1);
            fault = WaitUntilServing(status);
            if (ring is not null && !RingServer.TryStart(ring, session, mount.DeviceFd, logger))
            {
                server.Start();
            }

            hasServed = fault is null;
            if (hasServed && !status.End.IsCompleted)
            {
                Log.Serving(logger, paths.Source, paths.MountPoint, options.Threads);
                announce($"mounted {options.Source} at {options.MountPoint}");
            }

            fault ??= WaitForEnd(status, signals, mount);
            if (fault is null && served.Writeback && signals.Any)
            {
                RunAside(mount.Flush);
            }
        }
        finally
        {
            RunAside(mount.Remove);
        }

        bool isQuiet = server.WaitForThreads(s_endLimit) && ring?.WaitForThreads(s_endLimit) != false;
        MountException? unsaved = hasServed ? served.SaveState() : null;
        fault ??= unsaved;
        if (isQuiet)
        {
            served.Dispose();
        }
        else if (fault is null)
        {
            // Somebody has a file or directory of the detached mount open. The end of the process disconnects them.
            Log.StillInUse(logger);
        }

        return fault is null ? 0 : fail(fault);
    }

    // The kernel gives a signal to the first thread if it can. Where that one hangs in a call that waits for the
    // server, the signal that is to end the hanging would never be seen.
    private static void RunAside(Action action)
    {
        var thread = new Thread(() => action()) { Name = "ptfs-end", IsBackground = true };
        thread.Start();
        thread.Join();
    }

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
        .Services.Configure<ConsoleLoggerOptions>(console => console.LogToStandardErrorThreshold = LogLevel.Trace));
}
