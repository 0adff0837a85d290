using System.Runtime.InteropServices;

namespace PassthroughFs.Core.IntegrationTests.Platform;

/// <summary>libc, declared apart from the library's declarations: a wrong one must not hide itself.</summary>
internal static unsafe partial class Native
{
    public const int AT_FDCWD = -100;
    public const int AT_SYMLINK_NOFOLLOW = 0x100;
    public const int AT_REMOVEDIR = 0x200;
    public const int AT_EACCESS = 0x200;
    public const int AT_SYMLINK_FOLLOW = 0x400;
    public const int AT_EMPTY_PATH = 0x1000;
    public const int UTIME_NOW = (1 << 30) - 1;
    public const int UTIME_OMIT = (1 << 30) - 2;
    public const int PROT_READ = 1;
    public const int PROT_WRITE = 2;
    public const int MAP_SHARED = 1;
    public const int MS_SYNC = 4;
    public const int SIGINT = 2;
    public const int SIGKILL = 9;
    public const int SIGTERM = 15;

    private const string Libc = "libc";

    [LibraryImport(Libc, EntryPoint = "open", SetLastError = true)]
    public static partial int Open(byte[] path, int flags, uint mode);

    /// <summary>handle: its length (32 bits), its type (32), its bytes.</summary>
    [LibraryImport(Libc, EntryPoint = "name_to_handle_at", SetLastError = true)]
    public static partial int NameToHandleAt(int fd, byte[] path, byte[] handle, out int mountId, int flags);

    [LibraryImport(Libc, EntryPoint = "open_by_handle_at", SetLastError = true)]
    public static partial int OpenByHandleAt(int mountFd, byte[] handle, int flags);

    [LibraryImport(Libc, EntryPoint = "close", SetLastError = true)]
    public static partial int Close(int fd);

    [LibraryImport(Libc, EntryPoint = "read", SetLastError = true)]
    public static partial nint Read(int fd, byte* buffer, nuint count);

    [LibraryImport(Libc, EntryPoint = "write", SetLastError = true)]
    public static partial nint Write(int fd, byte* buffer, nuint count);

    [LibraryImport(Libc, EntryPoint = "pread", SetLastError = true)]
    public static partial nint PRead(int fd, byte* buffer, nuint count, long offset);

    [LibraryImport(Libc, EntryPoint = "pwrite", SetLastError = true)]
    public static partial nint PWrite(int fd, byte* buffer, nuint count, long offset);

    [LibraryImport(Libc, EntryPoint = "lseek", SetLastError = true)]
    public static partial long LSeek(int fd, long offset, int whence);

    [LibraryImport(Libc, EntryPoint = "ftruncate", SetLastError = true)]
    public static partial int FTruncate(int fd, long length);

    [LibraryImport(Libc, EntryPoint = "truncate", SetLastError = true)]
    public static partial int Truncate(byte[] path, long length);

    [LibraryImport(Libc, EntryPoint = "statx", SetLastError = true)]
    public static partial int Statx(int fd, byte[] path, int flags, uint mask, byte* buffer);

    [LibraryImport(Libc, EntryPoint = "mkdir", SetLastError = true)]
    public static partial int Mkdir(byte[] path, uint mode);

    [LibraryImport(Libc, EntryPoint = "unlinkat", SetLastError = true)]
    public static partial int UnlinkAt(int fd, byte[] path, int flags);

    [LibraryImport(Libc, EntryPoint = "renameat2", SetLastError = true)]
    public static partial int RenameAt2(int oldFd, byte[] oldPath, int newFd, byte[] newPath, uint flags);

    [LibraryImport(Libc, EntryPoint = "linkat", SetLastError = true)]
    public static partial int LinkAt(int oldFd, byte[] oldPath, int newFd, byte[] newPath, int flags);

    [LibraryImport(Libc, EntryPoint = "symlink", SetLastError = true)]
    public static partial int Symlink(byte[] target, byte[] path);

    [LibraryImport(Libc, EntryPoint = "readlink", SetLastError = true)]
    public static partial nint ReadLink(byte[] path, byte* buffer, nuint size);

    [LibraryImport(Libc, EntryPoint = "mknod", SetLastError = true)]
    public static partial int Mknod(byte[] path, uint mode, ulong dev);

    [LibraryImport(Libc, EntryPoint = "chmod", SetLastError = true)]
    public static partial int Chmod(byte[] path, uint mode);

    [LibraryImport(Libc, EntryPoint = "fchmod", SetLastError = true)]
    public static partial int FChmod(int fd, uint mode);

