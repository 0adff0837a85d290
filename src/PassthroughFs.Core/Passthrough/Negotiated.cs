using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Passthrough;

/// <summary>
/// What the client and this file system act on since INIT. Replaced as a whole, so that nobody sees half of an old
/// agreement and half of a new one.
/// </summary>
/// <param name="Accepted">What was agreed on; nothing outside of a session.</param>
/// <param name="SetIdBits">What decides of set-id bits then.</param>
internal sealed record Negotiated(InitFlags Accepted, SetIdBits SetIdBits)
{
    /// <summary>The client collects writes.</summary>
    public bool Writeback { get; } = Accepted.HasFlag(InitFlags.FUSE_WRITEBACK_CACHE);

    /// <summary>The client does without OPEN.</summary>
    public bool NoOpen { get; } = Accepted.HasFlag(InitFlags.FUSE_NO_OPEN_SUPPORT);

    /// <summary>The client does without OPENDIR.</summary>
    public bool NoOpendir { get; } = Accepted.HasFlag(InitFlags.FUSE_NO_OPENDIR_SUPPORT);

    /// <summary>The client is told of each file whether it maps it.</summary>
    public bool InodeDax { get; } = Accepted.HasFlag(InitFlags.FUSE_HAS_INODE_DAX);

    /// <summary>The client is told where another device begins.</summary>
    public bool Submounts { get; } = Accepted.HasFlag(InitFlags.FUSE_SUBMOUNTS);

    /// <summary>The client leaves the umask to the server.</summary>
    public bool DontMask { get; } = Accepted.HasFlag(InitFlags.FUSE_DONT_MASK);

    /// <summary>The client's processes have their locks here.</summary>
    public bool PosixLocks { get; } = Accepted.HasFlag(InitFlags.FUSE_POSIX_LOCKS);

    /// <summary>The client maps files that are open for direct I/O as well.</summary>
    public bool DirectMayMap { get; } = Accepted.HasFlag(InitFlags.FUSE_DIRECT_IO_ALLOW_MMAP);
}
