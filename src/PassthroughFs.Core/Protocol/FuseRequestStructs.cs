using System.Runtime.InteropServices;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Protocol;

// Structures of requests, as they are on the wire: little-endian like every machine this runs on, with no padding that
// is not named. They are read only out of memory that the client cannot change.

// struct fuse_in_header: ahead of each request.
[StructLayout(LayoutKind.Sequential)]
internal struct FuseInHeader
{
    public uint Len;
    public FuseOpcode Opcode;
    public ulong Unique;
    public ulong NodeId;
    public uint Uid;
    public uint Gid;
    public uint Pid;
    public ushort TotalExtlen;
    public ushort Padding;
}

// struct fuse_ext_header: ahead of each extension of a request.
[StructLayout(LayoutKind.Sequential)]
internal struct FuseExtHeader
{
    public uint Size;
    public uint Type;
}

// struct fuse_init_in
[StructLayout(LayoutKind.Sequential)]
internal struct FuseInitIn
{
    public uint Major;
    public uint Minor;
    public uint MaxReadahead;
    public uint Flags;
    public uint Flags2;
    public Reserved11 Unused;
}

// struct fuse_getattr_in
[StructLayout(LayoutKind.Sequential)]
internal struct FuseGetAttrIn
{
    public uint GetAttrFlags;
    public uint Dummy;
    public ulong Fh;
}

// struct fuse_setattr_in
[StructLayout(LayoutKind.Sequential)]
internal struct FuseSetAttrIn
{
    public SetAttrFields Valid;
    public uint Padding;
    public ulong Fh;
    public ulong Size;
    public ulong LockOwner;
    public long Atime;
    public long Mtime;
    public long Ctime;
    public uint AtimeNsec;
    public uint MtimeNsec;
    public uint CtimeNsec;
    public uint Mode;
    public uint Unused4;
    public uint Uid;
    public uint Gid;
    public uint Unused5;
}

// struct fuse_mknod_in
[StructLayout(LayoutKind.Sequential)]
internal struct FuseMknodIn
{
    public uint Mode;
    public uint Rdev;
    public uint Umask;
    public uint Padding;
}

// struct fuse_mkdir_in
[StructLayout(LayoutKind.Sequential)]
internal struct FuseMkdirIn
{
    public uint Mode;
    public uint Umask;
}

// struct fuse_rename_in
[StructLayout(LayoutKind.Sequential)]
internal struct FuseRenameIn
{
    public ulong NewDir;
}

// struct fuse_rename2_in
[StructLayout(LayoutKind.Sequential)]
internal struct FuseRename2In
{
    public ulong NewDir;
    public uint Flags;
    public uint Padding;
}

// struct fuse_link_in
[StructLayout(LayoutKind.Sequential)]
internal struct FuseLinkIn
{
    public ulong OldNodeId;
}

// struct fuse_open_in
[StructLayout(LayoutKind.Sequential)]
internal struct FuseOpenIn
{
    public uint Flags;
    public OpenRequestFlags OpenFlags;
}

// struct fuse_create_in: of CREATE and TMPFILE.
[StructLayout(LayoutKind.Sequential)]
internal struct FuseCreateIn
{
    public uint Flags;
    public uint Mode;
    public uint Umask;
    public OpenRequestFlags OpenFlags;
}

// struct fuse_read_in: of READ, READDIR and READDIRPLUS.
[StructLayout(LayoutKind.Sequential)]
internal struct FuseReadIn
{
    public ulong Fh;
    public ulong Offset;
    public uint Size;
    public uint ReadFlags;
    public ulong LockOwner;
    public uint Flags;
    public uint Padding;
}

// struct fuse_write_in
[StructLayout(LayoutKind.Sequential)]
internal struct FuseWriteIn
{
    public ulong Fh;
    public ulong Offset;
    public uint Size;
    public WriteFlags WriteFlags;
    public ulong LockOwner;
    public uint Flags;
    public uint Padding;
}

// struct fuse_release_in: of RELEASE and RELEASEDIR.
[StructLayout(LayoutKind.Sequential)]
internal struct FuseReleaseIn
{
    public ulong Fh;
    public uint Flags;
    public ReleaseFlags ReleaseFlags;
    public ulong LockOwner;
}

