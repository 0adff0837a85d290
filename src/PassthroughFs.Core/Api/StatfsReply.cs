namespace PassthroughFs.Core.Api;

/// <summary>What <c>statfs</c> shows of a file system.</summary>
public struct StatfsReply
{
    /// <summary>Total blocks, in units of <see cref="Frsize"/> bytes.</summary>
    public ulong Blocks;

    /// <summary>Free blocks.</summary>
    public ulong Bfree;

    /// <summary>Free blocks for ordinary users.</summary>
    public ulong Bavail;

    /// <summary>Total inodes.</summary>
    public ulong Files;

    /// <summary>Free inodes.</summary>
    public ulong Ffree;

    /// <summary>Preferred block size, in bytes.</summary>
    public uint Bsize;

    /// <summary>The longest name, in bytes.</summary>
    public uint Namelen;

    /// <summary>Unit of the block counts, in bytes.</summary>
    public uint Frsize;
}
