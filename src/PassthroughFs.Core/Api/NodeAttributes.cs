using System;

namespace PassthroughFs.Core.Api;

/// <summary>What <c>stat</c> shows of an inode.</summary>
public struct NodeAttributes
{
    /// <summary>The inode number the client shows as <c>st_ino</c>. Not the <see cref="NodeId"/>.</summary>
    public ulong Ino;

    /// <summary>Size in bytes.</summary>
    public ulong Size;

    /// <summary>Space taken, in units of 512 bytes.</summary>
    public ulong Blocks;

    /// <summary>Last access.</summary>
    public Timestamp Atime;

    /// <summary>Last change of the content.</summary>
    public Timestamp Mtime;

    /// <summary>Last change of the inode.</summary>
    public Timestamp Ctime;

    /// <summary>File type and permission bits.</summary>
    public uint Mode;

    /// <summary>Number of hard links.</summary>
    public uint Nlink;

    /// <summary>Owner.</summary>
    public uint Uid;

    /// <summary>Group.</summary>
    public uint Gid;

    /// <summary>Device number of a device file, in the kernel's 32-bit encoding.</summary>
    public uint Rdev;

    /// <summary>Preferred block size for I/O, in bytes.</summary>
    public uint Blksize;

    /// <summary>What the client should know besides.</summary>
    public NodeAttributeFlags Flags;
}

/// <summary>Flags of <see cref="NodeAttributes"/>, with FUSE's numbers.</summary>
[Flags]
public enum NodeAttributeFlags : uint
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>The root of a submount, which the client mounts by itself (only after FUSE_SUBMOUNTS).</summary>
    FUSE_ATTR_SUBMOUNT = 1 << 0,

    /// <summary>Use DAX for this file (only after FUSE_HAS_INODE_DAX).</summary>
    FUSE_ATTR_DAX = 1 << 1,
}
