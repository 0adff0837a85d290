using System;

namespace PassthroughFs.Core.Api;

/// <summary>How to release, with FUSE's numbers.</summary>
[Flags]
public enum ReleaseFlags : uint
{
    /// <summary>Nothing special.</summary>
    None = 0,

    /// <summary>Flush as well.</summary>
    FUSE_RELEASE_FLUSH = 1 << 0,

    /// <summary>Release the owner's flock lock.</summary>
    FUSE_RELEASE_FLOCK_UNLOCK = 1 << 1,
}

/// <summary>The last use of an open file or directory.</summary>
public struct ReleaseRequest
{
    /// <summary>The open file's flags (<see cref="Linux"/>).</summary>
    public uint Flags;

    /// <summary>FUSE's own flags.</summary>
    public ReleaseFlags ReleaseFlags;

    /// <summary>Whose locks go; 0 if the client did not say.</summary>
    public LockOwner LockOwner;
}
