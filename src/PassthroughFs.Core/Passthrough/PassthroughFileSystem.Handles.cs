using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;

namespace PassthroughFs.Core.Passthrough;

/// <remarks>What the store keeps of an inode: file descriptor, kernel handle, or both.</remarks>
public sealed unsafe partial class PassthroughFileSystem
{
    private Errno AddRoot(int fd)
    {
        StatxBuffer stat;
        int status = HostStat.Of(fd, &stat);
        if (status < 0)
        {
            _ = Sys.Close(fd);
            return (Errno)(-status);
        }

        bool isMandatory = Config.InodeFileHandles == InodeFileHandles.Mandatory;
        bool isAdaptive = Config.InodeFileHandles == InodeFileHandles.Adaptive;
        bool keepFds = isAdaptive || Config.InodeFileHandles == InodeFileHandles.Never;
        bool needsHandle = _export || Config.InodeFileHandles != InodeFileHandles.Never;
        _budget.Reset();
        _keepFds = keepFds;
        _takeHandles = _export || !keepFds;
        Errno result = Describe(fd, stat, needsHandle, out NewInode root);
        bool hasHandle = !root.Handle.IsNone;
        if (needsHandle && result == Errno.OK)
        {
            result = hasHandle ? (Errno)(-_mounts.TryOpen(root.Mount, root.Handle)) : Errno.EOPNOTSUPP;
        }

        if (result != Errno.OK && hasHandle)
        {
            _mounts.Release(root.Mount);
            root.Handle = KernelHandle.None;
            root.Mount = InodeSlot.NoMount;
        }

        if (result != Errno.OK && (_export || isMandatory))
        {
            PassthroughLog.NeededHandlesUnavailable(
                _logger, isMandatory ? "InodeFileHandles Mandatory" : "ExportSupport", Config.RootDir, result);
            _ = Sys.Close(fd);
            return result;
        }

        if (result != Errno.OK)
        {
            // Said once at the start instead of paid for at each lookup.
            NoteHandlesUnavailable(isAdaptive, result);
            _takeHandles = false;
            _keepFds = true;
        }
        else if (isAdaptive)
        {
            _budget.Start(stat.stx_mnt_id);
        }

        // The root keeps its descriptor always, as it is needed all the time, and so its mount is always open.
        root.Fd = fd;
        _shown.Root = root.Key.Dev;
        _inodes.AddRoot(root);
        return Errno.OK;
    }

    private void NoteHandlesUnavailable(bool isAdaptive, Errno error)
    {
        if (isAdaptive)
        {
            PassthroughLog.NoAdaptiveHandles(_logger, error);
        }
        else
        {
            PassthroughLog.HandlesUnavailable(_logger, error);
        }
    }

    /// <summary>
    /// Adds an inode whose number may be another live one's: that of its path, if it is not the same.
    /// </summary>
    private Errno AddLinked(ref int fd, in StatxBuffer stat, out NodeId node, out bool isTaken)
    {
        int own = Sys.Fcntl(fd, Constants.F_DUPFD_CLOEXEC, 0);
        Errno result = AddInode(ref fd, stat, _takeHandles, out node, out isTaken);
        if (result == Errno.OK && own >= 0 && !IsNode(node, own))
        {
            _inodes.Forget(node, 1);
            if (!isTaken)
            {
                _ = Sys.Close(fd);
            }

            fd = own;
            own = -1;
            result = AddInode(ref fd, stat, _takeHandles, out node, out isTaken, isApart: true);
        }

        _ = own < 0 ? 0 : Sys.Close(own);
        return result;
    }

    private bool IsNode(NodeId node, int fd)
    {
        using HostInode inode = _inodes.Get(node);
        return inode.IsNone || inode.Fd < 0 || LinkIdentity.IsSame(inode.Fd, fd);
    }

    private Errno AddInode(
        ref int fd, in StatxBuffer stat, bool takeHandle, out NodeId node, out bool isTaken, bool isApart = false)
    {
        node = NodeId.None;
        isTaken = false;
        Errno result = Describe(fd, stat, takeHandle, out NewInode inode);
        if (result != Errno.OK)
        {
            return result;
        }

        if (isApart)
        {
            inode.Key = LinkIdentity.Apart(inode.Key, _proc, fd);
        }

        if (takeHandle && inode.Handle.IsNone)
        {
            _hostMounts.NoteNoHandles(inode.Key.Dev);
        }

        if (inode.Fd >= 0 && !_budget.Admit(ref fd))
        {
            if (inode.Mount >= 0)
            {
                _mounts.Release(inode.Mount);
            }

            // What is known needs no descriptor more.
            return _inodes.TryLookup(inode.Key, inode.Birth, out node) == InodeMatch.Found
                ? Errno.OK
                : NoteDescriptors(Errno.ENFILE);
        }

        inode.Fd = inode.Fd >= 0 ? fd : inode.Fd;

        TestPoint("LookupFd: described");
        result = _inodes.Add(inode, out node);
        if (result == Errno.ENOMEM)
        {
            result = RefuseNode();
        }

        isTaken = inode.Fd >= 0 && result != Errno.EAGAIN;
        if (result == Errno.EAGAIN && inode.Mount >= 0)
        {
            _mounts.Release(inode.Mount);
        }

        return result;
    }

