using System;

namespace PassthroughFs.Core.Api;

/// <summary>What the client shall do with an open file, with FUSE's numbers.</summary>
[Flags]
public enum OpenReplyFlags : uint
{
    /// <summary>Nothing special.</summary>
    None = 0,

    /// <summary>Bypass the client's page cache.</summary>
    FOPEN_DIRECT_IO = 1 << 0,

    /// <summary>Keep what the client has cached of the file.</summary>
    FOPEN_KEEP_CACHE = 1 << 1,

    /// <summary>The file cannot seek.</summary>
    FOPEN_NONSEEKABLE = 1 << 2,

    /// <summary>The client may cache the directory's listing.</summary>
    FOPEN_CACHE_DIR = 1 << 3,

    /// <summary>The file has no position at all.</summary>
    FOPEN_STREAM = 1 << 4,

    /// <summary>Send no FLUSH on close (unless writes are cached).</summary>
    FOPEN_NOFLUSH = 1 << 5,

    /// <summary>Direct writes to the same file may run at the same time.</summary>
    FOPEN_PARALLEL_DIRECT_WRITES = 1 << 6,

    /// <summary>
    /// The kernel reads and writes the backing file by itself; <see cref="OpenReply.BackingId"/> counts.
    /// </summary>
    FOPEN_PASSTHROUGH = 1 << 7,
}

/// <summary>The answer to open, opendir, create and tmpfile.</summary>
public struct OpenReply
{
    /// <summary>
    /// The new handle; <see cref="Api.Handle.None"/> where the server keeps no state for the open file.
    /// </summary>
    public Handle Handle;

    /// <summary>What the client shall do.</summary>
    public OpenReplyFlags Flags;

    /// <summary>The kernel's number of the backing file, with <see cref="OpenReplyFlags.FOPEN_PASSTHROUGH"/>.</summary>
    public int BackingId;
}