    [LibraryImport(Libc, EntryPoint = "lchown", SetLastError = true)]
    public static partial int LChown(byte[] path, uint uid, uint gid);

    [LibraryImport(Libc, EntryPoint = "utimensat", SetLastError = true)]
    public static partial int UTimensAt(int fd, byte[] path, long* times, int flags);

    [LibraryImport(Libc, EntryPoint = "faccessat", SetLastError = true)]
    public static partial int FAccessAt(int fd, byte[] path, int mode, int flags);

    [LibraryImport(Libc, EntryPoint = "fsync", SetLastError = true)]
    public static partial int FSync(int fd);

    [LibraryImport(Libc, EntryPoint = "fdatasync", SetLastError = true)]
    public static partial int FDataSync(int fd);

    [LibraryImport(Libc, EntryPoint = "syncfs", SetLastError = true)]
    public static partial int SyncFs(int fd);

    [LibraryImport(Libc, EntryPoint = "fallocate", SetLastError = true)]
    public static partial int FAllocate(int fd, int mode, long offset, long length);

    [LibraryImport(Libc, EntryPoint = "copy_file_range", SetLastError = true)]
    public static partial nint CopyFileRange(
        int from, long* fromOffset, int to, long* toOffset, nuint count, uint flags);

    [LibraryImport(Libc, EntryPoint = "posix_fadvise")]
    public static partial int FAdvise(int fd, long offset, long length, int advice);

    [LibraryImport(Libc, EntryPoint = "statfs", SetLastError = true)]
    public static partial int StatFs(byte[] path, byte* buffer);

    [LibraryImport(Libc, EntryPoint = "lsetxattr", SetLastError = true)]
    public static partial int LSetXattr(byte[] path, byte[] name, byte* value, nuint size, int flags);

    [LibraryImport(Libc, EntryPoint = "lgetxattr", SetLastError = true)]
    public static partial nint LGetXattr(byte[] path, byte[] name, byte* value, nuint size);

    [LibraryImport(Libc, EntryPoint = "llistxattr", SetLastError = true)]
    public static partial nint LListXattr(byte[] path, byte* list, nuint size);

    [LibraryImport(Libc, EntryPoint = "lremovexattr", SetLastError = true)]
    public static partial int LRemoveXattr(byte[] path, byte[] name);

    [LibraryImport(Libc, EntryPoint = "umask")]
    public static partial uint UMask(uint mask);

    [LibraryImport(Libc, EntryPoint = "setfsuid")]
    public static partial int SetFsUid(uint uid);

    [LibraryImport(Libc, EntryPoint = "setfsgid")]
    public static partial int SetFsGid(uint gid);

    [LibraryImport(Libc, EntryPoint = "geteuid")]
    public static partial uint GetEUid();

    [LibraryImport(Libc, EntryPoint = "getegid")]
    public static partial uint GetEGid();

    [LibraryImport(Libc, EntryPoint = "getgroups", SetLastError = true)]
    public static partial int GetGroups(int count, uint* groups);

    /// <summary>The raw call: libc's own wrappers of some calls act on every thread of the process.</summary>
    [LibraryImport(Libc, EntryPoint = "syscall", SetLastError = true)]
    public static partial nint SysCall(nint number, nint a, nint b, nint c);

    [LibraryImport(Libc, EntryPoint = "mmap", SetLastError = true)]
    public static partial byte* MMap(nint address, nuint length, int protection, int flags, int fd, long offset);

    [LibraryImport(Libc, EntryPoint = "munmap", SetLastError = true)]
    public static partial int MUnmap(byte* address, nuint length);

    [LibraryImport(Libc, EntryPoint = "msync", SetLastError = true)]
    public static partial int MSync(byte* address, nuint length, int flags);

    [LibraryImport(Libc, EntryPoint = "kill", SetLastError = true)]
    public static partial int Kill(int pid, int signal);

    [LibraryImport(Libc, EntryPoint = "umount2", SetLastError = true)]
    public static partial int UMount2(byte[] path, int flags);

    public static bool IsArm64 => RuntimeInformation.ProcessArchitecture == Architecture.Arm64;

    public static nint SysGetDents64 => IsArm64 ? 61 : 217;

    public static nint SysSetResUid => IsArm64 ? 147 : 117;

    public static nint SysSetResGid => IsArm64 ? 149 : 119;

    public static nint SysSetGroups => IsArm64 ? 159 : 116;
}
