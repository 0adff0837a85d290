using System;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using PassthroughFs.Core.Api;
using PassthroughFs.PtfsVirtiofsd.Seccomp;

namespace PassthroughFs.Shared;

/// <summary>What the sandbox takes.</summary>
internal static unsafe partial class Libc
{
    public const int F_DUPFD = 0;
    public const int CLONE_NEWNS = 0x0002_0000;
    public const int CLONE_NEWPID = 0x2000_0000;
    public const int CLONE_NEWNET = 0x4000_0000;
    public const nuint MS_RDONLY = 1;
    public const nuint MS_NOSUID = 2;
    public const nuint MS_NODEV = 4;
    public const nuint MS_NOEXEC = 8;
    public const nuint MS_BIND = 0x1000;
    public const nuint MS_REC = 0x4000;
    public const nuint MS_SLAVE = 0x8_0000;
    public const int PR_SET_PDEATHSIG = 1;
    private const int RLIMIT_CORE = 4;
    public const int PR_CAPBSET_READ = 23;
    public const int PR_CAPBSET_DROP = 24;
    public const int SIGKILL = 9;
    public const int SIGSYS = 31;
    public const int WNOHANG = 1;
    private const uint STATX_INO = 0x100;

    public static int O_DIRECTORY => RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? 0x4000 : 0x10000;

    /// <summary>
    /// Where this thread has what <see cref="LastError"/> tells; the same place for as long as it runs.
    /// </summary>
    public static int* ErrorOfThisThread() => __errno_location();

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

    /// <summary>
    /// A copy of a directory's mount and of those below it, attached nowhere, with nosuid, nodev and noexec on each;
    /// invalid if the system refuses.
    /// </summary>
    public static SafeFileHandle CloneTree(string directory)
    {
        const int openTree = 428, mountSetattr = 442; // the same on every architecture
        const nint clone = 1, recursive = 0x8000, emptyPath = 0x1000, attributesBytes = 32;
        const ulong noSuidDevExec = 2 | 4 | 8;
        ulong* attributes = stackalloc ulong[4] { noSuidDevExec, 0, 0, 0 }; // struct mount_attr
        fixed (byte* path = CString(directory), empty = "\0"u8)
        {
            // SAFETY: the paths are pinned and end with NUL; the structure is of this frame.
            var tree = Own((int)syscall(openTree, AT_FDCWD, (nint)path, clone | recursive | O_CLOEXEC, 0, 0, 0));
            if (!tree.IsInvalid && syscall(
                mountSetattr, Number(tree), (nint)empty, emptyPath | recursive, (nint)attributes, attributesBytes, 0) < 0)
            {
                Errno error = LastError;
                tree.Dispose();
                *__errno_location() = (int)error;
                return Own(-1);
            }

            return tree;
        }
    }

    /// <summary>
    /// A program that is executed next gets these descriptors beside the first three and no other: what was inherited
    /// may lead anywhere.
    /// </summary>
    /// <param name="fds">Negative for none.</param>
    public static void InheritOnly(params ReadOnlySpan<int> fds)
    {
        _ = close_range(3, uint.MaxValue, CLOSE_RANGE_CLOEXEC);
        foreach (int fd in fds)
        {
            _ = fcntl(fd, F_SETFD, 0);
        }
    }

    /// <summary>No memory of the guest's files gets into a file of the host when this process crashes.</summary>
    public static void ForbidCoreDumps()
    {
        ulong* none = stackalloc ulong[2] { 0, 0 }; // SAFETY: struct rlimit is two 64-bit numbers, soft and hard.
        _ = setrlimit(RLIMIT_CORE, none);
    }

    /// <summary>Whether the kernel has getxattrat and its like, which take a name below a directory.</summary>
    public static bool HasXattrAt()
    {
        const int getxattrat = 464; // the same on every architecture
        return syscall(getxattrat, -1, 0, 0, 0, 0, 0) >= 0 || LastError != Errno.ENOSYS; // Sound: null pointers.
    }

    /// <summary>Gives every thread of this process a filter of system calls.</summary>
    /// <param name="program">In the kernel's language.</param>
    /// <param name="thread">A thread that cannot get it, or 0; then no thread has.</param>
    public static Errno FilterSystemCalls(BpfInstruction[] program, out int thread)
    {
        nint seccomp = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? 277 : 317;
        const nint setModeFilter = 1, allThreads = 1;
        fixed (BpfInstruction* instructions = program)
        {
            // SAFETY: struct sock_fprog is a 16-bit count and, aligned, a pointer; both are of this frame, what the
            // pointer leads to is pinned, and the kernel copies it.
            nint* filter = stackalloc nint[2] { program.Length, (nint)instructions };
            nint result = syscall(seccomp, setModeFilter, allThreads, (nint)filter, 0, 0, 0);
            thread = (int)Math.Max(result, 0);
            return result < 0 ? LastError : Errno.OK;
        }
    }

    [LibraryImport("libc")]
    public static partial int capget(CapabilityHeader* header, CapabilitySets* sets);

    [LibraryImport("libc")]
    public static partial int capset(CapabilityHeader* header, CapabilitySets* sets);

    [LibraryImport("libc")]
    public static partial int chroot(byte* path);

    [LibraryImport("libc")]
    public static partial int pivot_root(byte* newRoot, byte* oldRoot);

    [LibraryImport("libc")]
    public static partial int fchdir(int fd);

    [LibraryImport("libc")]
    public static partial int prctl(int option, nuint a, nuint b, nuint c, nuint d);

    [LibraryImport("libc")]
    public static partial nint send(int socket, byte* buffer, nuint length, int flags);

    [LibraryImport("libc")]
    public static partial nint recv(int socket, byte* buffer, nuint length, int flags);

    [LibraryImport("libc")]
    public static partial int posix_spawn(
        int* pid, byte* path, void* actions, void* attributes, byte** argv, byte** environment);

    /// <summary>struct __user_cap_header_struct.</summary>
    public struct CapabilityHeader
    {
        public uint Version;
        public int Pid;
    }

    /// <summary>Two struct __user_cap_data_struct: capabilities 0 to 31, and the rest.</summary>
    public struct CapabilitySets
    {
        public uint EffectiveLow;
        public uint PermittedLow;
        public uint InheritableLow;
        public uint EffectiveHigh;
        public uint PermittedHigh;
        public uint InheritableHigh;
    }
}
