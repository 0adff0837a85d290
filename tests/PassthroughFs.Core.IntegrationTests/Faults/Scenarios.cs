using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Posix;
using Xunit;
using static PassthroughFs.Core.Api.Linux;

namespace PassthroughFs.Core.IntegrationTests.Faults;

/// <summary>
/// What a program does to the file "f", 128 KiB long when all goes well, and what each of its calls says: the words by
/// which a mount is compared with the bare directory.
/// </summary>
internal static unsafe class Scenarios
{
    public const int Size = 128 << 10;
    public const int Half = Size / 2;

    /// <summary>What is written.</summary>
    public static byte[] Content { get; } = Bytes.Pattern(Size);

    /// <summary>Each by its name.</summary>
    public static IReadOnlyDictionary<string, Func<IPosix, string>> All { get; } =
        new Dictionary<string, Func<IPosix, string>>
        {
            ["write"] = p => Write(p, 0),
            ["append"] = p => Write(p, O_APPEND),
            ["direct"] = p => Write(p, O_DIRECT),
            ["write and close"] = p => WriteAndClose(p, 0),
            ["mapping"] = p => Map(p, true),
            ["mapping and close"] = p => Map(p, false),
            ["copy"] = Copy,
            ["fallocate"] = p => Change(p, (p, fd) => p.FAllocate(fd, 0, 0, Size)),
            ["punch"] = p => Change(p, (p, fd) => p.FAllocate(fd, 3, 0, Size)),
            ["truncate"] = p => Change(p, (p, fd) => p.FTruncate(fd, Size)),
        };

    private static int Open(IPosix p, uint flags = 0) => p.MustOpen("f", O_RDWR | O_CREAT | flags, 0x1A4);

    private static string Write(IPosix p, uint flags)
    {
        int fd = Open(p, flags);
        return $"{WriteAll(p, fd)}, {End(p, fd)}";
    }

    private static string WriteAndClose(IPosix p, uint flags)
    {
        int fd = Open(p, flags);
        return $"{WriteAll(p, fd)}, close {p.Close(fd)}";
    }

    private static string WriteAll(IPosix p, int fd)
    {
        using var buffer = new AlignedBuffer(Size);
        Content.CopyTo(buffer.Span);
        Errno errno = p.Write(fd, buffer.Span, out int count);
        return $"write {errno} {count}";
    }

    private static string Copy(IPosix p)
    {
        int from = p.MustOpen("from", O_RDONLY);
        int fd = Open(p);
        Errno errno = p.CopyFileRange(from, 0, fd, 0, Size, out long count);
        p.Close(from).IsOk();
        return $"copy {errno} {Math.Max(0, count)}, {End(p, fd)}";
    }

    private static string Change(IPosix p, Func<IPosix, int, Errno> change)
    {
        int fd = Open(p);
        Errno errno = change(p, fd);
        return $"{errno}, {End(p, fd)}";
    }

    private static string Map(IPosix p, bool sync)
    {
        int fd = Open(p);
        if (!sync)
        {
            _ = Store(p, fd, Content, sync: false);
            return $"close {p.Close(fd)}";
        }

        return $"msync {Store(p, fd, Content)}, {End(p, fd)}";
    }

    /// <summary>Makes a file as long as the data, stores them through a mapping, and says what msync said.</summary>
    public static Errno Store(IPosix p, int fd, ReadOnlySpan<byte> data, bool sync = true)
    {
        p.FTruncate(fd, data.Length).IsOk();
        nuint size = (nuint)data.Length;
        byte* memory = Native.MMap(0, size, Native.PROT_READ | Native.PROT_WRITE, Native.MAP_SHARED, fd, 0);
        Assert.NotEqual(-1, (nint)memory);
        data.CopyTo(new Span<byte>(memory, data.Length));
        Errno errno = !sync || Native.MSync(memory, size, Native.MS_SYNC) == 0
            ? Errno.OK
            : (Errno)Marshal.GetLastPInvokeError();
        Assert.Equal(0, Native.MUnmap(memory, size));
        return errno;
    }

    private static string End(IPosix p, int fd) =>
        $"fsync {p.FSync(fd, false)}, again {p.FSync(fd, true)}, close {p.Close(fd)}";
}
