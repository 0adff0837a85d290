using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;

namespace PassthroughFs.PtfsVirtiofsd;

/// <summary>What the log says.</summary>
internal static partial class Log
{
    [LoggerMessage(12, LogLevel.Information, "{Signal}: ending.")]
    public static partial void Stopping(ILogger logger, PosixSignal signal);

    [LoggerMessage(13, LogLevel.Warning, "{Signal} again: ending without waiting for requests under way.")]
    public static partial void Aborting(ILogger logger, PosixSignal signal);

    // Somebody has asked for it.
    [LoggerMessage(21, LogLevel.Warning, "{Count} requests are under way: {Requests}.")]
    public static partial void UnderWay(ILogger logger, int count, string requests);

    [LoggerMessage(20, LogLevel.Warning, "Ending although {Count} requests hang in the shared directory.")]
    public static partial void EndsWithHanging(ILogger logger, int count);
}
