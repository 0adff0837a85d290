using System.Runtime.InteropServices;

namespace PassthroughFs.Core.Interop;

/// <summary>
/// The *xattr functions take a path and follow its symbolic links, and so do the *xattrat calls (Linux 6.13, -ENOSYS
/// before) from a directory on; with AT_EMPTY_PATH these refuse an O_PATH fd.
/// </summary>
internal static unsafe partial class Sys
{
    public static int SetXattr(byte* path, byte* name, byte* value, nuint size, int flags) =>
        Result(setxattr(path, name, value, size, flags));

    public static long GetXattr(byte* path, byte* name, byte* value, nuint size) =>
        Result((long)getxattr(path, name, value, size));

    public static long ListXattr(byte* path, byte* list, nuint size) => Result((long)listxattr(path, list, size));

    public static int RemoveXattr(byte* path, byte* name) => Result(removexattr(path, name));

    public static int SetXattrAt(int dirFd, byte* path, int atFlags, byte* name, XattrArguments* arguments) =>
        (int)Result(syscall(
            463, dirFd, (nint)path, atFlags, (nint)name, (nint)arguments, sizeof(XattrArguments)));

    public static long GetXattrAt(int dirFd, byte* path, int atFlags, byte* name, XattrArguments* arguments) =>
        Result(syscall(464, dirFd, (nint)path, atFlags, (nint)name, (nint)arguments, sizeof(XattrArguments)));

    public static long ListXattrAt(int dirFd, byte* path, int atFlags, byte* list, nuint size) =>
        Result(syscall(465, dirFd, (nint)path, atFlags, (nint)list, (nint)size, 0));

    public static int RemoveXattrAt(int dirFd, byte* path, int atFlags, byte* name) =>
        (int)Result(syscall(466, dirFd, (nint)path, atFlags, (nint)name, 0, 0));

    [LibraryImport(Libc)]
    private static partial int setxattr(byte* path, byte* name, byte* value, nuint size, int flags);

    [LibraryImport(Libc)]
    private static partial nint getxattr(byte* path, byte* name, byte* value, nuint size);

    [LibraryImport(Libc)]
    private static partial nint listxattr(byte* path, byte* list, nuint size);

    [LibraryImport(Libc)]
    private static partial int removexattr(byte* path, byte* name);
}
