using System;
using System.Collections.Generic;
using System.Linq;
using PassthroughFs.Core.Api;
using Xunit;
using static PassthroughFs.Core.Api.Linux;
using static PassthroughFs.Core.IntegrationTests.Posix.Octal;

namespace PassthroughFs.Core.IntegrationTests.Posix;

/// <summary>What tests do all the time, with success asserted.</summary>
internal static class PosixExtensions
{
    public static void IsOk(this Errno errno) => Assert.Equal(Errno.OK, errno);

    public static void Is(this Errno errno, Errno expected) => Assert.Equal(expected, errno);

    public static int MustOpen(this IPosix p, PosixPath path, uint flags, uint mode = 0)
    {
        p.Open(path, flags, mode, out int fd).IsOk();
        return fd;
    }

    public static void WriteFile(this IPosix p, PosixPath path, ReadOnlySpan<byte> content, int mode = 644)
    {
        int fd = p.MustOpen(path, O_WRONLY | O_CREAT | O_TRUNC, O(mode));
        p.MustWrite(fd, content);
        p.Close(fd).IsOk();
    }

    public static void MustWrite(this IPosix p, int fd, ReadOnlySpan<byte> content)
    {
        p.Write(fd, content, out int count).IsOk();
        Assert.Equal(content.Length, count);
    }

    public static byte[] ReadFile(this IPosix p, PosixPath path)
    {
        int fd = p.MustOpen(path, O_RDONLY);
        byte[] content = p.ReadAll(fd);
        p.Close(fd).IsOk();
        return content;
    }

    public static byte[] ReadAll(this IPosix p, int fd)
    {
        var content = new List<byte>();
        byte[] buffer = new byte[65536];
        while (true)
        {
            p.PRead(fd, buffer, content.Count, out int count).IsOk();
            if (count == 0)
            {
                return [.. content];
            }

            content.AddRange(buffer.AsSpan(0, count));
        }
    }

    public static FileStat Stat(this IPosix p, PosixPath path)
    {
        p.LStat(path, out FileStat stat).IsOk();
        return stat;
    }

    public static FileStat Stat(this IPosix p, int fd)
    {
        p.FStat(fd, out FileStat stat).IsOk();
        return stat;
    }

    public static bool Exists(this IPosix p, PosixPath path)
    {
        Errno errno = p.LStat(path, out _);
        Assert.Contains(errno, new[] { Errno.OK, Errno.ENOENT });
        return errno == Errno.OK;
    }

    /// <summary>Every entry, "." and ".." included, read with buffers of one size.</summary>
    public static List<DirEntry> ListAll(this IPosix p, PosixPath path, int bufferSize = 32768)
    {
        int fd = p.MustOpen(path, O_RDONLY | O_DIRECTORY);
        List<DirEntry> all = p.Rest(fd, bufferSize);
        p.Close(fd).IsOk();
        return all;
    }

    /// <summary>What an open directory has left.</summary>
    public static List<DirEntry> Rest(this IPosix p, int fd, int bufferSize = 32768)
    {
        var all = new List<DirEntry>();
        while (true)
        {
            p.ReadDir(fd, bufferSize, out IReadOnlyList<DirEntry> some).IsOk();
            if (some.Count == 0)
            {
                return all;
            }

            all.AddRange(some);
        }
    }

    /// <summary>The names in a directory, sorted, without "." and "..".</summary>
    public static string[] Names(this IPosix p, PosixPath path) =>
        [.. p.ListAll(path).Where(entry => !entry.IsDot).Select(entry => entry.Text).Order(StringComparer.Ordinal)];

    public static byte[]? Xattr(this IPosix p, PosixPath path, string name)
    {
        byte[] buffer = new byte[XATTR_SIZE_MAX];
        Errno errno = p.GetXattr(path, name, buffer, out int size);
        Assert.Contains(errno, new[] { Errno.OK, Errno.ENODATA });
        return errno == Errno.OK ? buffer[..size] : null;
    }
}
