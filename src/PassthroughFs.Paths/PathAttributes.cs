using System;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Paths;

/// <summary>
/// Attributes for <see cref="PathFileSystem.GetAttributes"/> and listings. Of a <see cref="NodeAttributes"/> that is
/// filled in by hand <see cref="NodeAttributes.Mode"/> has to have a type; <see cref="NodeAttributes.Ino"/> is filled
/// in.
/// </summary>
public static class PathAttributes
{
    private const uint ReadWrite = 0b110_100_100;
    private const uint ReadWriteSearch = 0b111_101_101;
    private const uint All = 0b111_111_111;
    private const ulong BlockBytes = 512;

    /// <summary>A directory's.</summary>
    /// <param name="permissions">The twelve bits of its mode; rwxr-xr-x without.</param>
    /// <param name="modified">When something was made or removed in it; the start of 1970 without.</param>
    public static NodeAttributes Directory(uint permissions = ReadWriteSearch, DateTimeOffset modified = default) =>
        Make(Linux.S_IFDIR, permissions, 0, modified);

    /// <summary>A regular file's.</summary>
    /// <param name="size">Its size in bytes.</param>
    /// <param name="permissions">The twelve bits of its mode; rw-r--r-- without.</param>
    /// <param name="modified">When its content changed; the start of 1970 without.</param>
    public static NodeAttributes File(long size, uint permissions = ReadWrite, DateTimeOffset modified = default) =>
        Make(Linux.S_IFREG, permissions, size, modified);

    /// <summary>A symbolic link's.</summary>
    /// <param name="size">The length of its target in bytes.</param>
    /// <param name="modified">When it was made; the start of 1970 without.</param>
    public static NodeAttributes SymbolicLink(long size, DateTimeOffset modified = default) =>
        Make(Linux.S_IFLNK, All, size, modified);

    /// <summary>A time as the client wants it. What is before 1970 is 1970.</summary>
    /// <param name="time">The time.</param>
    public static Timestamp Time(DateTimeOffset time)
    {
        long ticks = Math.Max(0, time.UtcTicks - DateTimeOffset.UnixEpoch.Ticks);
        return new Timestamp(ticks / TimeSpan.TicksPerSecond, (uint)(ticks % TimeSpan.TicksPerSecond) * 100);
    }

    private static NodeAttributes Make(uint type, uint permissions, long size, DateTimeOffset modified)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(size);
        Timestamp time = Time(modified);
        return new NodeAttributes
        {
            Mode = type | (permissions & ~Linux.S_IFMT),
            Size = (ulong)size,
            Blocks = ((ulong)size + BlockBytes - 1) / BlockBytes,
            Nlink = 1,
            Atime = time,
            Mtime = time,
            Ctime = time,
        };
    }
}
