using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Protocol;

// Structures of replies and notifications, as they are on the wire. Padding and spare fields are named, so that a
// default value and its copies have no byte that was never set: none may carry the server's memory to the client.

// struct fuse_out_header: ahead of each reply, and of each notification.
[StructLayout(LayoutKind.Sequential)]
internal struct FuseOutHeader
{
    public uint Len;
    public int Error;
    public ulong Unique;
}

// struct fuse_init_out
[StructLayout(LayoutKind.Sequential)]
internal struct FuseInitOut
{
    public uint Major;
    public uint Minor;
    public uint MaxReadahead;
    public uint Flags;
    public ushort MaxBackground;
    public ushort CongestionThreshold;
    public uint MaxWrite;
    public uint TimeGran;
    public ushort MaxPages;
    public ushort MapAlignment;
    public uint Flags2;
    public uint MaxStackDepth;
    public ushort RequestTimeout;
    public ushort Unused0;
    public Reserved5 Unused;
}

// struct fuse_attr: part of other structures.
[StructLayout(LayoutKind.Sequential)]
internal struct FuseAttr
{
    public ulong Ino;
    public ulong Size;
    public ulong Blocks;
    public long Atime;
    public long Mtime;
    public long Ctime;
    public uint AtimeNsec;
    public uint MtimeNsec;
    public uint CtimeNsec;
    public uint Mode;
    public uint Nlink;
    public uint Uid;
    public uint Gid;
    public uint Rdev;
    public uint Blksize;
    public NodeAttributeFlags Flags;
}

// struct fuse_entry_out
[StructLayout(LayoutKind.Sequential)]
internal struct FuseEntryOut
{
    public ulong NodeId;
    public ulong Generation;
    public ulong EntryValid;
    public ulong AttrValid;
    public uint EntryValidNsec;
    public uint AttrValidNsec;
    public FuseAttr Attr;
}

// struct fuse_attr_out
[StructLayout(LayoutKind.Sequential)]
internal struct FuseAttrOut
{
    public ulong AttrValid;
    public uint AttrValidNsec;
    public uint Dummy;
    public FuseAttr Attr;
}

// struct fuse_open_out
[StructLayout(LayoutKind.Sequential)]
internal struct FuseOpenOut
{
    public ulong Fh;
    public OpenReplyFlags OpenFlags;
    public int BackingId;
}

// struct fuse_entry_out and struct fuse_open_out: of CREATE and TMPFILE.
[StructLayout(LayoutKind.Sequential)]
internal struct FuseCreateOut
{
    public FuseEntryOut Entry;
    public FuseOpenOut Open;
}

// struct fuse_write_out: of WRITE and COPY_FILE_RANGE.
[StructLayout(LayoutKind.Sequential)]
internal struct FuseWriteOut
{
    public uint Size;
    public uint Padding;
}

// struct fuse_file_lock: part of FuseLkIn and FuseLkOut.
[StructLayout(LayoutKind.Sequential)]
internal struct FuseFileLock
{
    public ulong Start;
    public ulong End;
    public LockType Type;
    public uint Pid;
}

// struct fuse_lk_out
[StructLayout(LayoutKind.Sequential)]
internal struct FuseLkOut
{
    public FuseFileLock Lk;
}

// struct fuse_statfs_out
[StructLayout(LayoutKind.Sequential)]
internal struct FuseStatfsOut
{
    public ulong Blocks;
    public ulong Bfree;
    public ulong Bavail;
    public ulong Files;
    public ulong Ffree;
    public uint Bsize;
    public uint Namelen;
    public uint Frsize;
    public uint Padding;
    public Reserved6 Spare;
}

// struct fuse_getxattr_out: of GETXATTR and LISTXATTR, if only the size is asked for.
[StructLayout(LayoutKind.Sequential)]
internal struct FuseGetXattrOut
{
    public uint Size;
    public uint Padding;
}

// struct fuse_lseek_out
[StructLayout(LayoutKind.Sequential)]
internal struct FuseLseekOut
{
    public ulong Offset;
}

