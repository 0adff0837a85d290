using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;

namespace PassthroughFs.Core.Passthrough;

/// <summary>
/// Finds the inodes of forgotten nodes, which clients name by their NodeId alone
/// (<see cref="PassthroughConfig.ExportSupport"/>).
/// </summary>
/// <param name="inodes">Remembers them.</param>
/// <param name="mounts">By which they are opened.</param>
/// <param name="hostMounts">Finds a mount again that is not open any more.</param>
/// <param name="tree">Says whether a directory is in the tree still.</param>
/// <param name="budget">What is opened counts here.</param>
/// <param name="hasMountIds">Whether an inode's key has its mount in it.</param>
internal sealed unsafe class ForgottenNodes(
    InodeStore inodes, MountFds mounts, HostMounts hostMounts, RootTree tree, DescriptorBudget budget, bool hasMountIds)
{
    /// <summary>Opens a remembered inode (O_PATH), and holds its mount. Both end with <see cref="Close"/>.</summary>
    /// <param name="inode">The inode.</param>
    /// <param name="fd">A descriptor of it.</param>
    /// <returns>ESTALE if it is deleted or another file by now, ENOENT for a directory out of the tree, …; then there
    /// is nothing to close.</returns>
    public Errno Open(in RememberedInode inode, out int fd)
    {
        fd = -1;
        if (!mounts.TryAcquireNumber(inode.Mount))
        {
            int mount = hostMounts.Reopen(inode.Mount);
            if (mount < 0)
            {
                return budget.Note((Errno)(-mount));
            }
        }

        fd = budget.OpenByHandle(inode.Mount, inode.Handle);
        Errno result = fd < 0 ? budget.Note((Errno)(-fd)) : Check(fd, inode);
        if (result == Errno.OK)
        {
            return result;
        }

        if (result == Errno.ESTALE)
        {
            inodes.ForgetMapping(inode.Key, inode.Handle);
        }

        Close(inode, fd);
        fd = -1;
        return result;
    }

    /// <summary>Ends what <see cref="Open"/> began.</summary>
    public void Close(in RememberedInode inode, int fd)
    {
        if (fd >= 0)
        {
            _ = Sys.Close(fd);
        }

        mounts.Release(inode.Mount);
    }

    /// <summary>
    /// What a client keeps beside a NodeId to tell the inode from a later one with that NodeId. The root has none.
    /// </summary>
    public uint GenerationOf(NodeId node)
    {
        if (node == NodeId.Root)
        {
            return 0;
        }

        using HostInode inode = inodes.Get(node);
        return inode.IsNone ? 0 : inode.Generation(
            inode.Handle.IsNone || mounts[inode.Mount] is not { } mount ? 0 : mount.FileSystem);
    }

    /// <summary>Whether what was opened by handle is what was remembered, and still in the tree.</summary>
    private Errno Check(int fd, in RememberedInode inode)
    {
        StatxBuffer stat;
        int status = HostStat.Of(fd, &stat);
        if (status < 0)
        {
            return (Errno)(-status);
        }

        ulong birth = HostStat.BirthOf(stat);
        if (stat.stx_nlink == 0 || HostStat.KeyOf(stat, hasMountIds) != inode.Key ||
            (birth != inode.Birth && birth != 0 && inode.Birth != 0))
        {
            return Errno.ESTALE;
        }

        if (!Linux.S_ISDIR(stat.stx_mode))
        {
            // Where a file's names are nobody can tell.
            return Errno.OK;
        }

        using HostInode root = inodes.Get(NodeId.Root);
        return root.IsNone ? Errno.EBADF : tree.IsBelow(root.Key, fd, budget);
    }
}
