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

    [LoggerMessage(6, LogLevel.Warning,
        "No orders can be given at run time: {Reason}. Name a place for the control socket with --control.")]
    public static partial void NoControl(ILogger logger, string reason);
}
