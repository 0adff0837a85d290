namespace PassthroughFs.Core.Interop;

/// <summary>Linux's numbers that only the system calls' callers need, under their Linux names.</summary>
internal static class Constants
{
    public const int AT_FDCWD = -100;
    public const int AT_SYMLINK_NOFOLLOW = 0x100;
    public const int AT_REMOVEDIR = 0x200;
    public const int AT_EACCESS = 0x200;
    public const int AT_SYMLINK_FOLLOW = 0x400;
    public const int AT_EMPTY_PATH = 0x1000;

    public const uint STATX_BASIC_STATS = 0x7ff;
    public const uint STATX_BTIME = 0x800;
    public const uint STATX_MNT_ID = 0x1000;
    public const uint STATX_SUBVOL = 0x8000;
    public const uint IN_DELETE_SELF = 0x400;
    public const uint IN_MASK_CREATE = 0x1000_0000;
    public const uint STATX_TYPE = 1;
    public const uint STATX_MODE = 2;
    public const uint STATX_NLINK = 4;
    public const uint STATX_GID = 0x10;
    public const uint STATX_SIZE = 0x200;
    public const ulong STATX_ATTR_MOUNT_ROOT = 0x2000;

    public const int F_GETFL = 3;
    public const int F_SETFL = 4;
    public const int F_DUPFD_CLOEXEC = 1030;
    public const int RWF_APPEND = 0x10;
    public const int F_OFD_GETLK = 36;
    public const int F_OFD_SETLK = 37;

    /// <summary>What a Linux client's OPEN says of a file that is to be run; no program can say it.</summary>
    public const uint FMODE_EXEC = 0x20;

    public const int LOCK_SH = 1;
    public const int LOCK_EX = 2;
    public const int LOCK_NB = 4;
    public const int LOCK_UN = 8;

    public const int RLIMIT_NOFILE = 7;

    public const int SEEK_SET = 0;

    public const long UTIME_NOW = (1L << 30) - 1;
    public const long UTIME_OMIT = (1L << 30) - 2;

    public const int CAP_DAC_READ_SEARCH = 2;
    public const int CAP_FSETID = 4;
    public const int CAP_SETGID = 6;
    public const int CAP_SETUID = 7;

    /// <summary>The most segments one preadv or pwritev takes.</summary>
    public const int IOV_MAX = 1024;
}
