using System.Collections.Generic;
using System.Runtime.InteropServices;

namespace PassthroughFs.Shared;

/// <summary>What takes a process of its own, or changes this one.</summary>
internal static unsafe partial class Libc
{
    public const int MNT_DETACH = 2;
    public const int RLIMIT_NOFILE = 7;
    public const int CLOSE_RANGE_CLOEXEC = 4;

    /// <summary>
    /// A list as execve(2) wants it: pointers to C strings with a null pointer behind them. Never freed.
    /// </summary>
    public static byte** CStrings(IReadOnlyList<string> texts)
    {
        // SAFETY: zeroed, one pointer for each string and one more.
        var list = (byte**)NativeMemory.AllocZeroed((nuint)texts.Count + 1, (nuint)sizeof(byte*));
        for (int i = 0; i < texts.Count; i++)
        {
            list[i] = (byte*)Marshal.StringToCoTaskMemUTF8(texts[i]);
        }

        return list;
    }

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
    public static partial int dup2(int fd, int target);

    [LibraryImport("libc")]
    public static partial int execve(byte* path, byte** argv, byte** environment);

    [LibraryImport("libc")]
    public static partial int waitpid(int pid, int* status, int options);

    [LibraryImport("libc")]
    public static partial void _exit(int status);

    [LibraryImport("libc")]
    public static partial int close_range(uint first, uint last, int flags);
}
