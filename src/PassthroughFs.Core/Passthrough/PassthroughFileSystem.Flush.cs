using System.Threading;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;

namespace PassthroughFs.Core.Passthrough;

/// <remarks>What a client need not tell of.</remarks>
public sealed unsafe partial class PassthroughFileSystem
{
    // The last device of each kind: 0 is none's.
    private ulong _quietDevice;
    private ulong _loudDevice;

    /// <inheritdoc/>
    public Errno Flush(in RequestContext context, NodeId node, Handle handle, LockOwner lockOwner)
    {
        if (!_locks.IsEmpty)
        {
            _locks.End(node.Value, lockOwner.Value);
        }

        if (_noOpen && handle.IsNone)
        {
            // ENOSYS is for ever, and locks go by this call.
            return _posixLocks ? Errno.OK : Errno.ENOSYS;
        }

        using OpenFile file = _handles.Get(handle, node);
        if (file.IsNone)
        {
            return Errno.EBADF;
        }

        // Closing a duplicate makes the host do what it does on close, and gives its error.
        int copy;
        int rooms = 0;
        do
        {
            copy = Sys.Fcntl(file.Fd, Constants.F_DUPFD_CLOEXEC, 0);
        }
        while (copy < 0 && MakeRoom(copy, ref rooms));
        int status = copy < 0 ? copy : Sys.Close(copy);
        return status < 0 ? NoteDescriptors((Errno)(-status)) : Errno.OK;
    }

    /// <summary>
    /// Whether closing a descriptor of a file does nothing on the host and has no error of its own, so that the client
    /// can spare a message for each close.
    /// </summary>
    /// <remarks>
    /// What a Linux client collects (writeback caching) it writes at each close all the same. A store to a mapping it
    /// writes when the mapping goes, or by msync, and no more at a close before that.
    /// True of file systems that have no <c>flush</c> among their file operations (Linux 6.18: ext2 to ext4, XFS, btrfs,
    /// tmpfs, ramfs). Network file systems, FUSE and what is stacked on others have one: there close tells of writes
    /// that failed later.
    /// </remarks>
    private bool HasNothingToFlush(ulong device, int fd)
    {
        if (device == Volatile.Read(ref _quietDevice))
        {
            return true;
        }

        if (device == Volatile.Read(ref _loudDevice))
        {
            return false;
        }

        const long Ext4 = 0xEF53, Xfs = 0x58465342, Btrfs = 0x9123683E, Tmpfs = 0x01021994, Ramfs = 0x858458F6;
        StatfsBuffer buffer;
        bool isQuiet = Sys.Fstatfs(fd, &buffer) == 0 && buffer.f_type is Ext4 or Xfs or Btrfs or Tmpfs or Ramfs;
        Volatile.Write(ref isQuiet ? ref _quietDevice : ref _loudDevice, device);
        return isQuiet;
    }

    private ulong DeviceOf(NodeId node)
    {
        using HostInode inode = _inodes.Get(node);
        return inode.IsNone ? 0 : inode.Key.Dev;
    }
}
