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
        _keepFds = Config.InodeFileHandles == InodeFileHandles.Never;
        _takeHandles = _export || !_keepFds;
        Errno result = Describe(fd, stat, out NewInode root);
        bool hasHandle = !root.Handle.IsNone;
        if (_takeHandles && result == Errno.OK)
        {
            result = hasHandle ? TryHandle(root) : Errno.EOPNOTSUPP;
        }

        if (result != Errno.OK && hasHandle)
        {
            _mounts.Release(root.Mount);
            root.Handle = KernelHandle.None;
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
            PassthroughLog.HandlesUnavailable(_logger, result);
            _takeHandles = false;
            _keepFds = true;
        }

        // The root keeps its descriptor always, as it is needed all the time, and so its mount is always open.
        root.Fd = fd;
        _inodes.AddRoot(root);
        return Errno.OK;
    }

    /// <summary>
    /// Tries whether the process may open by handle: a capability alone does not say so in a user namespace.
    /// </summary>
    private Errno TryHandle(in NewInode inode)
    {
        int fd = _mounts.Open(inode.Mount, inode.Handle, Linux.O_PATH | Linux.O_CLOEXEC);
        if (fd < 0)
        {
            return (Errno)(-fd);
        }

        _ = Sys.Close(fd);
        return Errno.OK;
    }

    /// <summary>
    /// Says what the store shall keep of an inode: its handle if they are taken and it has one, and the fd, unless a
    /// handle stands for it.
    /// </summary>
    private Errno Describe(int fd, in StatxBuffer stat, out NewInode inode)
    {
        inode = new NewInode { Key = KeyOf(stat), Birth = BirthOf(stat), Fd = fd, Mode = stat.stx_mode };
        if (!_takeHandles)
        {
            return Errno.OK;
        }

        byte empty = 0;
        int mount = TryGetHandle(fd, &empty, Constants.AT_EMPTY_PATH, out KernelHandle handle, out int mountId);
        if (mount == 0)
        {
            mount = _mounts.TryAcquire(mountId);
            if (mount < 0)
            {
                Reach("Describe: the mount is not open");
                mount = OpenMount(fd, stat, handle, mountId);
            }
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

        if (Config.InodeFileHandles == InodeFileHandles.Mandatory)
        {
            return Errno.EOPNOTSUPP;
        }

        if (Interlocked.Exchange(ref _saidNoHandles, 1) == 0)
        {
            PassthroughLog.NoHandlesBelow(_logger, inode.Key.Dev);
        }

        return Errno.OK;
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
