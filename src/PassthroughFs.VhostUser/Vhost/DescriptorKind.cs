using System;
using Microsoft.Win32.SafeHandles;
using PassthroughFs.Shared;

namespace PassthroughFs.VhostUser;

/// <summary>
/// What a front end's descriptors are, found out without reading, writing or seeking: each of these may wait for ever
/// on a descriptor of another kind than the one that is asked for, and with it the one thread that listens.
/// </summary>
internal static unsafe class DescriptorKind
{
    private const uint S_IFREG = 0x8000;
    private const int O_NONBLOCK = 0x800;
    private const int AT_EMPTY_PATH = 0x1000;
    private const int AT_STATX_DONT_SYNC = 0x4000;
    private const uint STATX_TYPE = 1;
    private const uint STATX_SIZE = 0x200;
    private const int StatxBytes = 256, ModeOffset = 28, SizeOffset = 40;

    private static readonly SafeFileHandle s_own = OpenOwn();

    /// <summary>
    /// Opens the directory of this process's descriptors, while there is a <c>/proc</c> to find it in.
    /// </summary>
    /// <exception cref="VhostUserException">There is none.</exception>
    public static void Prepare()
    {
        if (s_own.IsInvalid)
        {
            throw new VhostUserException("/proc/self/fd cannot be opened: mount proc at /proc", VhostUserFault.System);
        }
    }

    /// <summary>
    /// Whether a descriptor is an eventfd. One that is becomes non-blocking for everybody who has it: a counter that
    /// the front end has filled up must not stop the queue that calls.
    /// </summary>
    public static bool IsEvent(SafeFileHandle fd)
    {
        ReadOnlySpan<byte> wanted = "anon_inode:[eventfd]"u8;
        byte* target = stackalloc byte[64];
        fixed (byte* name = Libc.CString($"{Libc.Number(fd)}"))
        {
            // SAFETY: the name is pinned and ends with NUL; the kernel writes at most the 64 bytes of this frame.
            nint length = Libc.readlinkat(Libc.Number(s_own), name, target, 64);
            if (length < 0 || !new ReadOnlySpan<byte>(target, (int)length).SequenceEqual(wanted))
            {
                return false;
            }
        }

        int flags = Libc.fcntl(Libc.Number(fd), Libc.F_GETFL, 0);
        return flags >= 0
            && ((flags & O_NONBLOCK) != 0 || Libc.fcntl(Libc.Number(fd), Libc.F_SETFL, flags | O_NONBLOCK) == 0);
    }

    /// <summary>Whether a descriptor is a socket.</summary>
    public static bool IsSocket(SafeFileHandle fd) =>
        TryStat(fd, out uint mode, out _) && (mode & Libc.S_IFMT) == Libc.S_IFSOCK;

    /// <summary>Whether a descriptor is a regular file, as all shared memory is, and how many bytes it has.</summary>
    public static bool IsMemory(SafeFileHandle fd, out ulong size) =>
        TryStat(fd, out uint mode, out size) && (mode & Libc.S_IFMT) == S_IFREG;

    // What the client of a remote file system knows without asking: that one may hang.
    private static bool TryStat(SafeFileHandle fd, out uint mode, out ulong size)
    {
        byte empty = 0;
        byte* buffer = stackalloc byte[StatxBytes];

        // SAFETY: the path is an empty string of this frame, the buffer as large as the kernel's struct statx.
        int result = Libc.statx(
            Libc.Number(fd), &empty, AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_SIZE, buffer);
        mode = result == 0 ? *(ushort*)(buffer + ModeOffset) : 0u;
        size = result == 0 ? *(ulong*)(buffer + SizeOffset) : 0;
        return result == 0;
    }

    private static SafeFileHandle OpenOwn()
    {
        fixed (byte* path = "/proc/self/fd\0"u8)
        {
            // SAFETY: the path is pinned and ends with NUL.
            return Libc.Own(Libc.open(path, Libc.O_PATH | Libc.O_CLOEXEC));
        }
    }
}
