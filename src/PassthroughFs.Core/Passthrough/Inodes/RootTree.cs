using System;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;

namespace PassthroughFs.Core.Passthrough;

/// <summary>What lies below the root, as the host has it at this moment: it may move directories in and out.</summary>
/// <param name="inodes">Has the root.</param>
/// <param name="proc">The way to a descriptor's path.</param>
/// <param name="hasMountIds">Whether an inode's key has its mount in it.</param>
internal sealed unsafe class RootTree(InodeStore inodes, ProcSelfFd proc, bool hasMountIds)
{
    /// <summary>How far up ".." is followed to see whether it is still below the root.</summary>
    private const int MaxDepth = Linux.PATH_MAX / 2;

    /// <summary>OK if a directory is the root or below it, ENOENT if it is not.</summary>
    /// <param name="root">The root's key.</param>
    /// <param name="directory">A descriptor of the directory.</param>
    /// <param name="budget">What the directories above are opened with.</param>
    public Errno IsBelow(in InodeKey root, int directory, DescriptorBudget budget)
    {
        byte* dots = stackalloc byte[3] { (byte)'.', (byte)'.', 0 };
        int current = directory;
        InodeKey previous = default;
        Errno result = Errno.ENOENT;
        for (int depth = 0; depth < MaxDepth; depth++)
        {
            StatxBuffer stat;
            int status = HostStat.Of(current, &stat);
            InodeKey key = HostStat.KeyOf(stat, hasMountIds);
            if (status < 0 || key == root || key == previous)
            {
                // The host's own root is its own parent: nothing further up.
                result = status < 0 ? (Errno)(-status) : key == root ? Errno.OK : Errno.ENOENT;
                break;
            }

            previous = key;
            int next = budget.OpenPath(current, dots, Linux.O_DIRECTORY | Linux.O_NOFOLLOW);
            if (current != directory)
            {
                _ = Sys.Close(current);
            }

            current = next;
            if (next < 0)
            {
                return budget.Note((Errno)(-next));
            }
        }

        if (current != directory)
        {
            _ = Sys.Close(current);
        }

        return result;
    }

    /// <summary>An inode's path from the root, or null if there is none. The root itself has an empty one.</summary>
    /// <param name="fd">A descriptor of the inode.</param>
    public byte[]? PathOf(int fd)
    {
        using HostInode root = inodes.Get(NodeId.Root);
        if (root.IsNone)
        {
            // Nothing but the root itself comes before it.
            return [];
        }

        byte* buffer = stackalloc byte[2 * Linux.PATH_MAX];
        int rootLength = proc.ReadLink(root.Fd, buffer);
        int length = proc.ReadLink(fd, buffer + Linux.PATH_MAX);
        if (rootLength <= 0 || length <= 0)
        {
            return null;
        }

        // Sound: both lengths are at most what there was room for.
        var rootPath = new ReadOnlySpan<byte>(buffer, rootLength);
        var path = new ReadOnlySpan<byte>(buffer + Linux.PATH_MAX, length);
        if (!path.StartsWith(rootPath))
        {
            return null;
        }

        path = path[rootPath.TrimEnd((byte)'/').Length..];
        return path.IsEmpty ? [] : path[0] == '/' ? path[1..].ToArray() : null;
    }

    /// <summary>Opens a path below the root (O_PATH), component by component, as a client may have put links into it.
    /// Returns an fd, or the error negated.</summary>
    public int Open(ReadOnlySpan<byte> path)
    {
        using HostInode root = inodes.Get(NodeId.Root);
        if (root.IsNone)
        {
            return -(int)Errno.ESTALE;
        }

        byte* name = stackalloc byte[Names.BufferSize];
        int current = Sys.Fcntl(root.Fd, Constants.F_DUPFD_CLOEXEC, 0);
        foreach (Range range in path.Split((byte)'/'))
        {
            if (current < 0 || path.IsEmpty)
            {
                break;
            }

            int next = Names.Copy(path[range], name) == Errno.OK
                ? Sys.OpenAt(current, name, Linux.O_PATH | Linux.O_NOFOLLOW | Linux.O_CLOEXEC)
                : -(int)Errno.EINVAL;
            _ = Sys.Close(current);
            current = next;
        }

        return current;
    }
}