    /// <summary>
    /// Says what the store shall keep of an inode: its handle if that is wanted and it has one, and the fd, unless a
    /// handle stands for it.
    /// </summary>
    private Errno Describe(int fd, in StatxBuffer stat, bool takeHandle, out NewInode inode)
    {
        inode = new NewInode
        {
            Key = KeyOf(stat),
            Birth = HostStat.BirthOf(stat),
            Fd = fd,
            Mode = stat.stx_mode,
            Mount = InodeSlot.NoMount,
        };
        if (!takeHandle)
        {
            if (_budget.WantsMount(stat.stx_mnt_id))
            {
                _hostMounts.KeepOpen(fd, stat, ref inode);
            }

            return Errno.OK;
        }

        int mount = KernelHandle.TryGet(fd, out KernelHandle handle, out int mountId);
        int tries = 0;
        if (mount == 0)
        {
            do
            {
                mount = _hostMounts.Acquire(fd, stat, handle, mountId, _budget);
            }
            while (mount < 0 && _budget.TryMakeRoom(mount, ref tries));
        }

        if (mount >= 0 && !_hostMounts.LeadsBack(stat, mount, handle))
        {
            _mounts.Release(mount);
            mount = -(int)Errno.ESTALE;
        }

        if (mount >= 0)
        {
            inode.Fd = _keepFds ? fd : InodeSlot.NoFd;
            inode.Handle = handle;
            inode.Mount = mount;
            return Errno.OK;
        }

        if (mount is -(int)Errno.EMFILE or -(int)Errno.ENFILE)
        {
            return NoteDescriptors((Errno)(-mount));
        }

        return Config.InodeFileHandles == InodeFileHandles.Mandatory ? Errno.EOPNOTSUPP : Errno.OK;
    }

    /// <summary>
    /// Before a name goes: gives the inode that has it a descriptor, if it is kept by handle and this is its last name.
    /// The client may have it open or be in it, and with the last name the handle would lead nowhere.
    /// </summary>
    /// <remarks>
    /// No system call while all inodes have descriptors. What somebody else removes from the host is stale, and so is
    /// what there is no room for.
    /// </remarks>
    /// <returns>The inode, held, if it was given one. It goes to <see cref="EndRemoval"/>.</returns>
    private HostInode BeginRemoval(int directory, byte* name)
    {
        if (_inodes.Count <= _inodes.FdCount)
        {
            return default;
        }

        StatxBuffer stat;
        if (Sys.Statx(directory, name, Constants.AT_SYMLINK_NOFOLLOW, HostStat.Mask, &stat) < 0 ||
            (stat.stx_nlink > 1 && !Linux.S_ISDIR(stat.stx_mode)))
        {
            return default;
        }

        HostInode inode = FindLive(directory, name, stat);
        if (!inode.IsNone && inode.Fd < 0 && _budget.HasRoomForRemoved())
        {
            int fd = _mounts.Open(inode.Mount, inode.Handle, Linux.O_PATH | Linux.O_CLOEXEC);
            if (fd >= 0 && _inodes.TryKeepFd(inode, fd))
            {
                return inode;
            }

            _ = fd < 0 ? 0 : Sys.Close(fd);
        }

        inode.Dispose();
        return default;
    }

    /// <summary>After <see cref="BeginRemoval"/>: if the name stays, the inode goes back to its handle.</summary>
    private void EndRemoval(in HostInode inode, bool isRemoved)
    {
        if (!inode.IsNone && !isRemoved)
        {
            _inodes.DropFd(inode);
        }
        else
        {
            inode.Dispose();
        }
    }

    /// <summary>Holds the live inode that has a name, if it is one.</summary>
    private HostInode FindLive(int directory, byte* name, scoped in StatxBuffer stat)
    {
        InodeKey key = KeyOf(stat);
        if (!_inodes.SeemsLive(key))
        {
            return default;
        }

        ulong birth = HostStat.BirthOf(stat);
        InodeMatch match = _inodes.TryLookup(key, birth, out NodeId node);
        if (match == InodeMatch.NeedsHandle &&
            KernelHandle.TryGet(directory, name, 0, out KernelHandle handle, out _) == 0)
        {
            match = _inodes.TryLookup(key, birth, handle, out node) ? InodeMatch.Found : InodeMatch.None;
        }

        if (match != InodeMatch.Found)
        {
            return default;
        }

        // The lookup was not the client's.
        HostInode inode = _inodes.Get(node);
        Forget(default, node, 1);
        return inode;
    }

    /// <summary>
    /// Whether the client may know one node more, asked before something is made that it could not be told of.
    /// </summary>
    private Errno CheckRoomForNode() => _inodes.HasRoom ? Errno.OK : RefuseNode();

    private Errno RefuseNode() => _refusals.Node(Config.MaxNodes ?? ClientMemory.MostNodes);

    /// <summary>
    /// Whether the client may know one node more, asked before a node other than a file is made: one that has to be
    /// kept by descriptor needs room for that as well.
    /// </summary>
    /// <param name="fd">Any descriptor.</param>
    private Errno CheckRoomToMake(int fd)
    {
        Errno result = CheckRoomForNode();
        bool hasHandle = Config.InodeFileHandles is InodeFileHandles.Prefer or InodeFileHandles.Mandatory;
        return result == Errno.OK && !hasHandle && !_budget.HasRoomForInode(fd)
            ? NoteDescriptors(Errno.ENFILE)
            : result;
    }
}
