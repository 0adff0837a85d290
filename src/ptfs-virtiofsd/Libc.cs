using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;
using PassthroughFs.Core.Api;

namespace PassthroughFs.PtfsVirtiofsd;

/// <summary>
/// The system calls that .NET has no name for. All blittable: a call that fails leaves its reason in
/// <see cref="LastError"/>, to be read before anything else is called.
/// </summary>
internal static unsafe partial class Libc
{
    public const int O_RDONLY = 0;
    public const int O_PATH = 0x200000;
    public const int O_CLOEXEC = 0x80000;

    public static int O_DIRECTORY => RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? 0x4000 : 0x10000;

    public const int AT_FDCWD = -100;
    public const int AF_UNIX = 1;
    public const int SOCK_STREAM = 1;
    public const int SOCK_CLOEXEC = 0x80000;
    public const int SOCK_NONBLOCK = 0x800;
    public const int SOL_SOCKET = 1;
    public const int SO_ACCEPTCONN = 30;
    public const int SCM_RIGHTS = 1;
    public const int MSG_CTRUNC = 0x08;
    public const int MSG_DONTWAIT = 0x40;
    public const int MSG_NOSIGNAL = 0x4000;
    public const int MSG_CMSG_CLOEXEC = 0x40000000;
    public const int F_DUPFD = 0;
    public const int F_SETFD = 2;
    public const int F_GETFL = 3;
    public const int F_SETFL = 4;
    public const int F_ADD_SEALS = 1033;
    public const int F_SEAL_SHRINK = 2;
    public const int FD_CLOEXEC = 1;
    public const int EFD_CLOEXEC = 0x80000;
    public const int EFD_NONBLOCK = 0x800;
    public const int EPOLL_CLOEXEC = 0x80000;
    public const int EPOLL_CTL_ADD = 1;
    public const uint EPOLLIN = 1;
    public const uint EPOLLET = 1u << 31;
    public const short POLLIN = 1;
    public const short POLLHUP = 0x10;
    public const int PROT_READ = 1;
    public const int PROT_WRITE = 2;
    public const int PROT_EXEC = 4;
    public const int MAP_SHARED = 1;
    public const int MAP_NORESERVE = 0x4000;
    public const int RLIMIT_NOFILE = 7;

    public const Errno ECONNRESET = (Errno)104;
    public const Errno ECONNREFUSED = (Errno)111;
    public const uint S_IFMT = 0xF000;
    public const uint S_IFSOCK = 0xC000;
    private const int AT_SYMLINK_NOFOLLOW = 0x100;
    private const uint STATX_TYPE = 1;

    /// <summary>Why the call before this one failed on this thread.</summary>
    public static Errno LastError => (Errno)(*__errno_location());

    /// <summary>Where this thread has that; the same place for as long as it runs.</summary>
    public static int* ErrorOfThisThread() => __errno_location();

    /// <summary>A string as C wants it: UTF-8 with a NUL behind it.</summary>
    public static byte[] CString(string text) => Encoding.UTF8.GetBytes(text + '\0');

    /// <summary>A descriptor that closes itself.</summary>
    public static SafeFileHandle Own(int fd) => new(fd, ownsHandle: true);

    /// <summary>The number of a descriptor that its owner keeps open for as long as the number is used.</summary>
    public static int Number(SafeFileHandle handle) => (int)handle.DangerousGetHandle();

