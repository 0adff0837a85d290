using System.Collections.Generic;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Passthrough;

/// <summary>What a file system is, for its successor in a live upgrade.</summary>
internal sealed class FileSystemState
{
    /// <summary>What stands for no descriptor.</summary>
    public const int NoFd = -1;

    /// <summary>What was agreed on in INIT.</summary>
    public InitFlags Accepted { get; set; }

    /// <summary>Whether NodeIds are made from the host's numbers.</summary>
    public bool UseHostIno { get; set; }

    /// <summary>Whether the mount is a part of an inode's identity.</summary>
    public bool EnableMntid { get; set; }

    /// <summary>Whether forgotten nodes are opened by their number.</summary>
    public bool ExportSupport { get; set; }

    /// <summary>The next numbers of nodes.</summary>
    public NodeState Numbers { get; } = new();

    public List<KeptMount> Mounts { get; } = [];

    /// <summary>The live inodes, the root included.</summary>
    public List<LiveInode> Inodes { get; set; } = [];

    /// <summary>Forgotten inodes whose number is remembered, oldest first.</summary>
    public List<RememberedInode> Remembered { get; set; } = [];

    /// <summary>How often a slot of the handle store was used at most: more than in any Handle that was ever given out.
    /// </summary>
    public ulong HandleUses { get; set; }

    public List<KeptFile> Files { get; set; } = [];

    /// <summary>Files that stay open where the client does without OPEN.</summary>
    public List<KeptFile> NoOpenFiles { get; set; } = [];

    /// <summary>The open files that hold POSIX locks.</summary>
    public List<KeptLocks> Locks { get; set; } = [];

    public List<BackedNode> Backed { get; set; } = [];

    /// <summary>Whether the client takes no more backing files.</summary>
    public bool BackingIsOff { get; set; }
}

/// <summary>A mount on which inodes have kernel handles.</summary>
/// <param name="Id">The kernel's number.</param>
/// <param name="Fd">Its descriptor, in a state as an index; <see cref="FileSystemState.NoFd"/> if it is not open.</param>
/// <param name="Host">How it is found again, or null.</param>
internal readonly record struct KeptMount(int Id, int Fd, HostMount? Host);

/// <summary>A live inode.</summary>
/// <param name="Node">Its number.</param>
/// <param name="Key">The host's identity of it.</param>
/// <param name="Birth">Birth time in nanoseconds, 0 where there is none.</param>
/// <param name="Lookups">The lookup count.</param>
/// <param name="Mode">st_mode when it was first seen.</param>
/// <param name="Handle">Its kernel handle, or none.</param>
/// <param name="Mount">With a handle: its mount's number, in a state the index.</param>
/// <param name="Fd">The O_PATH descriptor, in a state as an index; <see cref="FileSystemState.NoFd"/> for none.</param>
internal readonly record struct LiveInode(
    NodeId Node, InodeKey Key, ulong Birth, ulong Lookups, uint Mode, KernelHandle Handle, int Mount, int Fd);

/// <summary>An open file or directory.</summary>
/// <param name="Handle">Its number.</param>
/// <param name="Node">The node it was opened from.</param>
/// <param name="Fd">Its descriptor, in a state as an index.</param>
/// <param name="Flags">The open flags the host has.</param>
/// <param name="Position">Of a directory: the cookie where the descriptor stands.</param>
internal readonly record struct KeptFile(Handle Handle, NodeId Node, int Fd, uint Flags, ulong Position);

/// <summary>The POSIX locks of one owner on one node, which the host keeps with an open file.</summary>
/// <param name="Node">The node.</param>
/// <param name="Owner">The owner.</param>
/// <param name="Fd">The open file's descriptor, in a state as an index.</param>
/// <param name="Pid">The process that set a lock last.</param>
/// <param name="Handles">The Handles by which the owner has set locks.</param>
internal readonly record struct KeptLocks(NodeId Node, LockOwner Owner, int Fd, uint Pid, ulong[] Handles);

/// <summary>A node of a <see cref="BackingTable"/>.</summary>
/// <param name="Node">Its number.</param>
/// <param name="Id">The backing file while there are opens; 0 for the way by the server.</param>
/// <param name="Opens">How many.</param>
/// <param name="IsMarked">Whether it may be changed unseen.</param>
/// <param name="IsTold">Whether the client was told to drop what it had cached.</param>
internal readonly record struct BackedNode(NodeId Node, int Id, int Opens, bool IsMarked, bool IsTold);
