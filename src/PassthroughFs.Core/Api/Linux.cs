using System.Runtime.InteropServices;

namespace PassthroughFs.Core.Api;

/// <summary>
/// Numbers of Linux's file interface under their Linux names, for those who implement or call
/// <see cref="IFileSystem"/>. Meant for <c>using static</c>. Requests carry the numbers of the client's architecture,
/// which is taken to be the host's.
/// </summary>
public static class Linux
{
    /// <summary>The bits of <c>st_mode</c> that hold the file's type.</summary>
    public const uint S_IFMT = 0xF000;

    /// <summary>Socket.</summary>
    public const uint S_IFSOCK = 0xC000;

    /// <summary>Symbolic link.</summary>
    public const uint S_IFLNK = 0xA000;

    /// <summary>Regular file.</summary>
    public const uint S_IFREG = 0x8000;

    /// <summary>Block device.</summary>
    public const uint S_IFBLK = 0x6000;

    /// <summary>Directory.</summary>
    public const uint S_IFDIR = 0x4000;

    /// <summary>Character device.</summary>
    public const uint S_IFCHR = 0x2000;

    /// <summary>FIFO.</summary>
    public const uint S_IFIFO = 0x1000;

    /// <summary>Set-user-id bit.</summary>
    public const uint S_ISUID = 0x800;

    /// <summary>Set-group-id bit.</summary>
    public const uint S_ISGID = 0x400;

    /// <summary>Sticky bit.</summary>
    public const uint S_ISVTX = 0x200;

    /// <summary>The bits that <c>chmod</c> sets: 07777 in octal.</summary>
    public const uint ModeBits = 0xFFF;

    /// <summary>Open for reading only.</summary>
    public const uint O_RDONLY = 0;

    /// <summary>Open for writing only.</summary>
    public const uint O_WRONLY = 1;

    /// <summary>Open for reading and writing.</summary>
    public const uint O_RDWR = 2;

    /// <summary>The bits that hold the access mode.</summary>
    public const uint O_ACCMODE = 3;

    /// <summary>Create the file.</summary>
    public const uint O_CREAT = 0x40;

    /// <summary>With O_CREAT: fail if the file exists.</summary>
    public const uint O_EXCL = 0x80;

    /// <summary>Truncate the file on open.</summary>
    public const uint O_TRUNC = 0x200;

    /// <summary>Each write goes to the file's end.</summary>
    public const uint O_APPEND = 0x400;

    /// <summary>Non-blocking.</summary>
    public const uint O_NONBLOCK = 0x800;

    /// <summary>Synchronous data.</summary>
    public const uint O_DSYNC = 0x1000;

    /// <summary>Synchronous data and metadata (includes O_DSYNC).</summary>
    public const uint O_SYNC = 0x101000;

    /// <summary>Do not update the access time.</summary>
    public const uint O_NOATIME = 0x40000;

    /// <summary>Close on exec.</summary>
    public const uint O_CLOEXEC = 0x80000;

    /// <summary>Only a reference to the file, neither readable nor writable.</summary>
    public const uint O_PATH = 0x200000;

    /// <summary>Fail unless it is a directory.</summary>
    public static uint O_DIRECTORY => IsArm64 ? 0x4000u : 0x10000u;

    /// <summary>Do not follow a symbolic link in the last component.</summary>
    public static uint O_NOFOLLOW => IsArm64 ? 0x8000u : 0x20000u;

    /// <summary>Bypass the page cache.</summary>
    public static uint O_DIRECT => IsArm64 ? 0x10000u : 0x4000u;

    /// <summary>An unnamed file in the given directory (includes O_DIRECTORY).</summary>
    public static uint O_TMPFILE => 0x400000u | O_DIRECTORY;

    /// <summary>Rename: fail with EEXIST if the target exists.</summary>
    public const uint RENAME_NOREPLACE = 1;

    /// <summary>Rename: swap source and target.</summary>
    public const uint RENAME_EXCHANGE = 2;

    /// <summary>Rename: leave a whiteout in the source's place.</summary>
    public const uint RENAME_WHITEOUT = 4;

    /// <summary>fallocate: do not change the file's size.</summary>
    public const uint FALLOC_FL_KEEP_SIZE = 1;

    /// <summary>fallocate: deallocate the range.</summary>
    public const uint FALLOC_FL_PUNCH_HOLE = 2;

    /// <summary>fallocate: remove the range and close the gap.</summary>
    public const uint FALLOC_FL_COLLAPSE_RANGE = 8;

    /// <summary>fallocate: make the range zero.</summary>
    public const uint FALLOC_FL_ZERO_RANGE = 16;

    /// <summary>fallocate: insert a hole and move what follows.</summary>
    public const uint FALLOC_FL_INSERT_RANGE = 32;

    /// <summary>lseek: the next data at or after the offset.</summary>
    public const uint SEEK_DATA = 3;

    /// <summary>lseek: the next hole at or after the offset.</summary>
    public const uint SEEK_HOLE = 4;

    /// <summary>setxattr: fail if the attribute exists.</summary>
    public const uint XATTR_CREATE = 1;

    /// <summary>setxattr: fail if the attribute does not exist.</summary>
    public const uint XATTR_REPLACE = 2;

    /// <summary>access: may read.</summary>
    public const uint R_OK = 4;

    /// <summary>access: may write.</summary>
    public const uint W_OK = 2;

    /// <summary>access: may execute or search.</summary>
    public const uint X_OK = 1;

    /// <summary>access: exists.</summary>
    public const uint F_OK = 0;

    /// <summary>The longest name of one path component in bytes, without the NUL.</summary>
    public const int NAME_MAX = 255;

    /// <summary>The longest path in bytes, with the NUL.</summary>
    public const int PATH_MAX = 4096;

    /// <summary>The largest value of an extended attribute in bytes.</summary>
    public const int XATTR_SIZE_MAX = 65536;

    /// <summary>The longest name of an extended attribute in bytes.</summary>
    public const int XATTR_NAME_MAX = 255;

    /// <summary>The longest list of extended attribute names in bytes.</summary>
    public const int XATTR_LIST_MAX = 65536;

    private static bool IsArm64 => RuntimeInformation.ProcessArchitecture == Architecture.Arm64;

    /// <summary>Whether <paramref name="mode"/> is a directory's.</summary>
    public static bool S_ISDIR(uint mode) => (mode & S_IFMT) == S_IFDIR;

    /// <summary>Whether <paramref name="mode"/> is a regular file's.</summary>
    public static bool S_ISREG(uint mode) => (mode & S_IFMT) == S_IFREG;

    /// <summary>Whether <paramref name="mode"/> is a symbolic link's.</summary>
    public static bool S_ISLNK(uint mode) => (mode & S_IFMT) == S_IFLNK;
}
