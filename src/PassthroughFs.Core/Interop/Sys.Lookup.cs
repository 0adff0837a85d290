using System.Runtime.InteropServices;

namespace PassthroughFs.Core.Interop;

internal static unsafe partial class Sys
{
    public static int OpenAt(int dirFd, byte* path, uint flags, uint mode = 0)
    {
        int result;
        while ((result = Result(openat(dirFd, path, (int)flags, mode))) == -EINTR)
        {
        }

        return result;
    }

    public static int Close(int fd) => Result(close(fd));

    public static int Statx(int dirFd, byte* path, int flags, uint mask, StatxBuffer* buffer) =>
        Result(statx(dirFd, path, flags, mask, buffer));

    /// <summary>Of what a descriptor refers to; an O_PATH one will do.</summary>
    public static int StatxFd(int fd, uint mask, StatxBuffer* buffer)
    {
        byte empty = 0;
        return Statx(fd, &empty, Constants.AT_EMPTY_PATH, mask, buffer);
    }

    /// <summary>handle_bytes must say how much room there is; mountId gets the mount's id.</summary>
    public static int NameToHandleAt(int dirFd, byte* path, FileHandleBuffer* handle, int* mountId, int flags) =>
        Result(name_to_handle_at(dirFd, path, handle, mountId, flags));

    public static int OpenByHandleAt(int mountFd, FileHandleBuffer* handle, uint flags)
    {
        int result;
        while ((result = Result(open_by_handle_at(mountFd, handle, (int)flags))) == -EINTR)
        {
        }

        return result;
    }

    private const int EINTR = 4;

    [LibraryImport(Libc)]
    private static partial int openat(int dirFd, byte* path, int flags, uint mode);

    [LibraryImport(Libc)]
    private static partial int close(int fd);

    [LibraryImport(Libc)]
    private static partial int statx(int dirFd, byte* path, int flags, uint mask, StatxBuffer* buffer);

    [LibraryImport(Libc)]
    private static partial int name_to_handle_at(
        int dirFd, byte* path, FileHandleBuffer* handle, int* mountId, int flags);

    [LibraryImport(Libc)]
    private static partial int open_by_handle_at(int mountFd, FileHandleBuffer* handle, int flags);
}
