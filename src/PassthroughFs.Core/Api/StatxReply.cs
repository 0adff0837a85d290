using System;

namespace PassthroughFs.Core.Api;

/// <summary>What <c>statx</c> shows of an inode; Linux's numbers throughout.</summary>
public struct StatxReply
{
    /// <summary>Which fields are valid (STATX_*).</summary>
    public uint Mask;

    /// <summary>Preferred block size for I/O, in bytes.</summary>
    public uint Blksize;

    /// <summary>File attributes (STATX_ATTR_*).</summary>
    public ulong Attributes;

    /// <summary>Which of <see cref="Attributes"/> the host's file system knows.</summary>
    public ulong AttributesMask;

    /// <summary>Number of hard links.</summary>
    public uint Nlink;

    /// <summary>Owner.</summary>
    public uint Uid;

    /// <summary>Group.</summary>
    public uint Gid;

    /// <summary>File type and permission bits.</summary>
    public ushort Mode;

    /// <summary>The inode number the client shows.</summary>
    public ulong Ino;

    /// <summary>Size in bytes.</summary>
    public ulong Size;

    /// <summary>Space taken, in units of 512 bytes.</summary>
    public ulong Blocks;

    /// <summary>Last access.</summary>
    public Timestamp Atime;

    /// <summary>Birth.</summary>
    public Timestamp Btime;

    /// <summary>Last change of the inode.</summary>
    public Timestamp Ctime;

    /// <summary>Last change of the content.</summary>
    public Timestamp Mtime;

    /// <summary>Device number of a device file: major.</summary>
    public uint RdevMajor;

    /// <summary>Device number of a device file: minor.</summary>
    public uint RdevMinor;

    /// <summary>The file system's device number: major.</summary>
    public uint DevMajor;

    /// <summary>The file system's device number: minor.</summary>
    public uint DevMinor;

    /// <summary>How long the client may take this for granted.</summary>
    public TimeSpan Timeout;
}
