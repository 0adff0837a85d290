using System;

namespace PassthroughFs.Core.Api;

/// <summary>FUSE's own flags of an open-type request, with FUSE's numbers.</summary>
[Flags]
public enum OpenRequestFlags : uint
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>Remove set-user-id, set-group-id and capabilities if the open truncates.</summary>
    FUSE_OPEN_KILL_SUIDGID = 1 << 0,
}

/// <summary>What create and tmpfile shall make.</summary>
public struct CreateRequest
{
    /// <summary>Open flags, Linux's numbers (<see cref="Linux"/>).</summary>
    public uint Flags;

    /// <summary>File type and permission bits as the caller gave them, before the umask.</summary>
    public uint Mode;

    /// <summary>The caller's umask, to be applied by the server.</summary>
    public uint Umask;

    /// <summary>FUSE's own flags.</summary>
    public OpenRequestFlags OpenFlags;
}
