using Microsoft.Extensions.Logging;

namespace PassthroughFs.PtfsMount;

/// <summary>What the log says.</summary>
internal static partial class Log
{
    [LoggerMessage(3, LogLevel.Information, "Serving {Source} at {MountPoint} with {Threads} threads.")]
    public static partial void Serving(ILogger logger, string source, string mountPoint, int threads);

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
}
