using System;

namespace PassthroughFs.Core.Api;

/// <summary>How to write, with FUSE's numbers.</summary>
[Flags]
public enum WriteFlags : uint
{
    /// <summary>Nothing special.</summary>
    None = 0,

    /// <summary>A delayed write out of the client's page cache; the handle is a guess.</summary>
    FUSE_WRITE_CACHE = 1 << 0,

    /// <summary>The lock owner is valid.</summary>
    FUSE_WRITE_LOCKOWNER = 1 << 1,

    /// <summary>Remove set-user-id, set-group-id and capabilities with this write.</summary>
    FUSE_WRITE_KILL_SUIDGID = 1 << 2,
}

/// <summary>Where to write. How much is what the <see cref="DataSource"/> holds.</summary>
public struct WriteRequest
{
    /// <summary>Byte offset in the file.</summary>
    public ulong Offset;

    /// <summary>
    /// The open file's flags as they are now in the client (<see cref="Linux"/>); null for as it was opened.
    /// </summary>
    public uint? Flags;

    /// <summary>FUSE's own flags.</summary>
    public WriteFlags WriteFlags;

    /// <summary>Who writes; 0 if the client did not say.</summary>
    public LockOwner LockOwner;
}
