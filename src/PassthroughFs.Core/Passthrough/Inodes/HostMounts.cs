using System.Threading;
using Microsoft.Extensions.Logging;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;

namespace PassthroughFs.Core.Passthrough;

/// <summary>
/// Which mount of the host an inode is on: opened when the first inode is met on it, described so that it is found
/// again after it was forgotten.
/// </summary>
/// <param name="mounts">Those that are known, and open where they are in use.</param>
/// <param name="tree">Where they lie.</param>
/// <param name="proc">The way from an O_PATH descriptor to one by which handles are opened.</param>
/// <param name="logger">Is told once where there are no handles.</param>
/// <param name="isExported">
/// Whether a mount must be found again (<see cref="PassthroughConfig.ExportSupport"/>).
/// </param>
internal sealed unsafe partial class HostMounts(
    MountFds mounts, RootTree tree, ProcSelfFd proc, ILogger logger, bool isExported)
{
    private int _loggedNoHandles;

    /// <summary>
    /// Counts an inode on its mount, which is opened if it is not. Returns the mount's number, or the error negated.
    /// </summary>
    /// <param name="fd">A descriptor of the inode.</param>
    /// <param name="stat">What the host says of it.</param>
    /// <param name="handle">Its handle.</param>
    /// <param name="mountId">The host's id of the mount.</param>
    /// <param name="budget">Where the mount's descriptor counts.</param>
    public int Acquire(int fd, in StatxBuffer stat, in KernelHandle handle, int mountId, DescriptorBudget budget)
    {
        int mount = mounts.TryAcquire(mountId);
        if (mount >= 0)
        {
            return mount;
        }

        TestPoint("Describe: the mount is not open");
        return Open(fd, stat, handle, mountId, budget);
    }

    /// <summary>
    /// Has the mount of an inode that is kept by descriptor open as well, where it is not the root's: it is met first
    /// at an inode that can be opened, and the one that shall become a handle later may be none.
    /// </summary>
    public void KeepOpen(int fd, in StatxBuffer stat, ref NewInode inode)
    {
        int mountId = (int)stat.stx_mnt_id;
        inode.Mount = mounts.TryAcquire(mountId);
        if (inode.Mount < 0 && PassthroughFileSystem.IsSafe(stat.stx_mode))
        {
            // If it cannot be opened, it is tried again when the handle is taken.
            int mountFd = proc.Reopen(fd, Linux.O_RDONLY | Linux.O_NONBLOCK);
            inode.Mount = mountFd < 0 ? InodeSlot.NoMount : mounts.Acquire(mountId, mountFd, null);
        }
    }

    /// <summary>
    /// Whether an inode's handle leads back to it. It is tried for the one kind that has a handle and is not found by
    /// it: the empty directory that btrfs shows in a snapshot in place of another subvolume.
    /// </summary>
    public bool LeadsBack(in StatxBuffer stat, int mount, in KernelHandle handle)
    {
        const ulong EmptySubvolume = 2; // BTRFS_EMPTY_SUBVOL_DIR_OBJECTID
        if (stat.stx_ino != EmptySubvolume || !Linux.S_ISDIR(stat.stx_mode))
        {
            return true;
        }

        int fd = mounts.Open(mount, handle, Linux.O_PATH | Linux.O_CLOEXEC);
        _ = fd < 0 ? 0 : Sys.Close(fd);
        return fd >= 0;
    }

    /// <summary>Says that a device has no handles, once for all devices.</summary>
    public void NoteNoHandles(ulong device)
    {
        if (Interlocked.Exchange(ref _loggedNoHandles, 1) == 0)
        {
            PassthroughLog.NoHandlesBelow(logger, device);
        }
    }

    /// <summary>Says how the mount of an inode, which is open as an O_PATH fd, can be found again.</summary>
    public HostMount Describe(int fd, in StatxBuffer stat, in KernelHandle handle)
    {
        StatfsBuffer statfs;
        if (Sys.Fstatfs(fd, &statfs) < 0)
        {
            statfs = default;
        }

        return new HostMount(
            tree.PathOf(fd), (ulong)statfs.f_type, statfs.f_fsid, handle,
            (stat.stx_attributes & Constants.STATX_ATTR_MOUNT_ROOT) != 0, HostStat.DeviceOf(stat));
    }

    /// <summary>
    /// Finds a mount by its path below the root, and makes sure that it is the one. Returns an O_PATH fd, or an error
    /// negated: ESTALE if it is not there.
    /// </summary>
    public int Find(HostMount host, out HostMount? found, out int mountId)
    {
        found = null;
        mountId = 0;
        int fd = host.Path is null ? -(int)Errno.ESTALE : tree.Open(host.Path);
        if (fd < 0)
        {
            return fd is -(int)Errno.EMFILE or -(int)Errno.ENFILE ? fd : -(int)Errno.ESTALE;
        }

        StatxBuffer stat;
        if (HostStat.Of(fd, &stat) == 0 && PassthroughFileSystem.IsSafe(stat.stx_mode) &&
            KernelHandle.TryGet(fd, out KernelHandle handle, out mountId) == 0)
        {
            found = Describe(fd, stat, handle);
            if (host.IsSame(found))
            {
                return fd;
            }
        }

        found = null;
        _ = Sys.Close(fd);
        return -(int)Errno.ESTALE;
    }

    /// <summary>Opens a remembered mount again, for one more user; an error negated, ESTALE if it is gone.</summary>
    public int Reopen(int number)
    {
        if (mounts[number] is not { } host)
        {
            return -(int)Errno.ESTALE;
        }

        int fd = Find(host, out _, out int mountId);
        if (fd < 0)
        {
            return fd;
        }

        int mountFd = proc.Reopen(fd, Linux.O_RDONLY | Linux.O_NONBLOCK);
        _ = Sys.Close(fd);
        if (mountFd >= 0)
        {
            mounts.Reopen(number, mountId, mountFd);
        }

        return mountFd;
    }

    /// <summary>Notes where open mounts are now, as directories above them may have been moved.</summary>
    public void Follow()
    {
        HostMount?[] known = mounts.ToArray();
        for (int number = 0; number < known.Length; number++)
        {
            if (known[number] is { } host && mounts.TryAcquireNumber(number))
            {
                mounts.Moved(number, host with { Path = tree.PathOf(mounts.FdOf(number)) });
                mounts.Release(number);
            }
        }
    }

    /// <summary>A point at which a test can stop this thread; nothing in a build without them.</summary>
    static partial void TestPoint(string point);

    /// <summary>
    /// Opens the mount that an inode is on, by the inode itself. Returns its number, or the error negated.
    /// </summary>
    private int Open(int fd, in StatxBuffer stat, in KernelHandle handle, int mountId, DescriptorBudget budget)
    {
        // Only these are ever opened. A mount is first met at its root, which is one of them as a rule; no other inode
        // on it is without one that lives and keeps it open, as each is found in a directory.
        if (!PassthroughFileSystem.IsSafe(stat.stx_mode))
        {
            return -(int)Errno.EOPNOTSUPP;
        }

        HostMount? host = isExported ? Describe(fd, stat, handle) : null;
        int mountFd = proc.Reopen(fd, Linux.O_RDONLY | Linux.O_NONBLOCK);
        if (mountFd >= 0 && !budget.Admit(ref mountFd))
        {
            _ = Sys.Close(mountFd);
            return -(int)Errno.EMFILE;
        }

        return mountFd < 0 ? mountFd : mounts.Acquire(mountId, mountFd, host);
    }
}
