using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace PassthroughFs.Core.Interop;

/// <summary>struct statx_timestamp.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct StatxTimestamp
{
    public long tv_sec;
    public uint tv_nsec;
    public int __reserved;
}

/// <summary>struct statx, 256 bytes, the same on every architecture.</summary>
[StructLayout(LayoutKind.Sequential, Size = 256)]
internal struct StatxBuffer
{
    public uint stx_mask;
    public uint stx_blksize;
    public ulong stx_attributes;
    public uint stx_nlink;
    public uint stx_uid;
    public uint stx_gid;
    public ushort stx_mode;
    public ushort __spare0;
    public ulong stx_ino;
    public ulong stx_size;
    public ulong stx_blocks;
    public ulong stx_attributes_mask;
    public StatxTimestamp stx_atime;
    public StatxTimestamp stx_btime;
    public StatxTimestamp stx_ctime;
    public StatxTimestamp stx_mtime;
    public uint stx_rdev_major;
    public uint stx_rdev_minor;
    public uint stx_dev_major;
    public uint stx_dev_minor;
    public ulong stx_mnt_id;
    public uint stx_dio_mem_align;
    public uint stx_dio_offset_align;
    public ulong stx_subvol;
}

/// <summary>struct timespec of a 64-bit system.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct Timespec
{
    public long tv_sec;
    public long tv_nsec;
}

/// <summary>struct flock of a 64-bit system.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct Flock64
{
    public short l_type;
    public short l_whence;
    public long l_start;
    public long l_len;
    public int l_pid;
}

/// <summary>struct statfs of x86-64 and arm64, 120 bytes.</summary>
[StructLayout(LayoutKind.Sequential, Size = 120)]
internal struct StatfsBuffer
{
    public long f_type;
    public long f_bsize;
    public ulong f_blocks;
    public ulong f_bfree;
    public ulong f_bavail;
    public ulong f_files;
    public ulong f_ffree;
    public ulong f_fsid;
    public long f_namelen;
    public long f_frsize;
    public long f_flags;
}

/// <summary>The bytes behind the header of struct file_handle.</summary>
[InlineArray(MaxBytes)]
internal struct FileHandleBytes
{
    /// <summary>The largest handle the kernel makes (MAX_HANDLE_SZ).</summary>
    public const int MaxBytes = 128;

    private byte _first;
}

/// <summary>struct file_handle with room for the largest handle.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct FileHandleBuffer
{
    public uint handle_bytes;
    public int handle_type;
    public FileHandleBytes f_handle;
}

/// <summary>What stands at the front of struct linux_dirent64; the name follows at byte 19.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct DirentHeader
{
    public const int NameOffset = 19;

    public ulong d_ino;
    public ulong d_off;
    public ushort d_reclen;
    public byte d_type;
}

/// <summary>struct __user_cap_header_struct.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct CapabilityHeader
{
    public uint version;
    public int pid;
}

/// <summary>Two of struct __user_cap_data_struct: capabilities 0 to 31 and 32 to 63.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct CapabilityData
{
    public uint effective0;
    public uint permitted0;
    public uint inheritable0;
    public uint effective1;
    public uint permitted1;
    public uint inheritable1;
}

/// <summary>struct xattr_args of setxattrat and getxattrat.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct XattrArguments
{
    public ulong value;
    public uint size;
    public uint flags;
}
