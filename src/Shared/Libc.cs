using System.IO;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;
using PassthroughFs.Core.Api;
using PassthroughFs.Fuse;

namespace PassthroughFs.Shared;

/// <summary>
/// The system calls that .NET has no name for. All blittable: a call that fails leaves its reason in
/// <see cref="LastError"/>, to be read before anything else is called.
/// </summary>
internal static unsafe partial class Libc
{
    public const int O_RDONLY = 0;
    public const int O_WRONLY = 1;
    public const int O_RDWR = 2;
    public const int O_CLOEXEC = 0x80000;
    public const int O_PATH = 0x200000;
    public const int F_GETFD = 1;
    public const int FSOPEN_CLOEXEC = 1;

    // The same on all machines.
    public const nint NrFsopen = 430;
    public const nint NrFsconfig = 431;
    public const nint NrFsmount = 432;
    public const int F_SETFD = 2;
    public const int FD_CLOEXEC = 1;
    public const int AT_FDCWD = -100;
    public const uint STATX_TYPE = 1;
    public const uint S_IFMT = 0xF000;
    public const uint S_IFDIR = 0x4000;
    public const uint S_IFSOCK = 0xC000;
    public const int MNT_FORCE = 1;
    public const int MNT_DETACH = 2;
    public const int RLIMIT_NOFILE = 7;
    public const int AF_UNIX = 1;
    public const int SOCK_STREAM = 1;
    public const int SOCK_CLOEXEC = 0x80000;
    public const int SOL_SOCKET = 1;
    public const int SCM_RIGHTS = 1;
    public const int MSG_CMSG_CLOEXEC = 0x40000000;
    public const int MSG_NOSIGNAL = 0x4000;
    public const int CLOSE_RANGE_CLOEXEC = 4;
    public const int PathMax = 4096;

    /// <summary>What a socket answers when the other side has gone with something unread.</summary>
    public const Errno ECONNRESET = (Errno)104;

    /// <summary>What a read answers after the connection was aborted.</summary>
    public const Errno ECONNABORTED = (Errno)103;

    /// <summary>Why the call before this one failed on this thread.</summary>
    public static Errno LastError => (Errno)(*__errno_location());

    /// <summary>A string as C wants it: UTF-8 with a NUL behind it.</summary>
    public static byte[] CString(string text) => Encoding.UTF8.GetBytes(text + '\0');

    /// <summary>The type and access mode of what a path leads to: statx, whose layout is the same everywhere.</summary>
    public static Errno FileMode(string path, out uint mode)
    {
        const int statxSize = 256, modeOffset = 28;
        byte* buffer = stackalloc byte[statxSize];

        // Sound: the path is pinned and ends with NUL, the buffer is as large as the kernel's struct statx.
        fixed (byte* bytes = CString(path))
        {
            int result = statx(AT_FDCWD, bytes, 0, STATX_TYPE, buffer);
            mode = result == 0 ? *(ushort*)(buffer + modeOffset) : 0u;
            return result == 0 ? Errno.OK : LastError;
        }
    }

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

    /// <summary>What the system says to an error number, for the end of a message.</summary>
    public static string Describe(Errno error) => $"{Marshal.GetPInvokeErrorMessage((int)error)} ({error})";

    [LibraryImport("libc")]
    [SuppressGCTransition] // returns an address from thread-local memory: no system call, never waits
    private static partial int* __errno_location();

    [LibraryImport("libc")]
    public static partial nint read(int fd, byte* buffer, nuint count);

    [LibraryImport("libc")]
    public static partial nint write(int fd, byte* buffer, nuint count);

    [LibraryImport("libc")]
    public static partial nint writev(int fd, IoSegment* segments, int count);

    [LibraryImport("libc")]
    private static partial int open(byte* path, int flags);

    [LibraryImport("libc")]
    public static partial int close(int fd);

    [LibraryImport("libc")]
    public static partial int fcntl(int fd, int command, nint argument);

    [LibraryImport("libc")]
    public static partial int ioctl(int fd, nuint request, void* argument);

    [LibraryImport("libc")]
    public static partial int openat(int directory, byte* path, int flags);

    [LibraryImport("libc")]
    public static partial int poll(PollFd* fds, nuint count, int timeout);

    [LibraryImport("libc")]
    public static partial int syncfs(int fd);

    [LibraryImport("libc")]
    public static partial int fsync(int fd);

    [LibraryImport("libc")]
    private static partial int statx(int directory, byte* path, int flags, uint mask, byte* buffer);

    [LibraryImport("libc")]
    private static partial int fstatfs(int fd, byte* buffer);

    [LibraryImport("libc")]
    private static partial byte* realpath(byte* path, byte* resolved);

    [LibraryImport("libc")]
    public static partial int mount(byte* source, byte* target, byte* type, nuint flags, byte* data);

    [LibraryImport("libc")]
    public static partial int unshare(int flags);

    [LibraryImport("libc")]
    public static partial int umount2(byte* target, int flags);

    [LibraryImport("libc")]
    private static partial byte* mmap(void* address, nuint size, int protection, int flags, int fd, long offset);

    [LibraryImport("libc")]
    private static partial int munmap(void* address, nuint size);

    [LibraryImport("libc")]
    private static partial int sched_setaffinity(int pid, nuint size, byte* mask);

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
    private static partial int memfd_create(byte* name, uint flags);

    [LibraryImport("libc")]
    public static partial nint sendmsg(int socket, void* message, int flags);

    [LibraryImport("libc")]
    public static partial nint recvmsg(int socket, void* message, int flags);

    [LibraryImport("libc")]
    public static partial int pipe2(int* pair, int flags);

    [LibraryImport("libc")]
    public static partial int kill(int pid, int signal);

    [LibraryImport("libc")]
    public static partial int waitpid(int pid, int* status, int options);

    [LibraryImport("libc")]
    public static partial void _exit(int status);

    [LibraryImport("libc")]
    public static partial int close_range(uint first, uint last, int flags);

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

    /// <summary>struct pollfd.</summary>
    public struct PollFd(int fd, short events)
    {
        public int Fd = fd;
        public short Events = events;
        public short Returned = 0;
    }
}
