namespace PassthroughFs.Core.Passthrough;

/// <summary>
/// How a mount is found again after its descriptor was closed, by this process or by its successor: where one of its
/// inodes is below the root, its root as a rule, and what that inode must be. Never changes.
/// </summary>
/// <remarks>
/// A client may have moved directories meanwhile, so that another mount of the host's is at that path. It counts only
/// if it is of the same file system and begins at the same inode; then nothing can be reached through it that could not
/// be reached by its names.
/// </remarks>
/// <param name="Path">
/// The inode's path from the root, without a slash at either end; empty for the root itself, null if it is not below
/// the root: then the mount is not found again.
/// </param>
/// <param name="Type">The file system's type, <c>f_type</c>.</param>
/// <param name="FileSystem">The file system's number, <c>f_fsid</c>: the same after a reboot.</param>
/// <param name="Handle">The inode's kernel handle.</param>
/// <param name="IsMountRoot">Whether the mount begins at the inode.</param>
/// <param name="Dev">The inode's <c>st_dev</c>.</param>
internal sealed record HostMount(
    byte[]? Path, ulong Type, ulong FileSystem, KernelHandle Handle, bool IsMountRoot, ulong Dev)
{
    /// <summary>Whether handles of the one mean the same in the other.</summary>
    public bool IsSameFileSystem(HostMount other) => Type == other.Type && FileSystem == other.FileSystem;

    /// <summary>Whether the other, found by this one's path, is this one.</summary>
    public bool IsSame(HostMount other) =>
        IsSameFileSystem(other) && Handle == other.Handle && IsMountRoot == other.IsMountRoot;
}