// struct fuse_lk_in: of GETLK, SETLK and SETLKW.
[StructLayout(LayoutKind.Sequential)]
internal struct FuseLkIn
{
    public ulong Fh;
    public ulong Owner;
    public FuseFileLock Lk;
    public LockFlags LkFlags;
    public uint Padding;
}

// struct fuse_interrupt_in
[StructLayout(LayoutKind.Sequential)]
internal struct FuseInterruptIn
{
    public ulong Unique;
}

// struct fuse_flush_in
[StructLayout(LayoutKind.Sequential)]
internal struct FuseFlushIn
{
    public ulong Fh;
    public uint Unused;
    public uint Padding;
    public ulong LockOwner;
}

// struct fuse_fsync_in: of FSYNC and FSYNCDIR.
[StructLayout(LayoutKind.Sequential)]
internal struct FuseFsyncIn
{
    public ulong Fh;
    public uint FsyncFlags;
    public uint Padding;
}

// struct fuse_setxattr_in: the last two only after FUSE_SETXATTR_EXT.
[StructLayout(LayoutKind.Sequential)]
internal struct FuseSetXattrIn
{
    public uint Size;
    public uint Flags;
    public uint SetXattrFlags;
    public uint Padding;
}

// struct fuse_getxattr_in: of GETXATTR and LISTXATTR.
[StructLayout(LayoutKind.Sequential)]
internal struct FuseGetXattrIn
{
    public uint Size;
    public uint Padding;
}

// struct fuse_access_in
[StructLayout(LayoutKind.Sequential)]
internal struct FuseAccessIn
{
    public uint Mask;
    public uint Padding;
}

// struct fuse_forget_in
[StructLayout(LayoutKind.Sequential)]
internal struct FuseForgetIn
{
    public ulong Nlookup;
}

// struct fuse_batch_forget_in: items of 16 bytes follow.
[StructLayout(LayoutKind.Sequential)]
internal struct FuseBatchForgetIn
{
    public uint Count;
    public uint Dummy;
}

// struct fuse_fallocate_in
[StructLayout(LayoutKind.Sequential)]
internal struct FuseFallocateIn
{
    public ulong Fh;
    public ulong Offset;
    public ulong Length;
    public uint Mode;
    public uint Padding;
}

// struct fuse_lseek_in
[StructLayout(LayoutKind.Sequential)]
internal struct FuseLseekIn
{
    public ulong Fh;
    public ulong Offset;
    public uint Whence;
    public uint Padding;
}

// struct fuse_copy_file_range_in
[StructLayout(LayoutKind.Sequential)]
internal struct FuseCopyFileRangeIn
{
    public ulong FhIn;
    public ulong OffIn;
    public ulong NodeIdOut;
    public ulong FhOut;
    public ulong OffOut;
    public ulong Len;
    public ulong Flags;
}

// struct fuse_statx_in
[StructLayout(LayoutKind.Sequential)]
internal struct FuseStatxIn
{
    public uint GetAttrFlags;
    public uint Reserved;
    public ulong Fh;
    public uint SxFlags;
    public uint SxMask;
}

// struct fuse_ioctl_in
[StructLayout(LayoutKind.Sequential)]
internal struct FuseIoctlIn
{
    public ulong Fh;
    public uint Flags;
    public uint Cmd;
    public ulong Arg;
    public uint InSize;
    public uint OutSize;
}

// struct fuse_bmap_in
[StructLayout(LayoutKind.Sequential)]
internal struct FuseBmapIn
{
    public ulong Block;
    public uint BlockSize;
    public uint Padding;
}

// struct fuse_poll_in
[StructLayout(LayoutKind.Sequential)]
internal struct FusePollIn
{
    public ulong Fh;
    public ulong Kh;
    public uint Flags;
    public uint Events;
}

// struct fuse_setupmapping_in
[StructLayout(LayoutKind.Sequential)]
internal struct FuseSetupMappingIn
{
    public ulong Fh;
    public ulong FOffset;
    public ulong Len;
    public ulong Flags;
    public ulong MOffset;
}

// struct fuse_removemapping_in: as many struct fuse_removemapping_one follow, on no boundary.
[StructLayout(LayoutKind.Sequential)]
internal struct FuseRemoveMappingIn
{
    public uint Count;
}
