using System;

namespace PassthroughFs.Core.Api;

/// <summary>What a lock does to others. The numbers are Linux's.</summary>
public enum LockType : uint
{
    /// <summary>Others may read-lock the same bytes.</summary>
    F_RDLCK = 0,

    /// <summary>Nobody else may lock any of these bytes.</summary>
    F_WRLCK = 1,

    /// <summary>None: unlocks.</summary>
    F_UNLCK = 2,
}

/// <summary>Of which kind a lock is.</summary>
[Flags]
public enum LockFlags : uint
{
    /// <summary>A POSIX record lock: on a range, owned by the request's <see cref="LockOwner"/>.</summary>
    None = 0,

    /// <summary>flock(2)'s: on the whole file, owned by the open file.</summary>
    FUSE_LK_FLOCK = 1 << 0,
}

/// <summary>An advisory lock on a range of a file.</summary>
public record struct FileLock
{
    /// <summary>The last byte of a lock that reaches to the file's end, wherever that comes to be.</summary>
    public const ulong ToTheEnd = long.MaxValue;

    /// <summary>The first byte.</summary>
    public ulong Start;

    /// <summary>The last byte, at most <see cref="ToTheEnd"/>.</summary>
    public ulong End;

    /// <summary>What it does to others.</summary>
    public LockType Type;

    /// <summary>The client's process that holds or wants it; 0 where it is not known.</summary>
    public uint Pid;
}
