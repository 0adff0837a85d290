using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Passthrough;

/// <summary>What is kept of a forgotten inode so that it can be opened again by its NodeId.</summary>
/// <param name="Node">The number that the client knew it by.</param>
/// <param name="Key">The host's identity of it.</param>
/// <param name="Birth">Birth time in nanoseconds since 1970, 0 where the host has none.</param>
/// <param name="Handle">Its kernel handle.</param>
/// <param name="Mount">
/// In the store of a file system: the number of its mount in that file system's table of mounts.
/// </param>
public readonly record struct RememberedInode(
    NodeId Node, InodeKey Key, ulong Birth, KernelHandle Handle, int Mount);
