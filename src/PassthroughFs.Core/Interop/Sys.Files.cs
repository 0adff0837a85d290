using System.Runtime.InteropServices;

namespace PassthroughFs.Core.Interop;

internal static unsafe partial class Sys
{
    public static long Pread(int fd, void* buffer, nuint count, long offset)
    {
        long result;
        while ((result = Result((long)pread(fd, buffer, count, offset))) == -EINTR)
        {
        }

        return result;
    }

    /// <summary>segments: laid out like struct iovec.</summary>
    public static long Preadv(int fd, void* segments, int count, long offset)
    {
        long result;
        while ((result = Result((long)preadv(fd, segments, count, offset))) == -EINTR)
        {
        }

        return result;
    }

    public static long Pwrite(int fd, void* buffer, nuint count, long offset)
    {
        long result;
        while ((result = Result((long)pwrite(fd, buffer, count, offset))) == -EINTR)
        {
        }

        return result;
    }

    /// <summary>segments: laid out like struct iovec.</summary>
    public static long Pwritev(int fd, void* segments, int count, long offset)
    {
        long result;
        while ((result = Result((long)pwritev(fd, segments, count, offset))) == -EINTR)
        {
        }

        return result;
    }

    /// <summary>segments: laid out like struct iovec. A raw call: older C libraries do not have it.</summary>
    public static long Pwritev2(int fd, void* segments, int count, long offset, int flags)
    {
        long result;
        while ((result = Result(syscall(
            IsArm64 ? 287 : 328, fd, (nint)segments, count, (nint)offset, 0, flags))) == -EINTR)
        {
        }

        return result;
    }

    public static int Fsync(int fd)
    {
        int result;
        while ((result = Result(fsync(fd))) == -EINTR)
        {
        }

        return result;
    }

    public static int Fdatasync(int fd)
    {
        int result;
        while ((result = Result(fdatasync(fd))) == -EINTR)
        {
        }

        return result;
    }

    public static int Syncfs(int fd) => Result(syncfs(fd));

    public static int Fallocate(int fd, int mode, long offset, long length)
    {
        int result;
        while ((result = Result(fallocate(fd, mode, offset, length))) == -EINTR)
        {
        }

        return result;
    }

    /// <summary>
    /// A directory's position may be negative where its cookies use all 64 bits: only -1 says an error.
    /// </summary>
    public static long Lseek(int fd, long offset, int whence)
    {
        long position = lseek(fd, offset, whence);
        return position == -1 ? -LastError() : position;
    }

    public static long CopyFileRange(int fdIn, long* offsetIn, int fdOut, long* offsetOut, nuint length, uint flags)
    {
        long result;
        while ((result = Result((long)copy_file_range(fdIn, offsetIn, fdOut, offsetOut, length, flags))) == -EINTR)
        {
        }

        return result;
    }

    public static int Fcntl(int fd, int command, nint argument) => Result(fcntl(fd, command, argument));

    [LibraryImport(Libc)]
    private static partial nint pread(int fd, void* buffer, nuint count, long offset);

    [LibraryImport(Libc)]
    private static partial nint preadv(int fd, void* segments, int count, long offset);

    [LibraryImport(Libc)]
    private static partial nint pwrite(int fd, void* buffer, nuint count, long offset);

    [LibraryImport(Libc)]
    private static partial nint pwritev(int fd, void* segments, int count, long offset);

    [LibraryImport(Libc)]
    private static partial int fsync(int fd);

    [LibraryImport(Libc)]
    private static partial int fdatasync(int fd);

    [LibraryImport(Libc)]
    private static partial int syncfs(int fd);

    [LibraryImport(Libc)]
    private static partial int fallocate(int fd, int mode, long offset, long length);

    [LibraryImport(Libc)]
    private static partial long lseek(int fd, long offset, int whence);

    [LibraryImport(Libc)]
    private static partial nint copy_file_range(
        int fdIn, long* offsetIn, int fdOut, long* offsetOut, nuint length, uint flags);

    [LibraryImport(Libc)]
    private static partial int fcntl(int fd, int command, nint argument);
}
