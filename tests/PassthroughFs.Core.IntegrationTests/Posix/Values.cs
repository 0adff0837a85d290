using System;
using System.Linq;
using System.Text;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.IntegrationTests.Posix;

/// <summary>A path below the root of a way in: bytes, written as text where they are text.</summary>
public readonly record struct PosixPath(byte[] Bytes)
{
    public static implicit operator PosixPath(string text) => new(Encoding.UTF8.GetBytes(text));

    public static implicit operator PosixPath(byte[] bytes) => new(bytes);

    public override string ToString() => Encoding.Latin1.GetString(Bytes);
}

/// <summary>Who makes a call.</summary>
public sealed record Caller(uint Uid, uint Gid, params uint[] Groups)
{
    public static Caller Root { get; } = new(0, 0);

    /// <summary>Somebody with no rights of their own.</summary>
    public static Caller Somebody { get; } = new(65533, 65532);
}

/// <summary>A time with nanoseconds.</summary>
public readonly record struct PosixTime(long Seconds, uint Nanoseconds)
{
    /// <summary>utimensat's UTIME_NOW.</summary>
    public static PosixTime Now => new(0, (1u << 30) - 1);

    /// <summary>utimensat's UTIME_OMIT.</summary>
    public static PosixTime Omit => new(0, (1u << 30) - 2);

    public bool IsNow => this == Now;

    public bool IsOmit => this == Omit;
}

/// <summary>What <c>stat</c> tells.</summary>
public sealed record FileStat(
    ulong Ino, uint Mode, uint Nlink, uint Uid, uint Gid, ulong Size, ulong Blocks, uint Rdev, PosixTime Atime,
    PosixTime Mtime, PosixTime Ctime)
{
    /// <summary>Permission and set-id bits.</summary>
    public uint Permissions => Mode & Linux.ModeBits;

    /// <summary>The file type bits.</summary>
    public uint Kind => Mode & Linux.S_IFMT;
}

/// <summary>One directory entry; its cookie says where to go on after it.</summary>
public sealed record DirEntry(ulong Ino, long Cookie, byte Kind, byte[] Name)
{
    public string Text => Encoding.UTF8.GetString(Name);

    public bool IsDot => Name.SequenceEqual("."u8.ToArray()) || Name.SequenceEqual(".."u8.ToArray());
}

/// <summary>What <c>statfs</c> tells.</summary>
public sealed record FileSystemStat(ulong BlockSize, ulong Blocks, ulong Free, ulong Files, ulong NameMax);
