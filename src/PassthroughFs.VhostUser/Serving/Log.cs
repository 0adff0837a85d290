using Microsoft.Extensions.Logging;

namespace PassthroughFs.VhostUser;

/// <summary>What the log says of a device and its front ends.</summary>
internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Information, "A VMM has connected.")]
    public static partial void Connected(ILogger logger);

    [LoggerMessage(2, LogLevel.Information, "The VMM has disconnected; its queues and memory are dropped.")]
    public static partial void Disconnected(ILogger logger);

    [LoggerMessage(3, LogLevel.Warning, "A second VMM wants to connect: refused, one is served at a time.")]
    public static partial void SecondConnection(ILogger logger);

    [LoggerMessage(4, LogLevel.Error, "The connection is closed: {Reason}.")]
    public static partial void ConnectionClosed(ILogger logger, string reason);

    [LoggerMessage(5, LogLevel.Warning, "A message of the VMM is refused: {Reason}.")]
    public static partial void Refused(ILogger logger, string reason);

    [LoggerMessage(6, LogLevel.Information, "Queue {Queue} is started, {Size} descriptors, at {Index}.")]
    public static partial void QueueStarted(ILogger logger, int queue, int size, int index);

    [LoggerMessage(7, LogLevel.Information, "Queue {Queue} is stopped at {Index}.")]
    public static partial void QueueStopped(ILogger logger, int queue, int index);

    [LoggerMessage(8, LogLevel.Warning, "Queue {Queue} is to stop, but a request of it is still under way.")]
    public static partial void QueueBusy(ILogger logger, int queue);

    [LoggerMessage(9, LogLevel.Error, "Queue {Queue} takes no requests any more: {Reason}.")]
    public static partial void QueueBroken(ILogger logger, int queue, string reason);

    [LoggerMessage(10, LogLevel.Warning, "Queue {Queue}: a request is given back unread, {Reason}; {Count} so far.")]
    public static partial void BadChain(ILogger logger, int queue, string reason, long count);

    [LoggerMessage(11, LogLevel.Critical,
        "Queue {Queue} failed: {Type}, {Reason}. This is a defect, please report it.")]
    public static partial void QueueFailed(ILogger logger, int queue, string type, string reason);

    [LoggerMessage(14, LogLevel.Information,
        "Requests hold up to {MaxWrite} bytes of data: queues of {Size} descriptors.")]
    public static partial void Limits(ILogger logger, int maxWrite, int size);

    [LoggerMessage(15, LogLevel.Error,
        "The VMM is not asked to map files any more: {Request} failed, {Reason}. The guest gets errors for DAX.")]
    public static partial void BackendChannelClosed(ILogger logger, BackendRequest request, string reason);

    [LoggerMessage(16, LogLevel.Warning,
        "Memory may not be made executable here, so that SIGBUS cannot be answered: a VMM that shortens its guest's " +
        "memory ends the daemon. Allow it (systemd: MemoryDenyWriteExecute=no; SELinux: execmem), or have VMMs use " +
        "memfds that take seals.")]
    public static partial void LostMemoryUnanswered(ILogger logger);

    [LoggerMessage(17, LogLevel.Warning,
        "Queue {Queue} has stopped without a request that hangs: nobody waits for its answer any more.")]
    public static partial void QueueLeft(ILogger logger, int queue);

    [LoggerMessage(18, LogLevel.Warning,
        "{Count} requests hang, the oldest: {Oldest}; not logged again until none hangs.{Hint}")]
    public static partial void Hanging(ILogger logger, int count, string oldest, string hint);

    [LoggerMessage(19, LogLevel.Warning, "No request hangs any more.")]
    public static partial void NoLongerHanging(ILogger logger);
}
