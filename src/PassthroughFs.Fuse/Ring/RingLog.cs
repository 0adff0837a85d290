using Microsoft.Extensions.Logging;

namespace PassthroughFs.Fuse.Ring;

/// <summary>What the log says of the ring.</summary>
internal static partial class RingLog
{
    [LoggerMessage(20, LogLevel.Warning, "No FUSE over io_uring, requests come by /dev/fuse: {Reason}.")]
    public static partial void Unavailable(ILogger logger, string reason);

    [LoggerMessage(21, LogLevel.Information, "Requests come over io_uring.")]
    public static partial void Serving(ILogger logger);
}
