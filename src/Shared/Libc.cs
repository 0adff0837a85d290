using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Shared;

/// <summary>
/// The system calls that .NET has no name for: those that every transport and program needs. All blittable: a call that
/// fails leaves its reason in <see cref="LastError"/>, to be read before anything else is called. A native function is
/// declared once; what only some need is in the folders beside this one, or with who needs it.
/// </summary>
internal static unsafe partial class Libc
{
    public const int O_RDONLY = 0;
    public const int O_WRONLY = 1;
    public const int O_RDWR = 2;
    public const int O_CLOEXEC = 0x80000;
    public const int O_PATH = 0x200000;
    public const int F_GETFD = 1;
    public const int F_SETFD = 2;
    public const int FD_CLOEXEC = 1;
    public const int AT_FDCWD = -100;
    public const uint STATX_TYPE = 1;
    public const uint S_IFMT = 0xF000;
    public const uint S_IFDIR = 0x4000;
    public const uint S_IFSOCK = 0xC000;
    public const int AF_UNIX = 1;
    public const int SOCK_STREAM = 1;
    public const int SOCK_CLOEXEC = 0x80000;
    public const int SOL_SOCKET = 1;
    public const int SCM_RIGHTS = 1;
    public const int MSG_CMSG_CLOEXEC = 0x40000000;
    public const int MSG_NOSIGNAL = 0x4000;
    public const short POLLIN = 1;
    private const int AT_SYMLINK_NOFOLLOW = 0x100;

    /// <summary>What a socket answers when the other side has gone with something unread.</summary>
    public const Errno ECONNRESET = (Errno)104;

    /// <summary>Why the call before this one failed on this thread.</summary>
    public static Errno LastError => (Errno)(*__errno_location());

    /// <summary>A string as C wants it: UTF-8 with a NUL behind it.</summary>
    public static byte[] CString(string text) => Encoding.UTF8.GetBytes(text + '\0');

    /// <summary>A descriptor that closes itself.</summary>
    public static SafeFileHandle Own(int fd) => new(fd, ownsHandle: true);

    /// <summary>The number of a descriptor that its owner keeps open for as long as the number is used.</summary>
    public static int Number(SafeFileHandle handle) => (int)handle.DangerousGetHandle();

    /// <summary>The type and access mode of what a path leads to: statx, whose layout is the same everywhere.</summary>
    /// <param name="path">The path.</param>
    /// <param name="mode">Gets them; 0 if there is nothing.</param>
    /// <param name="followLinks">Whether a symbolic link at the end is followed, or is what is looked at.</param>
    public static Errno FileMode(string path, out uint mode, bool followLinks = true)
    {
        const int statxSize = 256, modeOffset = 28;
        byte* buffer = stackalloc byte[statxSize];

        // Sound: the path is pinned and ends with NUL, the buffer is as large as the kernel's struct statx.
        fixed (byte* bytes = CString(path))
        {
            int result = statx(
                AT_FDCWD, bytes, followLinks ? 0 : AT_SYMLINK_NOFOLLOW, STATX_TYPE, buffer);
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
    public static partial int close(int fd);

    [LibraryImport("libc")]
    public static partial int fcntl(int fd, int command, nint argument);

    [LibraryImport("libc")]
    public static partial int poll(PollFd* fds, nuint count, int timeout);

    [LibraryImport("libc")]
    public static partial int statx(int directory, byte* path, int flags, uint mask, byte* buffer);

    [LibraryImport("libc")]
    public static partial byte* mmap(void* address, nuint size, int protection, int flags, int fd, long offset);

    [LibraryImport("libc")]
    public static partial int munmap(void* address, nuint size);

    [LibraryImport("libc")]
    public static partial nint sendmsg(int socket, void* message, int flags);

    [LibraryImport("libc")]
    public static partial nint recvmsg(int socket, void* message, int flags);

    /// <summary>struct pollfd.</summary>
    public struct PollFd(int fd, short events)
    {
        public int Fd = fd;
        public short Events = events;
        public short Returned = 0;
    }
}
