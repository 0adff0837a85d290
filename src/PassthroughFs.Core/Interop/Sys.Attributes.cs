using System.Runtime.InteropServices;

namespace PassthroughFs.Core.Interop;

internal static unsafe partial class Sys
{
    public static int Fchmod(int fd, uint mode) => Result(fchmod(fd, mode));

    /// <summary>Follows a symbolic link in the last component.</summary>
    public static int FchmodAt(int dirFd, byte* path, uint mode) => Result(fchmodat(dirFd, path, mode, 0));

    public static int FchownAt(int dirFd, byte* path, uint uid, uint gid, int flags) =>
        Result(fchownat(dirFd, path, uid, gid, flags));

    public static int Ftruncate(int fd, long length)
    {
        int result;
        while ((result = Result(ftruncate(fd, length))) == -EINTR)
        {
        }

        return result;
    }

    /// <summary>times: two elements, access and modification.</summary>
    public static int UtimensAt(int dirFd, byte* path, Timespec* times, int flags) =>
        Result(utimensat(dirFd, path, times, flags));

    public static int Futimens(int fd, Timespec* times) => Result(futimens(fd, times));

    /// <summary>Linux 5.8; -ENOSYS before.</summary>
    public static int FaccessAt2(int dirFd, byte* path, int mode, int flags) =>
        (int)Result(syscall(439, dirFd, (nint)path, mode, flags, 0, 0));

    public static int Fstatfs(int fd, StatfsBuffer* buffer)
    {
        int result;
        while ((result = Result(fstatfs(fd, buffer))) == -EINTR)
        {
        }

        return result;
    }

    [LibraryImport(Libc)]
    private static partial int fchmod(int fd, uint mode);

    [LibraryImport(Libc)]
    private static partial int fchmodat(int dirFd, byte* path, uint mode, int flags);

    [LibraryImport(Libc)]
    private static partial int fchownat(int dirFd, byte* path, uint uid, uint gid, int flags);

    [LibraryImport(Libc)]
    private static partial int ftruncate(int fd, long length);

    [LibraryImport(Libc)]
    private static partial int utimensat(int dirFd, byte* path, Timespec* times, int flags);

    [LibraryImport(Libc)]
    private static partial int futimens(int fd, Timespec* times);

    [LibraryImport(Libc)]
    private static partial int fstatfs(int fd, StatfsBuffer* buffer);
}
