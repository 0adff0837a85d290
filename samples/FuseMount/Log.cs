using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;

namespace PassthroughFs.Samples.FuseMount;

/// <summary>What the log says.</summary>
internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Error, "The kernel refused a reply: {Error}. Its request got EIO; logged once.")]
    public static partial void ReplyRefused(ILogger logger, string error);

    [LoggerMessage(2, LogLevel.Warning, "The mount was still in use: its users get \"not connected\" from now on.")]
    public static partial void StillInUse(ILogger logger);

    [LoggerMessage(3, LogLevel.Information, "Serving {Source} at {MountPoint} with {Threads} threads.")]
    public static partial void Serving(ILogger logger, string source, string mountPoint, int threads);

    [LoggerMessage(4, LogLevel.Information, "{Signal}: unmounting.")]
    public static partial void Stopping(ILogger logger, PosixSignal signal);

    [LoggerMessage(5, LogLevel.Warning, "{Signal} again: aborting the connection, requests under way fail.")]
    public static partial void Aborting(ILogger logger, PosixSignal signal);

    [LoggerMessage(7, LogLevel.Information, "Process {Successor} serves from now on: ending without unmounting.")]
    public static partial void HandedOver(ILogger logger, int successor);

    [LoggerMessage(8, LogLevel.Warning, "Process {Successor} did not take the mount over, so it is served here: {Reason}")]
    public static partial void SuccessorFailed(ILogger logger, int successor, string reason);

    [LoggerMessage(9, LogLevel.Information, "Took over from process {Predecessor}: {Milliseconds} ms without service.")]
    public static partial void TookOver(ILogger logger, int predecessor, long milliseconds);

    [LoggerMessage(10, LogLevel.Information, "This mount cannot be upgraded: {Reason}.")]
    public static partial void NoUpgrade(ILogger logger, string reason);

    [LoggerMessage(11, LogLevel.Warning, "{Source} is read-only on this host: mounted read-only.")]
    public static partial void ReadOnlySource(ILogger logger, string source);

    [LoggerMessage(6, LogLevel.Warning,
        "No orders can be given at run time: {Reason}. Name a place for the control socket with --control.")]
    public static partial void NoControl(ILogger logger, string reason);

    [LoggerMessage(12, LogLevel.Warning,
        "{Count} requests hang, the oldest: {Oldest}. `ptfs-mount ctl {MountPoint} requests` shows all; not logged again " +
        "until none hangs.")]
    public static partial void Hanging(ILogger logger, int count, string oldest, string mountPoint);

    [LoggerMessage(13, LogLevel.Warning, "No request hangs any more.")]
    public static partial void NoLongerHanging(ILogger logger);

    [LoggerMessage(14, LogLevel.Error,
        "All {Count} threads hang, so the mount does until one goes on: more may with --threads and --standby-threads.")]
    public static partial void AllHanging(ILogger logger, int count);

    [LoggerMessage(15, LogLevel.Warning,
        "What was asked of the source is not done after {Seconds} s, its users get \"not connected\": {Requests}.")]
    public static partial void EndsWithHanging(ILogger logger, double seconds, string requests);
}
