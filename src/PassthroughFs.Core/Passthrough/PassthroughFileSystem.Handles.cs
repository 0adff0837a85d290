using System;
using System.Threading;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;

namespace PassthroughFs.Core.Passthrough;

/// <remarks>What the store keeps of an inode: file descriptor, kernel handle, or both.</remarks>
public sealed unsafe partial class PassthroughFileSystem
{
    private Errno AddRoot(int fd)
    {
        byte empty = 0;
        StatxBuffer stat;
        int status = Sys.Statx(fd, &empty, Constants.AT_EMPTY_PATH, StatMask, &stat);
        if (status < 0)
        {
            _ = Sys.Close(fd);
            return (Errno)(-status);
        }

        bool isMandatory = Config.InodeFileHandles == InodeFileHandles.Mandatory;
        bool isAdaptive = Config.InodeFileHandles == InodeFileHandles.Adaptive;
        bool keepFds = isAdaptive || Config.InodeFileHandles == InodeFileHandles.Never;
        bool needsHandle = _export || Config.InodeFileHandles != InodeFileHandles.Never;
        _budget = 0;
        _mostRemoved = Math.Min(DescriptorReserve.Refresh() / 4, MaxBudget);
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
            StartBudget(stat.stx_mnt_id);
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

    /// <summary>Adds an inode whose number may be another live one's: that of its path, if it is not the same.</summary>
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
            NoteNoHandles(inode.Key.Dev);
        }

        if (inode.Fd >= 0 && !Admit(ref fd))
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

        Reach("LookupFd: described");
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
            Birth = BirthOf(stat),
            Fd = fd,
            Mode = stat.stx_mode,
            Mount = InodeSlot.NoMount,
        };
        if (!takeHandle)
        {
            if (_budget > 0 && stat.stx_mnt_id != _rootMountId)
            {
                KeepMountOpen(fd, stat, ref inode);
            }

            return Errno.OK;
        }

        byte empty = 0;
        int mount = TryGetHandle(fd, &empty, Constants.AT_EMPTY_PATH, out KernelHandle handle, out int mountId);
        int rooms = 0;
        if (mount == 0)
        {
            do
            {
                mount = AcquireMount(fd, stat, handle, mountId);
            }
            while (mount < 0 && MakeRoom(mount, ref rooms));
        }

        if (mount >= 0 && !LeadsBack(stat, mount, handle))
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
    /// Whether an inode's handle leads back to it. It is tried for the one kind that has a handle and is not found by it:
    /// the empty directory that btrfs shows in a snapshot in place of another subvolume.
    /// </summary>
    private bool LeadsBack(in StatxBuffer stat, int mount, in KernelHandle handle)
    {
        const ulong EmptySubvolume = 2; // BTRFS_EMPTY_SUBVOL_DIR_OBJECTID
        if (stat.stx_ino != EmptySubvolume || !Linux.S_ISDIR(stat.stx_mode))
        {
            return true;
        }

        int fd = _mounts.Open(mount, handle, Linux.O_PATH | Linux.O_CLOEXEC);
        _ = fd < 0 ? 0 : Sys.Close(fd);
        return fd >= 0;
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
        if (Sys.Statx(directory, name, Constants.AT_SYMLINK_NOFOLLOW, StatMask, &stat) < 0 ||
            (stat.stx_nlink > 1 && !Linux.S_ISDIR(stat.stx_mode)))
        {
            return default;
        }

        HostInode inode = FindLive(directory, name, stat);
        if (!inode.IsNone && inode.Fd < 0 && HasRoomForRemoved())
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

        ulong birth = BirthOf(stat);
        InodeMatch match = _inodes.TryLookup(key, birth, out NodeId node);
        if (match == InodeMatch.NeedsHandle && TryGetHandle(directory, name, 0, out KernelHandle handle, out _) == 0)
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

    private void NoteNoHandles(ulong device)
    {
        if (Interlocked.Exchange(ref _saidNoHandles, 1) == 0)
        {
            PassthroughLog.NoHandlesBelow(_logger, device);
        }
    }

    /// <summary>
    /// Has the mount of an inode that is kept by descriptor open as well, where it is not the root's: it is met first
    /// at an inode that can be opened, and the one that shall become a handle later may be none.
    /// </summary>
    private void KeepMountOpen(int fd, in StatxBuffer stat, ref NewInode inode)
    {
        int mountId = (int)stat.stx_mnt_id;
        inode.Mount = _mounts.TryAcquire(mountId);
        if (inode.Mount < 0 && IsSafe(stat.stx_mode))
        {
            // If it cannot be opened, it is tried again when the handle is taken.
            int mountFd = _proc.Reopen(fd, Linux.O_RDONLY | Linux.O_NONBLOCK);
            inode.Mount = mountFd < 0 ? InodeSlot.NoMount : _mounts.Acquire(mountId, mountFd, null);
        }
    }

    /// <summary>Counts an inode on its mount, which is opened if it is not. Returns its number, or the error negated.
    /// </summary>
    private int AcquireMount(int fd, in StatxBuffer stat, in KernelHandle handle, int mountId)
    {
        int mount = _mounts.TryAcquire(mountId);
        if (mount >= 0)
        {
            return mount;
        }

        Reach("Describe: the mount is not open");
        return OpenMount(fd, stat, handle, mountId);
    }

    /// <summary>
    /// Opens the mount that an inode is on, by the inode itself. Returns its number, or the error negated.
    /// </summary>
    private int OpenMount(int fd, in StatxBuffer stat, in KernelHandle handle, int mountId)
    {
        // Only these are ever opened. A mount is first met at its root, which is one of them as a rule; no other inode
        // on it is without one that lives and keeps it open, as each is found in a directory.
        if (!IsSafe(stat.stx_mode))
        {
            return -(int)Errno.EOPNOTSUPP;
        }

        HostMount? host = _export ? DescribeMount(fd, stat, handle) : null;
        int mountFd = _proc.Reopen(fd, Linux.O_RDONLY | Linux.O_NONBLOCK);
        if (mountFd >= 0 && !Admit(ref mountFd))
        {
            _ = Sys.Close(mountFd);
            return -(int)Errno.EMFILE;
        }

        return mountFd < 0 ? mountFd : _mounts.Acquire(mountId, mountFd, host);
    }

    private static int TryGetHandle(int directory, byte* name, int flags, out KernelHandle handle, out int mountId)
    {
        System.Runtime.CompilerServices.Unsafe.SkipInit(out FileHandleBuffer buffer);
        buffer.handle_bytes = FileHandleBytes.MaxBytes;
        int mount;
        int result = Sys.NameToHandleAt(directory, name, &buffer, &mount, flags);
        mountId = mount;
        if (result == 0 && buffer.handle_bytes is > 0 and <= KernelHandle.MaxLength)
        {
            handle = new KernelHandle(
                buffer.handle_type, ((ReadOnlySpan<byte>)buffer.f_handle)[..(int)buffer.handle_bytes]);
            return 0;
        }

        handle = KernelHandle.None;
        return result < 0 ? result : -(int)Errno.EOPNOTSUPP;
    }
}
