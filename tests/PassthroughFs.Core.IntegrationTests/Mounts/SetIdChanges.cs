using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.IntegrationTests.Platform;

namespace PassthroughFs.Core.IntegrationTests.Mounts;

/// <summary>A change to a file. Make gets the file's path and that of another file that may be read.</summary>
internal sealed record SetIdChange(string Name, Func<string, string, Errno> Make)
{
    public bool IsMapped => Name.Contains("mapping", StringComparison.Ordinal);

    public bool IsChown => Name.StartsWith("ch", StringComparison.Ordinal);

    public bool IsWrite => Name.Contains("write", StringComparison.Ordinal) ||
        Name.Contains("append", StringComparison.Ordinal);
}

/// <summary>Every change to a file that may cost it its set-id bits, by name.</summary>
internal static unsafe class SetIdChanges
{
    private const int Page = 4096;
    private const int KeepSize = 1, PunchHole = 2, ZeroRange = 16;

    public static IReadOnlyList<SetIdChange> All { get; } =
    [
        new("write", (path, _) => With(path, Linux.O_WRONLY, fd => Write(fd, 0))),
        new("append", (path, _) => With(path, Linux.O_WRONLY | Linux.O_APPEND, fd => Write(fd, null))),
        new("two writes", (path, _) => With(
            path, Linux.O_RDWR, fd => Write(fd, 0) is var result && result == Errno.OK ? Write(fd, Page) : result)),
        new("direct write", (path, _) => With(path, Linux.O_WRONLY | Linux.O_DIRECT, fd => Write(fd, 0))),
        new("direct append", (path, _) => With(
            path, Linux.O_WRONLY | Linux.O_DIRECT | Linux.O_APPEND, fd => Write(fd, null))),
        new("store to a mapping", (path, _) => With(path, Linux.O_RDWR, Store)),
        new("truncate", (path, _) => Result(Native.Truncate(Bytes.Z(path), 5))),
        new("truncate to more", (path, _) => Result(Native.Truncate(Bytes.Z(path), 1 << 20))),
        new("ftruncate", (path, _) => With(path, Linux.O_WRONLY, fd => Result(Native.FTruncate(fd, 5)))),
        new("direct ftruncate", (path, _) => With(
            path, Linux.O_WRONLY | Linux.O_DIRECT, fd => Result(Native.FTruncate(fd, 5)))),
        new("O_TRUNC", (path, _) => With(path, Linux.O_WRONLY | Linux.O_TRUNC, _ => Errno.OK)),
        new("O_TRUNC for reading", (path, _) => With(path, Linux.O_RDONLY | Linux.O_TRUNC, _ => Errno.OK)),
        new("O_CREAT, O_TRUNC", (path, _) => With(
            path, Linux.O_RDWR | Linux.O_CREAT | Linux.O_TRUNC, _ => Errno.OK)),
        new("fallocate", (path, _) => Allocate(path, 0, 0)),
        new("direct fallocate", (path, _) => Allocate(path, 0, Linux.O_DIRECT)),
        new("fallocate, keep size", (path, _) => Allocate(path, KeepSize, 0)),
        new("punch hole", (path, _) => Allocate(path, KeepSize | PunchHole, 0)),
        new("direct punch hole", (path, _) => Allocate(path, KeepSize | PunchHole, Linux.O_DIRECT)),
        new("zero range", (path, _) => Allocate(path, ZeroRange, 0)),
        new("copy_file_range", (path, other) => Copy(path, other, 0)),
        new("direct copy_file_range", (path, other) => Copy(path, other, Linux.O_DIRECT)),
        new("chgrp to one's own group", (path, _) => Chown(path, uint.MaxValue, Native.GetEGid())),
        new("chown to oneself", (path, _) => Chown(path, Native.GetEUid(), uint.MaxValue)),
        new("chmod g+s", (path, _) => Result(Native.Chmod(Bytes.Z(path), 0x5B6))),
        new("chmod g+xs", (path, _) => Result(Native.Chmod(Bytes.Z(path), 0x5FF))),
    ];

    private static Errno Result(nint result) => result < 0 ? (Errno)Marshal.GetLastPInvokeError() : Errno.OK;

    private static Errno With(string path, uint flags, Func<int, Errno> make)
    {
        int fd = Native.Open(Bytes.Z(path), (int)(flags | Linux.O_CLOEXEC), 0x1B6);
        if (fd < 0)
        {
            return Result(fd);
        }

        Errno result = make(fd);
        int closed = Native.Close(fd);
        return result == Errno.OK ? Result(closed) : result;
    }

    private static Errno Write(int fd, long? offset)
    {
        using var buffer = new AlignedBuffer(Page);
        buffer.Span.Fill((byte)'w');
        fixed (byte* data = buffer.Span)
        {
            return Result(offset is { } at ? Native.PWrite(fd, data, Page, at) : Native.Write(fd, data, Page));
        }
    }

    private static Errno Store(int fd)
    {
        byte* memory = Native.MMap(0, Page, Native.PROT_READ | Native.PROT_WRITE, Native.MAP_SHARED, fd, 0);
        if (memory == (byte*)-1)
        {
            return (Errno)Marshal.GetLastPInvokeError();
        }

        *memory = (byte)'m';
        Errno result = Result(Native.MSync(memory, Page, Native.MS_SYNC));
        _ = Native.MUnmap(memory, Page);
        return result;
    }

    private static Errno Allocate(string path, int mode, uint flags) => With(
        path, Linux.O_RDWR | flags, fd => Result(Native.FAllocate(fd, mode, Page, mode == 0 ? 64 * Page : Page)));

    private static Errno Copy(string path, string other, uint flags) => With(
        path, Linux.O_WRONLY | flags, fd => With(other, Linux.O_RDONLY, from =>
        {
            long at = 0, to = 0;
            return Result(Native.CopyFileRange(from, &at, fd, &to, Page, 0));
        }));

    private static Errno Chown(string path, uint uid, uint gid) => Result(Native.LChown(Bytes.Z(path), uid, gid));
}
