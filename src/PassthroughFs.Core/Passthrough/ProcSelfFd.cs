using System;
using System.Buffers.Text;
using System.IO;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;

namespace PassthroughFs.Core.Passthrough;

/// <summary>
/// An open <c>/proc/self/fd</c>: the way from an O_PATH file descriptor to one that reads and writes, without a name
/// that somebody could change.
/// </summary>
internal sealed unsafe class ProcSelfFd : IDisposable
{
    /// <summary>Room for a file descriptor's number with its NUL, and for "/proc/self/fd/" before it.</summary>
    public const int PathSize = 32;

    private int _fd;

    public ProcSelfFd()
    {
        fixed (byte* path = "/proc/self/fd\0"u8)
        {
            _fd = Sys.OpenAt(
                Constants.AT_FDCWD, path, Linux.O_PATH | Linux.O_DIRECTORY | Linux.O_NOFOLLOW | Linux.O_CLOEXEC);
        }

        if (_fd < 0)
        {
            throw new IOException(
                $"/proc/self/fd cannot be opened ({(Errno)(-_fd)}): mount proc at /proc where this process runs.");
        }
    }

    public int Fd => _fd;

    /// <summary>Opens what <paramref name="fd"/> refers to once more. Returns an fd, or the error negated.</summary>
    public int Reopen(int fd, uint flags)
    {
        byte* name = stackalloc byte[PathSize];
        Format(fd, name);

        // The link in /proc must be followed; what it leads to is no name any more, so nothing else is.
        return Sys.OpenAt(_fd, name, (flags | Linux.O_CLOEXEC) & ~Linux.O_NOFOLLOW);
    }

    /// <summary>
    /// Reads the path of what <paramref name="fd"/> refers to. Returns its length, or the error negated: ENAMETOOLONG
    /// for one that is not shorter than PATH_MAX, for which there must be room.
    /// </summary>
    public int ReadLink(int fd, byte* target)
    {
        byte* name = stackalloc byte[PathSize];
        Format(fd, name);
        int length = Sys.ReadLinkAt(_fd, name, target, Linux.PATH_MAX);
        return length == Linux.PATH_MAX ? -(int)Errno.ENAMETOOLONG : length;
    }

    /// <summary>Puts the name below this directory with a NUL into <paramref name="name"/>.</summary>
    public static void Format(int fd, byte* name)
    {
        // Sound: a number of 32 bits has at most 10 digits.
        Utf8Formatter.TryFormat(fd, new Span<byte>(name, PathSize - 1), out int length);
        name[length] = 0;
    }

    /// <summary>
    /// Puts the whole path with a NUL into <paramref name="path"/>, for the calls that take no directory descriptor.
    /// </summary>
    public static void FormatPath(int fd, byte* path)
    {
        ReadOnlySpan<byte> prefix = "/proc/self/fd/"u8;
        var target = new Span<byte>(path, PathSize);
        prefix.CopyTo(target);

        // Sound: 14 bytes of prefix and at most 10 digits.
        Utf8Formatter.TryFormat(fd, target[prefix.Length..], out int length);
        path[prefix.Length + length] = 0;
    }

    public void Dispose()
    {
        if (_fd >= 0)
        {
            _ = Sys.Close(_fd);
            _fd = -1;
        }
    }
}
