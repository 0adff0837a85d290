using System.Runtime.InteropServices;

namespace PassthroughFs.Core.Interop;

internal static unsafe partial class Sys
{
    public static int InotifyInit1(int flags) => Result(inotify_init1(flags));

    public static int InotifyAddWatch(int fd, byte* path, uint mask) => Result(inotify_add_watch(fd, path, mask));

    [LibraryImport(Libc)]
    private static partial int inotify_init1(int flags);

    [LibraryImport(Libc)]
    private static partial int inotify_add_watch(int fd, byte* path, uint mask);
}
