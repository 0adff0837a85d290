using System.Runtime.InteropServices;

namespace PassthroughFs.Core.Interop;

internal static unsafe partial class Sys
{
    public static int MkdirAt(int dirFd, byte* path, uint mode) => Result(mkdirat(dirFd, path, mode));

    public static int MknodAt(int dirFd, byte* path, uint mode, ulong rdev) =>
        Result(mknodat(dirFd, path, mode, rdev));

    public static int SymlinkAt(byte* target, int dirFd, byte* path) => Result(symlinkat(target, dirFd, path));

    public static int LinkAt(int oldDirFd, byte* oldPath, int newDirFd, byte* newPath, int flags) =>
        Result(linkat(oldDirFd, oldPath, newDirFd, newPath, flags));

    public static int UnlinkAt(int dirFd, byte* path, int flags) => Result(unlinkat(dirFd, path, flags));

    public static int RenameAt2(int oldDirFd, byte* oldPath, int newDirFd, byte* newPath, uint flags) =>
        (int)Result(syscall(
            IsArm64 ? 276 : 316, oldDirFd, (nint)oldPath, newDirFd, (nint)newPath, (nint)flags, 0));

    /// <summary>Returns how many bytes were put into target; there is no NUL behind them.</summary>
    public static int ReadLinkAt(int dirFd, byte* path, byte* target, int size) =>
        (int)Result(readlinkat(dirFd, path, target, (nuint)size));

    [LibraryImport(Libc)]
    private static partial int mkdirat(int dirFd, byte* path, uint mode);

    [LibraryImport(Libc)]
    private static partial int mknodat(int dirFd, byte* path, uint mode, ulong rdev);

    [LibraryImport(Libc)]
    private static partial int symlinkat(byte* target, int dirFd, byte* path);

    [LibraryImport(Libc)]
    private static partial int linkat(int oldDirFd, byte* oldPath, int newDirFd, byte* newPath, int flags);

    [LibraryImport(Libc)]
    private static partial int unlinkat(int dirFd, byte* path, int flags);

    [LibraryImport(Libc)]
    private static partial long readlinkat(int dirFd, byte* path, byte* target, nuint size);
}