// struct fuse_copy_file_range_out
[StructLayout(LayoutKind.Sequential)]
internal struct FuseCopyFileRangeOut
{
    public ulong BytesCopied;
}

// struct fuse_bmap_out
[StructLayout(LayoutKind.Sequential)]
internal struct FuseBmapOut
{
    public ulong Block;
}

// struct fuse_ioctl_out
[StructLayout(LayoutKind.Sequential)]
internal struct FuseIoctlOut
{
    public int Result;
    public uint Flags;
    public uint InIovs;
    public uint OutIovs;
}

// struct fuse_poll_out
[StructLayout(LayoutKind.Sequential)]
internal struct FusePollOut
{
    public uint Revents;
    public uint Padding;
}

// struct fuse_sx_time: part of FuseStatx.
[StructLayout(LayoutKind.Sequential)]
internal struct FuseSxTime
{
    public long Sec;
    public uint Nsec;
    public int Reserved;
}

// struct fuse_statx: part of FuseStatxOut.
[StructLayout(LayoutKind.Sequential)]
internal struct FuseStatx
{
    public uint Mask;
    public uint Blksize;
    public ulong Attributes;
    public uint Nlink;
    public uint Uid;
    public uint Gid;
    public ushort Mode;
    public ushort Padding;
    public ulong Ino;
    public ulong Size;
    public ulong Blocks;
    public ulong AttributesMask;
    public FuseSxTime Atime;
    public FuseSxTime Btime;
    public FuseSxTime Ctime;
    public FuseSxTime Mtime;
    public uint RdevMajor;
    public uint RdevMinor;
    public uint DevMajor;
    public uint DevMinor;
    public Reserved28 Spare;
}

// struct fuse_statx_out
[StructLayout(LayoutKind.Sequential)]
internal struct FuseStatxOut
{
    public ulong AttrValid;
    public uint AttrValidNsec;
    public uint Flags;
    public ulong Spare0;
    public ulong Spare1;
    public FuseStatx Stat;
}

// struct fuse_dirent: the name follows, and padding to 8 bytes.
[StructLayout(LayoutKind.Sequential)]
internal struct FuseDirent
{
    public ulong Ino;
    public ulong Off;
    public uint Namelen;
    public uint Type;
}

// struct fuse_direntplus: the name follows, and padding to 8 bytes.
[StructLayout(LayoutKind.Sequential)]
internal struct FuseDirentPlus
{
    public FuseEntryOut Entry;
    public FuseDirent Dirent;
}

// struct fuse_notify_inval_inode_out
[StructLayout(LayoutKind.Sequential)]
internal struct FuseNotifyInvalInodeOut
{
    public ulong Ino;
    public long Off;
    public long Len;
}

// struct fuse_notify_inval_entry_out: the name follows, with NUL.
[StructLayout(LayoutKind.Sequential)]
internal struct FuseNotifyInvalEntryOut
{
    public ulong Parent;
    public uint Namelen;
    public uint Flags;
}

// struct fuse_notify_delete_out: the name follows, with NUL.
[StructLayout(LayoutKind.Sequential)]
internal struct FuseNotifyDeleteOut
{
    public ulong Parent;
    public ulong Child;
    public uint Namelen;
    public uint Padding;
}

// struct fuse_notify_store_out: the data follow.
[StructLayout(LayoutKind.Sequential)]
internal struct FuseNotifyStoreOut
{
    public ulong NodeId;
    public ulong Offset;
    public uint Size;
    public uint Padding;
}

// struct fuse_notify_prune_out: the nodes follow.
[StructLayout(LayoutKind.Sequential)]
internal struct FuseNotifyPruneOut
{
    public uint Count;
    public uint Padding;
    public ulong Spare;
}

[InlineArray(5)]
internal struct Reserved5
{
    private uint _element;
}

[InlineArray(6)]
internal struct Reserved6
{
    private uint _element;
}

[InlineArray(11)]
internal struct Reserved11
{
    private uint _element;
}

[InlineArray(28)]
internal struct Reserved28
{
    private uint _element;
}
