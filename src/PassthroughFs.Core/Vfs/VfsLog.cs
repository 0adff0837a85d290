using System;
using Microsoft.Extensions.Logging;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Vfs;

/// <summary>What a Vfs has to say.</summary>
internal static partial class VfsLog
{
    [LoggerMessage(1, LogLevel.Information, "Mounted {Path} (index {Index}).")]
    public static partial void Mounted(ILogger logger, string path, int index);

    [LoggerMessage(2, LogLevel.Information, "Unmounted {Path} (index {Index}): {Mode}.")]
    public static partial void Unmounted(ILogger logger, string path, int index, UnmountMode mode);

    [LoggerMessage(3, LogLevel.Information, "Nothing uses what was mounted at {Path} (index {Index}) any more.")]
    public static partial void Released(ILogger logger, string path, int index);

    [LoggerMessage(4, LogLevel.Error,
        "The file system at {Path} used the NodeId {Node}, which has more than 56 bits: its client got EOVERFLOW. " +
        "Said once for a mount.")]
    public static partial void NodeTooLarge(ILogger logger, string path, NodeId node);

    [LoggerMessage(5, LogLevel.Error, "The file system at {Path} refused the session: {Error}.")]
    public static partial void InitFailed(ILogger logger, string path, Errno error);

    [LoggerMessage(6, LogLevel.Warning,
        "The file system at {Path} cannot honour {Flags}: this session goes without, for all mounts.")]
    public static partial void FlagsLeftOut(ILogger logger, string path, InitFlags flags);

    [LoggerMessage(7, LogLevel.Error, "The file system that was mounted at {Path} failed in Destroy.")]
    public static partial void DestroyFailed(ILogger logger, string path, Exception exception);

    [LoggerMessage(9, LogLevel.Debug, "The client holds {Count} lookups of what was mounted at {Path} (index {Index}).")]
    public static partial void StillHeld(ILogger logger, string path, int index, long count);

    [LoggerMessage(10, LogLevel.Error, "The client could not be asked to let go of what was mounted at {Path}.")]
    public static partial void ReclaimFailed(ILogger logger, string path, Exception exception);

    [LoggerMessage(8, LogLevel.Warning,
        "The client was not told of the change at {Path} ({Error}): it sees it when its timeouts are over.")]
    public static partial void NotNotified(ILogger logger, string path, Errno error);
}
