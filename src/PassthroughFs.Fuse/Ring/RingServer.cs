using System;
using System.Diagnostics;
using System.IO;
using System.Linq;
using Microsoft.Extensions.Logging;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Protocol;
using PassthroughFs.Shared;

namespace PassthroughFs.Fuse.Ring;

/// <summary>
/// Serves requests over io_uring. The kernel has a queue for each processor, and uses none before it has entries for
/// all. Until then, and for what owes no answer, requests come by the device.
/// </summary>
internal sealed class RingServer
{
    public const string Switch = "/sys/module/fuse/parameters/enable_uring";

    private const string Possible = "/sys/devices/system/cpu/possible";

    /// <summary>Why a mount with a ring has no successor.</summary>
    public const string NoUpgrade = "requests come over io_uring, whose entries belong to the running process: unmount " +
        "and mount again, without --io-uring if upgrades are wanted";

    private readonly RingThread[] _threads;

    private RingServer(RingThread[] threads) => _threads = threads;

    /// <summary>Takes what it needs, before a mount depends on it.</summary>
    /// <returns>Null where there can be none; the log says why.</returns>
    public static RingServer? Prepare(FuseSession session, ServerStatus status, ILogger logger)
    {
        string? obstacle = FindObstacle();
        if (obstacle is not null)
        {
            RingLog.Unavailable(logger, obstacle);
            return null;
        }

        int queues = CountCpus(File.ReadAllText(Possible));
        int count = Math.Clamp(Environment.ProcessorCount, 1, queues);
        var server = new RingServer(
        [
            .. Enumerable.Range(0, count).Select(first => new RingThread(
                [.. Enumerable.Range(0, queues).Where(queue => queue % count == first)],
                cpu: count == queues ? first : -1, session, status)),
        ]);
        Errno error = server._threads.Select(thread => thread.Prepare()).ToArray()
            .FirstOrDefault(error => error != Errno.OK, Errno.OK);
        if (error == Errno.OK)
        {
            return server;
        }

        RingLog.Unavailable(logger, Describe(error));
        server.Cancel();
        return null;
    }

    /// <summary>Begins to serve if INIT has agreed on it; ends the ring if not.</summary>
    /// <returns>False if all requests come by the device; the log says why.</returns>
    public static bool TryStart(RingServer ring, FuseSession session, int device, ILogger logger)
    {
        if ((session.NegotiatedFlags & InitFlags.FUSE_OVER_IO_URING) != 0)
        {
            return ring.Start(device, logger);
        }

        ring.Cancel();
        if (session.IsInitialized)
        {
            RingLog.Unavailable(logger, $"the kernel does not offer it: write Y to {Switch} as root");
        }

        return false;
    }

    private bool Start(int device, ILogger logger)
    {
        foreach (RingThread thread in _threads)
        {
            thread.Start(device);
        }

        Errno error = _threads.Select(thread => thread.AwaitRegistered()).ToArray()
            .FirstOrDefault(error => error != Errno.OK, Errno.OK);
        if (error != Errno.OK)
        {
            RingLog.Unavailable(logger, Libc.Describe(error));
            return false;
        }

        RingLog.Serving(logger);
        return true;
    }

    /// <summary>Ends the threads of a ring that was not started.</summary>
    public void Cancel() => Array.ForEach(_threads, thread => thread.Start(-1));

    /// <summary>Waits for the threads to end, which they do with the connection.</summary>
    public bool WaitForThreads(TimeSpan limit)
    {
        long start = Stopwatch.GetTimestamp();
        return _threads.All(thread =>
        {
            TimeSpan left = limit - Stopwatch.GetElapsedTime(start);
            return thread.Join(left > TimeSpan.Zero ? left : TimeSpan.Zero);
        });
    }

    /// <summary>How many processors a list such as "0-3,8" names.</summary>
    public static int CountCpus(string list) => list.Trim().Split(',').Sum(range =>
    {
        int[] ends = [.. range.Split('-').Select(int.Parse)];
        return ends[^1] - ends[0] + 1;
    });

    private static string? FindObstacle()
    {
        try
        {
            return File.ReadAllText(Switch).Trim() == "N"
                ? $"it is switched off: write Y to {Switch} as root (echo Y > {Switch})"
                : null;
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return "this kernel does not have it; Linux 6.14 and later do, with CONFIG_FUSE_IO_URING";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // INIT will tell.
            return null;
        }
    }

    private static string Describe(Errno error) => error switch
    {
        Errno.ENOSYS => "the kernel has no io_uring, or the container's seccomp rules hide it",
        Errno.EPERM or Errno.EACCES =>
            "io_uring is forbidden: write 0 to /proc/sys/kernel/io_uring_disabled, or allow it in the container's " +
            "seccomp rules",
        Errno.EINVAL => "the kernel's io_uring is too old; Linux 6.14 and later serve",
        _ => $"io_uring cannot be set up: {Libc.Describe(error)}",
    };
}
