using System;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;

namespace PassthroughFs.Core.Passthrough;

/// <remarks>Forgotten inodes that a client names by their NodeId alone (<see cref="PassthroughConfig.ExportSupport"/>).
/// </remarks>
public sealed unsafe partial class PassthroughFileSystem
{
    /// <summary>How often a node is looked for that comes and goes between two looks.</summary>
    private const int MaxLooks = 4;

    /// <summary>
    /// LOOKUP of "." and "..": how a client comes back to a node of which it has the number and maybe nothing else. Who
    /// may name nodes so is the client's to say, as it is for its own <c>open_by_handle_at(2)</c>; the caller's
    /// permissions count when something is done with the node.
    /// </summary>
    private Errno LookupByNode(NodeId node, bool isParent, out Entry entry)
    {
        for (int look = 0; look < MaxLooks; look++)
        {
            Errno result = GetNode(node, out NodeFd fd);
            if (result == Errno.OK)
            {
                using (fd)
                {
                    return isParent
                        ? LookupParent(fd.Value, node == NodeId.Root, out entry)
                        : LookupSelf(fd.Value, node, out entry);
                }
            }

            if (result != Errno.EBADF)
            {
                entry = default;
                return result;
            }

            Reach("LookupByNode: does not live");
            if (_inodes.TryGetRemembered(node, out RememberedInode inode))
            {
                result = LookupRemembered(inode, isParent, out entry);
                _mounts.Drop(inode.Mount);
                return result;
            }
        }

        entry = default;
        return Errno.ESTALE;
    }

    private Errno LookupSelf(int fd, NodeId node, out Entry entry)
    {
        entry = default;
        byte empty = 0;
        StatxBuffer stat;
        int status = Sys.Statx(fd, &empty, Constants.AT_EMPTY_PATH, StatMask, &stat);
        if (status < 0)
        {
            return (Errno)(-status);
        }

        Errno result = Errno.OK;
        if (_inodes.TryLookup(KeyOf(stat), BirthOf(stat), out NodeId found) == InodeMatch.Found)
        {
            MakeEntry(found, stat, out entry);
        }
        else
        {
            int own;
            int rooms = 0;
            do
            {
                own = Sys.Fcntl(fd, Constants.F_DUPFD_CLOEXEC, 0);
            }
            while (own < 0 && MakeRoom(own, ref rooms));
            result = own < 0 ? NoteDescriptors((Errno)(-own)) : LookupFd(own, out entry);
        }

        if (result != Errno.OK || entry.Node == node)
        {
            return result;
        }

        // The mapping went meanwhile, and the inode got another number.
        _inodes.Forget(entry.Node, 1);
        entry = default;
        return Errno.ESTALE;
    }

    private Errno LookupRemembered(in RememberedInode inode, bool isParent, out Entry entry)
    {
        entry = default;
        if (!_mounts.TryAcquireNumber(inode.Mount))
        {
            int mount = ReopenMount(inode.Mount);
            if (mount < 0)
            {
                return NoteDescriptors((Errno)(-mount));
            }
        }

        int fd;
        int rooms = 0;
        do
        {
            fd = _mounts.Open(inode.Mount, inode.Handle, Linux.O_PATH | Linux.O_CLOEXEC);
        }
        while (fd < 0 && MakeRoom(fd, ref rooms));
        Errno result = fd < 0 ? NoteDescriptors((Errno)(-fd)) : CheckRemembered(fd, inode);
        if (result == Errno.OK)
        {
            Reach("LookupRemembered: opened");
            result = isParent ? LookupParent(fd, false, out entry) : LookupSelf(fd, inode.Node, out entry);
        }
        else if (result == Errno.ESTALE)
        {
            _inodes.ForgetMapping(inode.Key, inode.Handle);
        }

        if (fd >= 0)
        {
            _ = Sys.Close(fd);
        }

        _mounts.Release(inode.Mount);

        // A directory that the host has moved out of the tree may come back into it.
        return result == Errno.ENOENT ? Errno.ESTALE : result;
    }

    /// <summary>Whether what was opened by handle is what was remembered, and still in the tree.</summary>
    /// <returns>ESTALE if it is deleted or another file, ENOENT for a directory out of the tree.</returns>
    private Errno CheckRemembered(int fd, in RememberedInode inode)
    {
        byte empty = 0;
        byte* dots = stackalloc byte[3] { (byte)'.', (byte)'.', 0 };
        StatxBuffer stat;
        int status = Sys.Statx(fd, &empty, Constants.AT_EMPTY_PATH, StatMask, &stat);
        if (status < 0)
        {
            return (Errno)(-status);
        }

        ulong birth = BirthOf(stat);
        if (stat.stx_nlink == 0 || KeyOf(stat) != inode.Key ||
            (birth != inode.Birth && birth != 0 && inode.Birth != 0))
        {
            return Errno.ESTALE;
        }

        if (!Linux.S_ISDIR(stat.stx_mode))
        {
            // Where a file's names are nobody can tell.
            return Errno.OK;
        }

        using HostInode root = _inodes.Get(NodeId.Root);
        return root.IsNone ? Errno.EBADF : IsBelow(root.Key, fd, dots);
    }

