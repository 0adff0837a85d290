using System;

namespace PassthroughFs.Paths;

/// <summary>What a <see cref="PathFileSystem"/> promises its client, and what the client can make it keep.</summary>
public sealed record PathFileSystemOptions
{
    /// <summary>How long the client may take a name for granted. A second without.</summary>
    public TimeSpan EntryTimeout { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How long the client may take attributes for granted. A second without.</summary>
    public TimeSpan AttributesTimeout { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How long the client may take it for granted that there is no such name. Not at all without.</summary>
    public TimeSpan NegativeTimeout { get; init; }

    /// <summary>The owner that everything has, whatever attributes say; theirs without.</summary>
    public uint? Uid { get; init; }

    /// <summary>The group that everything has, whatever attributes say; theirs without.</summary>
    public uint? Gid { get; init; }

    /// <summary>
    /// How many paths the client may know at once: a lookup beyond is ENOMEM. Each costs about 200 bytes, its
    /// name, and from its first use on its path as well.
    /// </summary>
    public int MaxNodes { get; init; } = 1_000_000;

    /// <summary>How many files and directories the client may have open at once: an open beyond is ENFILE.</summary>
    public int MaxOpenFiles { get; init; } = 65_536;

    /// <summary>
    /// How many names the listings of all open directories may have together: to read one beyond is ENOMEM. Each costs
    /// about 150 bytes and the name.
    /// </summary>
    public int MaxListedNames { get; init; } = 1_000_000;
}
