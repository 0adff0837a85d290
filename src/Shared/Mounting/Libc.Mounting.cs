using System.IO;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using PassthroughFs.Core.Api;
using PassthroughFs.Fuse;

namespace PassthroughFs.Shared;

/// <summary>What mounts take.</summary>
internal static unsafe partial class Libc
{
    public const int FSOPEN_CLOEXEC = 1;

    // The same on all machines.
    public const nint NrFsopen = 430;
    public const nint NrFsconfig = 431;
    public const nint NrFsmount = 432;
    public const int MNT_FORCE = 1;
    public const int PathMax = 4096;

    /// <summary>What a read answers after the connection was aborted.</summary>
    public const Errno ECONNABORTED = (Errno)103;

    /// <summary>The minor number of the device that an open file is on, as it is known; null if it cannot be told.</summary>
    public static uint? DeviceMinor(int fd)
    {
        const int statxSize = 256, minorOffset = 140, AT_EMPTY_PATH = 0x1000, AT_STATX_DONT_SYNC = 0x4000;
        byte* buffer = stackalloc byte[statxSize];
        byte empty = 0;

        // Sound: an empty path, and a buffer as large as the kernel's struct statx.
        int result = statx(fd, &empty, AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, buffer);
        return result == 0 ? *(uint*)(buffer + minorOffset) : null;
    }

    /// <summary>Asks the file system of an open file how full it is, and waits for the answer.</summary>
    public static void AskFileSystem(int fd)
    {
        byte* buffer = stackalloc byte[256]; // Sound: struct statfs has 120 bytes.
        _ = fstatfs(fd, buffer);
    }

    /// <summary>Whether nothing below a directory can be changed, as its mount or its file system is read-only.</summary>
    public static bool IsReadOnly(string path)
    {
        const int O_PATH = 0x20_0000, flagsOffset = 80, ST_RDONLY = 1;
        int fd = Open(path, O_PATH | O_CLOEXEC, out Errno error);
        if (error != Errno.OK)
        {
            return false;
        }

        byte* buffer = stackalloc byte[256]; // Sound: struct statfs has 120 bytes.
        bool isReadOnly = fstatfs(fd, buffer) == 0 && (*(long*)(buffer + flagsOffset) & ST_RDONLY) != 0;
        _ = close(fd);
        return isReadOnly;
    }

    /// <summary>The path without symbolic links, "." and "..".</summary>
    public static Errno RealPath(string path, out string real)
    {
        byte* buffer = stackalloc byte[PathMax];

        // Sound: the path is pinned and ends with NUL, the buffer has the PATH_MAX bytes that realpath(3) may fill.
        fixed (byte* bytes = CString(path))
        {
            byte* result = realpath(bytes, buffer);
            Errno error = result == null ? LastError : Errno.OK;
            real = result == null ? path : Marshal.PtrToStringUTF8((nint)result)!;
            return error;
        }
    }

    /// <summary>
    /// The same for a mount point, and without a request to what is mounted there, which may hang.
    /// </summary>
    public static Errno PathOf(string path, out string real)
    {
        real = path;
        int fd = Open(path, O_PATH | O_CLOEXEC, out Errno error);
        if (error == Errno.OK)
        {
            real = File.ResolveLinkTarget($"/proc/self/fd/{fd}", returnFinalTarget: false)!.FullName;
            _ = close(fd);
        }

        return error;
    }

    public static int Open(string path, int flags, out Errno error)
    {
        // Sound: the path is pinned and ends with NUL; none of the flags asks for the third argument.
        fixed (byte* bytes = CString(path))
        {
            int fd = open(bytes, flags);
            error = fd < 0 ? LastError : Errno.OK;
            return fd;
        }
    }

    /// <summary>A file that is nowhere but in memory.</summary>
    public static SafeFileHandle CreateMemoryFile(string name)
    {
        const uint MFD_CLOEXEC = 1;

        // Sound: the name is pinned and ends with NUL.
        fixed (byte* bytes = CString(name))
        {
            int fd = memfd_create(bytes, MFD_CLOEXEC);
            return fd >= 0
                ? new SafeFileHandle(fd, ownsHandle: true)
                : throw new FuseMountException($"cannot create a file in memory: {Describe(LastError)}", FuseMountFault.System);
        }
    }

    /// <summary>Memory that a descriptor shares; null if there is none.</summary>
    public static byte* Map(nuint size, int fd, long offset)
    {
        const int readWrite = 3, sharedPopulated = 0x8001;
        byte* memory = mmap(null, size, readWrite, sharedPopulated, fd, offset);
        return (nint)memory == -1 ? null : memory;
    }

    /// <summary>Ends a mapping that nothing points into any more.</summary>
    public static void Unmap(byte* memory, nuint size)
    {
        if (memory != null)
        {
            _ = munmap(memory, size);
        }
    }

    /// <summary>Has this thread run on one processor, if it may; -1 leaves it.</summary>
    public static void Pin(int cpu)
    {
        const int cpus = 4096;
        if (cpu is < 0 or >= cpus)
        {
            return;
        }

        // Sound: a mask of one bit for each processor, as long as the call is told.
        byte* mask = stackalloc byte[cpus / 8];
        new System.Span<byte>(mask, cpus / 8).Clear();
        mask[cpu / 8] = (byte)(1 << (cpu % 8)); // bytes in the order of a little-endian machine, which both are
        _ = sched_setaffinity(0, cpus / 8, mask);
    }

    [LibraryImport("libc")]
    public static partial nint read(int fd, byte* buffer, nuint count);

    [LibraryImport("libc")]
    public static partial nint writev(int fd, IoSegment* segments, int count);

    [LibraryImport("libc")]
    public static partial int ioctl(int fd, nuint request, void* argument);

    [LibraryImport("libc")]
    public static partial int openat(int directory, byte* path, int flags);

    [LibraryImport("libc")]
    public static partial int syncfs(int fd);

    [LibraryImport("libc")]
    public static partial int fsync(int fd);

    [LibraryImport("libc")]
    private static partial int fstatfs(int fd, byte* buffer);

    [LibraryImport("libc")]
    private static partial byte* realpath(byte* path, byte* resolved);

    [LibraryImport("libc")]
    private static partial int sched_setaffinity(int pid, nuint size, byte* mask);

    [LibraryImport("libc")]
    private static partial int memfd_create(byte* name, uint flags);

    [LibraryImport("libc")]
    public static partial int pipe2(int* pair, int flags);

    [LibraryImport("libc")]
    public static partial int posix_spawnp(
        int* pid, byte* file, void* actions, void* attributes, byte** argv, byte** envp);

    [LibraryImport("libc")]
    public static partial int posix_spawn_file_actions_init(void* actions);

    [LibraryImport("libc")]
    public static partial int posix_spawn_file_actions_destroy(void* actions);

    [LibraryImport("libc")]
    public static partial int posix_spawn_file_actions_adddup2(void* actions, int fd, int target);

    [LibraryImport("libc")]
    public static partial int posix_spawn_file_actions_addopen(void* actions, int fd, byte* path, int flags, uint mode);

    [LibraryImport("libc")]
    public static partial int posix_spawnattr_init(void* attributes);

    [LibraryImport("libc")]
    public static partial int posix_spawnattr_destroy(void* attributes);

    [LibraryImport("libc")]
    public static partial int posix_spawnattr_setflags(void* attributes, short flags);

    [LibraryImport("libc")]
    public static partial int posix_spawnattr_setsigdefault(void* attributes, void* signals);
}
