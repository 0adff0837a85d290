namespace PassthroughFs.Core.Passthrough;

/// <summary>An inode that an <see cref="InodeStore"/> shall keep.</summary>
public struct NewInode
{
    /// <summary>The host's identity of it.</summary>
    public InodeKey Key;

    /// <summary>Birth time in nanoseconds since 1970, 0 where the host's file system has none.</summary>
    public ulong Birth;

    /// <summary>How it is found again without <see cref="Fd"/>, or <see cref="KernelHandle.None"/>.</summary>
    public KernelHandle Handle;

    /// <summary>
    /// In the store of a file system: the number of its mount in that file system's table of mounts, where it is counted
    /// once more, or -1; with <see cref="Handle"/> there must be one. A store by itself has no such table, and takes a
    /// handle for a part of the identity alone.
    /// </summary>
    public int Mount;

    /// <summary>An O_PATH file descriptor, or -1 if it is kept by handle. The store closes it.</summary>
    public int Fd;

    /// <summary>The host's <c>st_mode</c>.</summary>
    public uint Mode;
}
