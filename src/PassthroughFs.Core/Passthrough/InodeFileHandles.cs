namespace PassthroughFs.Core.Passthrough;

/// <summary>What the server keeps to find an inode again: an open file descriptor, or a kernel handle.</summary>
public enum InodeFileHandles
{
    /// <summary>An O_PATH file descriptor for each live inode: fastest, and bounded by RLIMIT_NOFILE.</summary>
    Never,

    /// <summary>
    /// A kernel handle (<c>name_to_handle_at(2)</c>) where the host's file system has them and the process may use them
    /// (CAP_DAC_READ_SEARCH), a file descriptor otherwise.
    /// </summary>
    Prefer,

    /// <summary>
    /// A kernel handle, always. Refused at start without CAP_DAC_READ_SEARCH, and EOPNOTSUPP for a node whose file
    /// system has none.
    /// </summary>
    Mandatory,

    /// <summary>
    /// A file descriptor for each live inode as long as <see cref="PassthroughConfig.FdBudget"/> lasts; then those that
    /// were not used for longest become kernel handles, and have a descriptor again when they are used again. As fast
    /// as <see cref="Never"/> where the tree is small, and not bounded where it is large. Without CAP_DAC_READ_SEARCH
    /// the same as <see cref="Never"/>.
    /// </summary>
    Adaptive,
}