    /// <summary>An eventfd; invalid if the system gives none.</summary>
    public static SafeFileHandle NewEvent() => Own(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));

    /// <summary>Adds 1 to an eventfd.</summary>
    public static bool Signal(int eventFd)
    {
        ulong one = 1;
        return write(eventFd, (byte*)&one, sizeof(ulong)) == sizeof(ulong); // Sound: 8 bytes of this frame.
    }

    /// <summary>What is at a path: statx, whose layout is the same everywhere.</summary>
    public static Errno FileMode(string path, out uint mode)
    {
        const int statxSize = 256, modeOffset = 28;
        byte* buffer = stackalloc byte[statxSize];

        // Sound: the path is pinned and ends with NUL, the buffer is as large as the kernel's struct statx.
        fixed (byte* bytes = CString(path))
        {
            int result = statx(AT_FDCWD, bytes, AT_SYMLINK_NOFOLLOW, STATX_TYPE, buffer);
            mode = result == 0 ? *(ushort*)(buffer + modeOffset) : 0u;
            return result == 0 ? Errno.OK : LastError;
        }
    }

    /// <summary>What the system says to an error number, for the end of a message.</summary>
    public static string Describe(Errno error) => $"{Marshal.GetPInvokeErrorMessage((int)error)} ({error})";

    [LibraryImport("libc")]
    [SuppressGCTransition] // returns an address from thread-local memory: no system call, never waits
    private static partial int* __errno_location();

    [LibraryImport("libc")]
    public static partial nint write(int fd, byte* buffer, nuint count);

    [LibraryImport("libc")]
    public static partial int open(byte* path, int flags);

    [LibraryImport("libc")]
    public static partial int statx(int directory, byte* path, int flags, uint mask, byte* buffer);

    [LibraryImport("libc")]
    public static partial int fcntl(int fd, int command, nint argument);

    [LibraryImport("libc")]
    private static partial int eventfd(uint initial, int flags);

    [LibraryImport("libc")]
    public static partial int epoll_create1(int flags);

    [LibraryImport("libc")]
    public static partial int epoll_ctl(int epoll, int operation, int fd, void* @event);

    [LibraryImport("libc")]
    public static partial int epoll_wait(int epoll, void* events, int count, int timeout);

    [LibraryImport("libc")]
    public static partial int poll(PollFd* fds, nuint count, int timeout);

    [LibraryImport("libc")]
    public static partial byte* mmap(void* address, nuint length, int protection, int flags, int fd, long offset);

    [LibraryImport("libc")]
    public static partial int mprotect(void* address, nuint length, int protection);

    [LibraryImport("libc")]
    public static partial int sigaction(int signal, void* action, void* old);

    [LibraryImport("libc")]
    public static partial int munmap(void* address, nuint length);

    [LibraryImport("libc")]
    public static partial int socket(int domain, int type, int protocol);

    [LibraryImport("libc")]
    public static partial int bind(int socket, void* address, uint length);

    [LibraryImport("libc")]
    public static partial int connect(int socket, void* address, uint length);

    [LibraryImport("libc")]
    public static partial int listen(int socket, int backlog);

    [LibraryImport("libc")]
    public static partial int accept4(int socket, void* address, void* length, int flags);

    [LibraryImport("libc")]
    public static partial int getsockopt(int socket, int level, int name, void* value, uint* length);

    [LibraryImport("libc")]
    public static partial nint recvmsg(int socket, void* message, int flags);

    [LibraryImport("libc")]
    public static partial nint sendmsg(int socket, void* message, int flags);

    [LibraryImport("libc")]
    public static partial int unlinkat(int directory, byte* path, int flags);

    [LibraryImport("libc")]
    public static partial nint readlinkat(int directory, byte* path, byte* buffer, nuint size);

    [LibraryImport("libc")]
    public static partial uint geteuid();

    [LibraryImport("libc")]
    public static partial uint getegid();

    [LibraryImport("libc")]
    public static partial int chroot(byte* path);

    [LibraryImport("libc")]
    public static partial int getrlimit(int resource, ulong* limit);

    [LibraryImport("libc")]
    public static partial int setrlimit(int resource, ulong* limit);

    [LibraryImport("libc")]
    public static partial void _exit(int status);

    /// <summary>struct pollfd.</summary>
    public struct PollFd(int fd, short events)
    {
        public int Fd = fd;
        public short Events = events;
        public short Returned = 0;
    }
}
