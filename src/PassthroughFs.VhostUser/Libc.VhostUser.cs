using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Shared;

/// <summary>What this package takes besides: sockets that listen, events, seals.</summary>
internal static unsafe partial class Libc
{
    public const int SO_ACCEPTCONN = 30;
    public const int MSG_CTRUNC = 0x08;
    public const int MSG_DONTWAIT = 0x40;
    public const int F_GETFL = 3;
    public const int F_SETFL = 4;
    public const int F_ADD_SEALS = 1033;
    public const int F_SEAL_SHRINK = 2;
    public const int EPOLL_CLOEXEC = 0x80000;
    public const int EPOLL_CTL_ADD = 1;
    public const uint EPOLLIN = 1;
    public const uint EPOLLET = 1u << 31;
    public const short POLLHUP = 0x10;
    public const int MAP_SHARED = 1;
    public const int MAP_NORESERVE = 0x4000;
    public const Errno ECONNREFUSED = (Errno)111;
    private const int EFD_CLOEXEC = 0x80000;
    private const int EFD_NONBLOCK = 0x800;

    /// <summary>An eventfd; invalid if the system gives none.</summary>
    public static SafeFileHandle NewEvent() => Own(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));

    /// <summary>Adds 1 to an eventfd.</summary>
    public static bool Signal(int eventFd)
    {
        ulong one = 1;
        return write(eventFd, (byte*)&one, sizeof(ulong)) == sizeof(ulong); // SAFETY: 8 bytes of this frame.
    }

    [LibraryImport("libc")]
    private static partial int eventfd(uint initial, int flags);

    [LibraryImport("libc")]
    public static partial int epoll_create1(int flags);

    [LibraryImport("libc")]
    public static partial int epoll_ctl(int epoll, int operation, int fd, void* @event);

    [LibraryImport("libc")]
    public static partial int epoll_wait(int epoll, void* events, int count, int timeout);

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
    public static partial int unlinkat(int directory, byte* path, int flags);

    [LibraryImport("libc")]
    public static partial nint readlinkat(int directory, byte* path, byte* buffer, nuint size);
}
