using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;

namespace PassthroughFs.Fuse;

/// <summary>What the log says of a mount.</summary>
internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Error, "The kernel refused a reply: {Error}. Its request got EIO; logged once.")]
    public static partial void ReplyRefused(ILogger logger, string error);

    [LoggerMessage(2, LogLevel.Warning, "The mount was still in use: its users get \"not connected\" from now on.")]
    public static partial void StillInUse(ILogger logger);

    [LoggerMessage(4, LogLevel.Information, "{Signal}: unmounting.")]
    public static partial void Stopping(ILogger logger, PosixSignal signal);

    [LoggerMessage(5, LogLevel.Warning, "{Signal} again: aborting the connection, requests under way fail.")]
    public static partial void Aborting(ILogger logger, PosixSignal signal);

    [LoggerMessage(12, LogLevel.Warning,
        "{Count} requests hang, the oldest: {Oldest}, at {MountPoint}.{Hint} Not logged again until none hangs.")]
    public static partial void Hanging(ILogger logger, int count, string oldest, string mountPoint, string hint);

    [LoggerMessage(13, LogLevel.Warning, "No request hangs any more.")]
    public static partial void NoLongerHanging(ILogger logger);

    [LoggerMessage(14, LogLevel.Error,
        "All {Count} threads hang, so the mount does until one goes on: more may with more threads, or more that stand by.")]
    public static partial void AllHanging(ILogger logger, int count);

    [LoggerMessage(15, LogLevel.Warning,
        "What was asked of the source is not done after {Seconds} s, its users get \"not connected\": {Requests}.")]
    public static partial void EndsWithHanging(ILogger logger, double seconds, string requests);

    [LoggerMessage(16, LogLevel.Error,
        "Requests still hang at {MountPoint} although it was aborted: their threads stay, and the file system must not be " +
        "disposed of.")]
    public static partial void StillHanging(ILogger logger, string mountPoint);
}
