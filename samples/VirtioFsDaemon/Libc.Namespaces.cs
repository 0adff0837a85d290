using System.Runtime.InteropServices;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Samples.VirtioFsDaemon;

/// <summary>What the sandbox takes.</summary>
internal static unsafe partial class Libc
{
    public const int CLONE_NEWNS = 0x0002_0000;
    public const int CLONE_NEWPID = 0x2000_0000;
    public const int CLONE_NEWNET = 0x4000_0000;
    public const nuint MS_BIND = 0x1000;
    public const nuint MS_REC = 0x4000;
    public const nuint MS_SLAVE = 0x8_0000;
    public const int MNT_DETACH = 2;
    public const int PR_SET_PDEATHSIG = 1;
    public const int PR_CAPBSET_READ = 23;
    public const int PR_CAPBSET_DROP = 24;
    public const int CLOSE_RANGE_CLOEXEC = 4;
    public const int SIGKILL = 9;
    public const int WNOHANG = 1;
    private const uint STATX_INO = 0x100;

    /// <summary>Whether two paths lead to one inode; false if one of them cannot be reached.</summary>
    public static bool IsSame(int directory, byte* path, int otherDirectory, byte* otherPath)
    {
        const int statxSize = 256, emptyPath = 0x1000, inodeOffset = 32, deviceOffset = 136;
        byte* one = stackalloc byte[statxSize];
        byte* two = stackalloc byte[statxSize];

        // Sound: the paths are the caller's, the buffers as large as the kernel's struct statx.
        return statx(directory, path, emptyPath, STATX_INO, one) == 0
            && statx(otherDirectory, otherPath, emptyPath, STATX_INO, two) == 0
            && *(ulong*)(one + inodeOffset) == *(ulong*)(two + inodeOffset)
            && *(ulong*)(one + deviceOffset) == *(ulong*)(two + deviceOffset);
    }

    /// <summary>Whether the kernel has getxattrat and its like, which take a name below a directory.</summary>
    public static bool HasXattrAt()
    {
        const int getxattrat = 464; // the same on every architecture
        return syscall(getxattrat, -1, 0, 0, 0, 0, 0) >= 0 || LastError != Errno.ENOSYS; // Sound: null pointers.
    }

    [LibraryImport("libc")]
    private static partial nint syscall(nint number, nint a, nint b, nint c, nint d, nint e, nint f);

    [LibraryImport("libc")]
    public static partial int unshare(int flags);

    [LibraryImport("libc")]
    public static partial int mount(byte* source, byte* target, byte* type, nuint flags, byte* data);

    [LibraryImport("libc")]
    public static partial int umount2(byte* target, int flags);

    [LibraryImport("libc")]
    public static partial int pivot_root(byte* newRoot, byte* oldRoot);

    [LibraryImport("libc")]
    public static partial int fchdir(int fd);

    [LibraryImport("libc")]
    public static partial int prctl(int option, nuint a, nuint b, nuint c, nuint d);

    [LibraryImport("libc")]
    public static partial int socketpair(int domain, int type, int protocol, int* pair);

    [LibraryImport("libc")]
    public static partial nint send(int socket, byte* buffer, nuint length, int flags);

    [LibraryImport("libc")]
    public static partial nint recv(int socket, byte* buffer, nuint length, int flags);

    [LibraryImport("libc")]
    public static partial int close_range(uint first, uint last, int flags);

    [LibraryImport("libc")]
    public static partial int posix_spawn(
        int* pid, byte* path, void* actions, void* attributes, byte** argv, byte** environment);

    [LibraryImport("libc")]
    public static partial int waitpid(int pid, int* status, int options);

    [LibraryImport("libc")]
    public static partial int kill(int pid, int signal);
}
