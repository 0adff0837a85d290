using System.Runtime.InteropServices;

namespace PassthroughFs.Shared;

/// <summary>What takes a process of its own, or changes this one.</summary>
internal static unsafe partial class Libc
{
    public const int MNT_DETACH = 2;
    public const int RLIMIT_NOFILE = 7;
    public const int CLOSE_RANGE_CLOEXEC = 4;

    [LibraryImport("libc")]
    public static partial int mount(byte* source, byte* target, byte* type, nuint flags, byte* data);

    [LibraryImport("libc")]
    public static partial int unshare(int flags);

    [LibraryImport("libc")]
    public static partial int umount2(byte* target, int flags);

    [LibraryImport("libc")]
    public static partial nint syscall(nint number, nint a, nint b, nint c, nint d, nint e, nint f);

    [LibraryImport("libc")]
    public static partial uint geteuid();

    [LibraryImport("libc")]
    public static partial uint getegid();

    [LibraryImport("libc")]
    public static partial int getrlimit(int resource, ulong* limit);

    [LibraryImport("libc")]
    public static partial int setrlimit(int resource, ulong* limit);

    [LibraryImport("libc")]
    public static partial int socketpair(int domain, int type, int protocol, int* pair);

    [LibraryImport("libc")]
    public static partial int kill(int pid, int signal);

    [LibraryImport("libc")]
    public static partial int waitpid(int pid, int* status, int options);

    [LibraryImport("libc")]
    public static partial void _exit(int status);

    [LibraryImport("libc")]
    public static partial int close_range(uint first, uint last, int flags);
}
