using System;
using System.Collections.Generic;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Vfs;

/// <summary>A directory on the way to mounts.</summary>
internal sealed class PseudoDirectory
{
    /// <summary>Its NodeId, which is its inode number as well.</summary>
    public required ulong Node { get; init; }

    /// <summary>The directory that it is in; the root is in itself.</summary>
    public required ulong Parent { get; init; }

    /// <summary>When a name in it came or went.</summary>
    public required Timestamp Changed { get; init; }

    /// <summary>By <see cref="PseudoChild.Serial"/>, so that a listing goes on where it was whatever comes and goes.</summary>
    public PseudoChild[] Children { get; set; } = [];

    public PseudoChild? Find(ReadOnlySpan<byte> name)
    {
        foreach (PseudoChild child in Children)
        {
            if (name.SequenceEqual(child.Name))
            {
                return child;
            }
        }

        return null;
    }
}

/// <summary>A name in a pseudo directory.</summary>
/// <param name="Name">The name.</param>
/// <param name="Serial">Its place in listings, and its cookie.</param>
/// <param name="Directory">What it stands for: a directory,</param>
/// <param name="Mount">or a mount.</param>
internal sealed record PseudoChild(byte[] Name, ulong Serial, PseudoDirectory? Directory, MountSlot? Mount);

/// <summary>The directories down to the mounts, as they are at one moment.</summary>
internal sealed class PseudoTree
{
    private readonly Dictionary<ulong, PseudoDirectory> _directories = [];

    public PseudoDirectory? Find(ulong node) => _directories.GetValueOrDefault(node);

    public void Add(PseudoDirectory directory) => _directories.Add(directory.Node, directory);
}