    /// <summary>
    /// What a client keeps beside a NodeId to tell the inode from a later one with that NodeId. The root has none.
    /// </summary>
    private uint GenerationOf(NodeId node)
    {
        if (node == NodeId.Root)
        {
            return 0;
        }

        using HostInode inode = _inodes.Get(node);
        return inode.IsNone ? 0 : inode.Generation(
            inode.Handle.IsNone || _mounts[inode.Mount] is not { } mount ? 0 : mount.FileSystem);
    }

    /// <summary>Says how the mount of an inode, which is open as an O_PATH fd, can be found again.</summary>
    private HostMount DescribeMount(int fd, in StatxBuffer stat, in KernelHandle handle)
    {
        StatfsBuffer statfs;
        if (Sys.Fstatfs(fd, &statfs) < 0)
        {
            statfs = default;
        }

        return new HostMount(
            PathBelowRoot(fd), (ulong)statfs.f_type, statfs.f_fsid, handle,
            (stat.stx_attributes & Constants.STATX_ATTR_MOUNT_ROOT) != 0,
            DeviceOf(stat.stx_dev_major, stat.stx_dev_minor));
    }

    /// <summary>An inode's path from the root, or null if there is none. The root itself has an empty one.</summary>
    private byte[]? PathBelowRoot(int fd)
    {
        using HostInode root = _inodes.Get(NodeId.Root);
        if (root.IsNone)
        {
            // Nothing but the root itself comes before it.
            return [];
        }

        byte* buffer = stackalloc byte[2 * Linux.PATH_MAX];
        int rootLength = ReadLinkOf(root.Fd, buffer);
        int length = ReadLinkOf(fd, buffer + Linux.PATH_MAX);
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

    private int ReadLinkOf(int fd, byte* target)
    {
        byte* name = stackalloc byte[ProcSelfFd.PathSize];
        ProcSelfFd.Format(fd, name);
        int length = Sys.ReadLinkAt(_proc.Fd, name, target, Linux.PATH_MAX);
        return length == Linux.PATH_MAX ? -(int)Errno.ENAMETOOLONG : length;
    }

    /// <summary>Opens a remembered mount again, for one more user; an error negated, ESTALE if it is gone.</summary>
    private int ReopenMount(int number)
    {
        if (_mounts[number] is not { } host)
        {
            return -(int)Errno.ESTALE;
        }

        int fd = FindMount(host, out _, out int mountId);
        if (fd < 0)
        {
            return fd;
        }

        int mountFd = _proc.Reopen(fd, Linux.O_RDONLY | Linux.O_NONBLOCK);
        _ = Sys.Close(fd);
        if (mountFd >= 0)
        {
            _mounts.Reopen(number, mountId, mountFd);
        }

        return mountFd;
    }

    /// <summary>
    /// Finds a mount by its path below the root, and makes sure that it is the one. Returns an O_PATH fd, or an error
    /// negated: ESTALE if it is not there.
    /// </summary>
    private int FindMount(HostMount host, out HostMount? found, out int mountId)
    {
        found = null;
        mountId = 0;
        int fd = host.Path is null ? -(int)Errno.ESTALE : OpenBelowRoot(host.Path);
        if (fd < 0)
        {
            return fd is -(int)Errno.EMFILE or -(int)Errno.ENFILE ? fd : -(int)Errno.ESTALE;
        }

        byte empty = 0;
        StatxBuffer stat;
        if (Sys.Statx(fd, &empty, Constants.AT_EMPTY_PATH, StatMask, &stat) == 0 && IsSafe(stat.stx_mode) &&
            TryGetHandle(fd, &empty, Constants.AT_EMPTY_PATH, out KernelHandle handle, out mountId) == 0)
        {
            found = DescribeMount(fd, stat, handle);
            if (host.IsSame(found))
            {
                return fd;
            }
        }

        found = null;
        _ = Sys.Close(fd);
        return -(int)Errno.ESTALE;
    }

    /// <summary>Opens a path below the root, component by component, as a client may have put links into it.</summary>
    private int OpenBelowRoot(ReadOnlySpan<byte> path)
    {
        using HostInode root = _inodes.Get(NodeId.Root);
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
