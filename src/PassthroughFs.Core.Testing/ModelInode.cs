using System;
using System.Collections.Generic;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Testing;

/// <summary>An inode of the model of a file system.</summary>
internal sealed class ModelInode(uint type, uint mode)
{
    /// <summary>S_IFREG, S_IFDIR, …</summary>
    public uint Type => type;

    public uint Mode { get; set; } = mode;

    /// <summary>How many names it has: 0 once it is deleted.</summary>
    public int Links { get; set; } = 1;

    public byte[] Content { get; set; } = [];

    public string Target { get; init; } = "";

    /// <summary>A directory's names.</summary>
    public SortedDictionary<string, ModelInode> Names { get; } = new(StringComparer.Ordinal);

    /// <summary>The directory a directory is in.</summary>
    public ModelInode? Parent { get; set; }

    /// <summary>The NodeId it has, or had when it was last held.</summary>
    public NodeId Node { get; set; }

    /// <summary>The generation that came with it.</summary>
    public ulong Generation { get; set; }

    /// <summary>How many lookups the client holds.</summary>
    public ulong Lookups { get; set; }

    /// <summary>It was forgotten while it had a name.</summary>
    public bool IsRemembered { get; set; }

    public bool IsDirectory => type == Linux.S_IFDIR;

    public bool IsFile => type == Linux.S_IFREG;

    public bool IsSymlink => type == Linux.S_IFLNK;

    /// <summary>Whether it is <paramref name="other"/> or a directory above it.</summary>
    public bool IsAtOrAbove(ModelInode other)
    {
        for (ModelInode? inode = other; inode is not null; inode = inode.Parent)
        {
            if (inode == this)
            {
                return true;
            }
        }

        return false;
    }
}
