using System;

namespace PassthroughFs.Core.Api;

/// <summary>Which fields of a <see cref="SetAttrRequest"/> are set, with FUSE's numbers.</summary>
[Flags]
public enum SetAttrFields : uint
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>Set the mode.</summary>
    FATTR_MODE = 1 << 0,

    /// <summary>Set the owner.</summary>
    FATTR_UID = 1 << 1,

    /// <summary>Set the group.</summary>
    FATTR_GID = 1 << 2,

    /// <summary>Set the size.</summary>
    FATTR_SIZE = 1 << 3,

    /// <summary>Set the access time.</summary>
    FATTR_ATIME = 1 << 4,

    /// <summary>Set the modification time.</summary>
    FATTR_MTIME = 1 << 5,

    /// <summary><see cref="SetAttrRequest.Handle"/> is valid.</summary>
    FATTR_FH = 1 << 6,

    /// <summary>The access time is the present.</summary>
    FATTR_ATIME_NOW = 1 << 7,

    /// <summary>The modification time is the present.</summary>
    FATTR_MTIME_NOW = 1 << 8,

    /// <summary><see cref="SetAttrRequest.LockOwner"/> is valid.</summary>
    FATTR_LOCKOWNER = 1 << 9,

    /// <summary>Set the change time (a hint of writeback caching; no Linux host can).</summary>
    FATTR_CTIME = 1 << 10,

    /// <summary>Remove set-user-id, set-group-id and capabilities on this truncation.</summary>
    FATTR_KILL_SUIDGID = 1 << 11,
}

/// <summary>What setattr shall change.</summary>
public struct SetAttrRequest
{
    /// <summary>Which of the other fields count.</summary>
    public SetAttrFields Valid;

    /// <summary>An open file of the node, or none.</summary>
    public Handle Handle;

    /// <summary>New size in bytes.</summary>
    public ulong Size;

    /// <summary>Who changes the size, for mandatory locks.</summary>
    public LockOwner LockOwner;

    /// <summary>New access time.</summary>
    public Timestamp Atime;

    /// <summary>New modification time.</summary>
    public Timestamp Mtime;

    /// <summary>New change time.</summary>
    public Timestamp Ctime;

    /// <summary>New permission bits; type bits are ignored.</summary>
    public uint Mode;

    /// <summary>New owner.</summary>
    public uint Uid;

    /// <summary>New group.</summary>
    public uint Gid;
}
