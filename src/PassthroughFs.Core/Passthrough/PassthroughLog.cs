using Microsoft.Extensions.Logging;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Passthrough;

/// <summary>What the file system has to say. Nothing a client can repeat at will is logged for each time.</summary>
internal static partial class PassthroughLog
{
    [LoggerMessage(1, LogLevel.Warning,
        "NoOpen needs CachePolicy Always, and CachePolicy is {Policy}: NoOpen is switched off.")]
    public static partial void NoOpenSwitchedOff(ILogger logger, CachePolicy policy);

    [LoggerMessage(2, LogLevel.Warning,
        "Writeback conflicts with CachePolicy {Policy}: Writeback is switched off.")]
    public static partial void WritebackSwitchedOff(ILogger logger, CachePolicy policy);

    [LoggerMessage(3, LogLevel.Warning,
        "InodeFileHandles Prefer: this process cannot use kernel handles here ({Error}); inodes are kept by file " +
        "descriptor. Run with CAP_DAC_READ_SEARCH, on a file system with kernel handles, to change that.")]
    public static partial void HandlesUnavailable(ILogger logger, Errno error);

    [LoggerMessage(4, LogLevel.Error, "The directory {Root} cannot be served: {Error}.")]
    public static partial void ImportFailed(ILogger logger, string root, Errno error);

    [LoggerMessage(5, LogLevel.Error,
        "{Option}: kernel handles do not work on {Root} ({Error}). Do without it, or run with CAP_DAC_READ_SEARCH on " +
        "a file system that has them.")]
    public static partial void NeededHandlesUnavailable(ILogger logger, string option, string root, Errno error);

    [LoggerMessage(6, LogLevel.Error,
        "Out of file descriptors ({Error}): clients get this error until files are closed or forgotten. Raise " +
        "RLIMIT_NOFILE, or use kernel handles (InodeFileHandles). Said once.")]
    public static partial void OutOfDescriptors(ILogger logger, Errno error);

    [LoggerMessage(7, LogLevel.Warning,
        "A file system below the root (device {Device:x}) has no kernel handles, or none that are short enough: its " +
        "inodes are kept by file descriptor, and are not found again once forgotten. Said once.")]
    public static partial void NoHandlesBelow(ILogger logger, ulong device);

    [LoggerMessage(8, LogLevel.Warning,
        "BackingFiles: client or transport cannot read and write files by itself (Linux 6.9 and later can, with " +
        "CONFIG_FUSE_PASSTHROUGH): reads and writes come to the server.")]
    public static partial void NoBackingFiles(ILogger logger);

    [LoggerMessage(9, LogLevel.Warning,
        "BackingFiles: the client does not take files to read and write by itself ({Error}): all reads and writes " +
        "come to the server from now on. It takes them from a server with CAP_SYS_ADMIN (EPERM), and from file systems " +
        "that are not stacked, as overlayfs is (ELOOP).")]
    public static partial void BackingFilesSwitchedOff(ILogger logger, Errno error);

    [LoggerMessage(10, LogLevel.Warning,
        "BackingFiles: the client does not take some file to read and write by itself ({Error}): as long as such a " +
        "file is open, its reads and writes come to the server. Said once.")]
    public static partial void BackingFileRefused(ILogger logger, Errno error);

    [LoggerMessage(11, LogLevel.Warning,
        "The mount at {Path} below the root is not there, or not the one that was: {Number} saved nodes on it are " +
        "stale.")]
    public static partial void MountNotFound(ILogger logger, string path, int number);

    [LoggerMessage(12, LogLevel.Warning,
        "{Saved} nodes were saved, and RetainedMappings keeps {Kept}: those forgotten first are stale.")]
    public static partial void TooManySaved(ILogger logger, int saved, int kept);

    [LoggerMessage(14, LogLevel.Warning,
        "{Option}: client or transport cannot: the client keeps its locks to itself, and nobody else meets them.")]
    public static partial void NoLocks(ILogger logger, string option);

    [LoggerMessage(15, LogLevel.Information,
        "InodeFileHandles Adaptive: this process cannot use kernel handles here ({Error}); each inode that clients " +
        "know takes a file descriptor. With CAP_DAC_READ_SEARCH, on a file system with kernel handles, their number " +
        "is limited.")]
    public static partial void NoAdaptiveHandles(ILogger logger, Errno error);

    [LoggerMessage(16, LogLevel.Warning,
        "FdBudget {Wanted} is more than the limit of open files leaves: it is {Budget}. Raise RLIMIT_NOFILE.")]
    public static partial void BudgetCut(ILogger logger, int wanted, int budget);

    [LoggerMessage(17, LogLevel.Warning,
        "AnnounceSubmounts: the client does not take it (Linux does over virtio-fs, and not over /dev/fuse): it sees one " +
        "file system, in which each file still has an inode number of its own.")]
    public static partial void NoSubmounts(ILogger logger);

    [LoggerMessage(18, LogLevel.Error,
        "A client knows {Most} files and forgets none: others get ENOMEM. Raise MaxNodes, or give the process more memory. " +
        "Said once.")]
    public static partial void TooManyNodes(ILogger logger, int most);

    [LoggerMessage(19, LogLevel.Error,
        "More than {Most} files are open, or there is no memory for more: opens get EMFILE. Said once.")]
    public static partial void TooManyHandles(ILogger logger, int most);

    [LoggerMessage(20, LogLevel.Error,
        "More than {Most} owners have locks, or there are no descriptors for more: locks get ENOLCK. Said once.")]
    public static partial void TooManyLockOwners(ILogger logger, int most);

    [LoggerMessage(13, LogLevel.Information, "The directory {Root} is not there any more ({Error}).")]
    public static partial void RootGone(ILogger logger, string root, Errno error);

    [LoggerMessage(21, LogLevel.Warning,
        "DirectMappings is off, and the client does not map files by itself: mmap with MAP_SHARED is refused (ENODEV), " +
        "as such a mapping would not see what others write. SQLite's WAL needs one: use another journal mode here.")]
    public static partial void NoMappings(ILogger logger);

    [LoggerMessage(22, LogLevel.Warning,
        "BackingFiles: what others have removed from a network file system or another FUSE cannot be opened once more, " +
        "and the client would answer such an open with EIO: with CachePolicy Never, reads and writes there come to the " +
        "server.")]
    public static partial void NoRemoteBackingFiles(ILogger logger);
}
