using System.Collections.Generic;

namespace PassthroughFs.Core.Passthrough;

/// <summary>What is saved of a file system's nodes, and read again by its successor.</summary>
internal sealed class NodeState
{
    /// <summary>The mounts; the first is the root's.</summary>
    public List<SavedHostMount> Mounts { get; } = [];

    /// <summary>The next NodeId that is counted.</summary>
    public ulong NextNode { get; set; }

    /// <summary>The next virtual inode number, where NodeIds are made from the host's numbers.</summary>
    public ulong NextVirtualIno { get; set; }

    /// <summary>The pairs of device and mount that NodeIds are made with, by number from 1 on.</summary>
    public List<(ulong Dev, ulong Mnt)> Pairs { get; } = [];

    /// <summary>The devices below the root that have a number (<see cref="ShownNumbers"/>).</summary>
    public List<(ulong Device, int Number)> Devices { get; } = [];

    /// <summary>
    /// The inodes, forgotten first first. <see cref="RememberedInode.Mount"/> is an index into <see cref="Mounts"/>.
    /// </summary>
    public List<RememberedInode> Inodes { get; } = [];
}

/// <summary>A mount, and the number that the kernel had given it.</summary>
internal readonly record struct SavedHostMount(HostMount Host, ulong MountId);
