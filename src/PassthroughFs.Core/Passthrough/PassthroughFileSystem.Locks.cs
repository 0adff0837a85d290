using System;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;

namespace PassthroughFs.Core.Passthrough;

/// <remarks>Locks are the host's: whoever else uses the directory meets them, and no client's lock is pretended.</remarks>
public sealed unsafe partial class PassthroughFileSystem
{
    private readonly LockTable _locks = new();
    private volatile bool _posixLocks;

    /// <inheritdoc/>
    /// <remarks>
    /// A process of the host's own is told by its number there; one of this client's by what it called itself.
    /// </remarks>
    public Errno GetLk(
        in RequestContext context, NodeId node, Handle handle, LockOwner owner, in FileLock wanted, out FileLock found)
    {
        found = default;
        int temporary = -1;
        LockFile? file = _locks.Enter(node.Value, owner.Value);
        if (file is null)
        {
            Errno result = OpenForLocks(context, node, handle, out temporary);
            if (result != Errno.OK)
            {
                return result;
            }
        }

        Flock64 met = ToHost(wanted);
        int status = Sys.Fcntl(file?.Fd ?? temporary, Constants.F_OFD_GETLK, &met);
        if (file is not null)
        {
            LockTable.Leave(file);
        }
        else
        {
            _ = Sys.Close(temporary);
        }

        if (status < 0)
        {
            return (Errno)(-status);
        }

        found = FromHost(met);
        if (found.Type != LockType.F_UNLCK && met.l_pid <= 0)
        {
            found.Pid = FindHolder(node, owner, found);
        }

        return Errno.OK;
    }

    /// <inheritdoc/>
    /// <remarks>
    /// Each owner of POSIX locks on a file costs a file descriptor until its <see cref="Flush"/>; at 65,536 of them, or
    /// without a descriptor left, the answer is ENOLCK.
    /// </remarks>
    public Errno SetLk(
        in RequestContext context, NodeId node, Handle handle, LockOwner owner, in FileLock wanted, LockFlags flags)
    {
        if ((flags & LockFlags.FUSE_LK_FLOCK) != 0)
        {
            return SetFlock(node, handle, wanted.Type);
        }

        if (!MayLock(node, handle, wanted.Type))
        {
            return Errno.EBADF;
        }

        LockFile? file = _locks.Enter(node.Value, owner.Value);
        if (file is null)
        {
            if (wanted.Type == LockType.F_UNLCK)
            {
                return Errno.OK;
            }

            Errno result = OpenForLocks(context, node, handle, out int fd);
            if (result != Errno.OK)
            {
                return result is Errno.EMFILE or Errno.ENFILE ? Errno.ENOLCK : result;
            }

            file = _locks.Add(node.Value, owner.Value, fd);
            KeepToBudget();
            if (file is null)
            {
                return Errno.ENOLCK;
            }
        }

        file.Pid = wanted.Pid;
        Flock64 argument = ToHost(wanted);
        int status = Sys.Fcntl(file.Fd, Constants.F_OFD_SETLK, &argument);
        LockTable.Leave(file);
        return status switch
        {
            >= 0 => Errno.OK,
            -(int)Errno.EACCES => Errno.EAGAIN, // the other name that POSIX allows for it
            _ => (Errno)(-status),
        };
    }

    private Errno SetFlock(NodeId node, Handle handle, LockType type)
    {
        using OpenFile file = _handles.Get(handle, node);
        if (file.IsNone)
        {
            return Errno.EBADF;
        }

        int operation = type switch
        {
            LockType.F_RDLCK => Constants.LOCK_SH,
            LockType.F_WRLCK => Constants.LOCK_EX,
            _ => Constants.LOCK_UN,
        };
        int status = Sys.Flock(file.Fd, operation | Constants.LOCK_NB);
        return status < 0 ? (Errno)(-status) : Errno.OK;
    }

    /// <summary>Whether the file is open for what a lock is for, as fcntl(2) asks.</summary>
    private bool MayLock(NodeId node, Handle handle, LockType type)
    {
        using OpenFile file = _handles.Get(handle, node);
        if (file.IsNone)
        {
            return _noOpen && handle.IsNone;
        }

        uint access = file.Flags & Linux.O_ACCMODE;
        return access == Linux.O_RDWR || type == LockType.F_UNLCK ||
            access == (type == LockType.F_RDLCK ? Linux.O_RDONLY : Linux.O_WRONLY);
    }

    /// <summary>Opens a file once more, for the locks of one owner: for both kinds if the host lets us.</summary>
    private Errno OpenForLocks(in RequestContext context, NodeId node, Handle handle, out int fd)
    {
        using OpenFile file = _handles.Get(handle, node);
        if (file.IsNone)
        {
            return OpenNodeForLocks(context, node, handle, out fd);
        }

        const uint quietly = Linux.O_NONBLOCK;
        int rooms = 0;
        do
        {
            fd = Config.ReadOnly ? -(int)Errno.EROFS : _proc.Reopen(file.Fd, Linux.O_RDWR | quietly);
            if (fd < 0 && fd is not (-(int)Errno.EMFILE or -(int)Errno.ENFILE))
            {
                fd = _proc.Reopen(file.Fd, (file.Flags & Linux.O_ACCMODE) | quietly);
            }
        }
        while (fd < 0 && MakeRoom(fd, ref rooms));

        return fd < 0 ? NoteDescriptors((Errno)(-fd)) : Errno.OK;
    }

    /// <summary>The same where the client does without opening.</summary>
    private Errno OpenNodeForLocks(in RequestContext context, NodeId node, Handle handle, out int fd)
    {
        fd = -1;
        if (!_noOpen || !handle.IsNone)
        {
            return Errno.EBADF;
        }

        using HostInode inode = _inodes.Get(node);
        if (inode.IsNone)
        {
            return Errno.EBADF;
        }

        Errno result = Config.ReadOnly ? Errno.EROFS : OpenInode(context, inode, Linux.O_RDWR | Linux.O_NONBLOCK, out fd);
        return result is Errno.OK or Errno.EMFILE or Errno.ENFILE
            ? result
            : OpenInode(context, inode, Linux.O_RDONLY | Linux.O_NONBLOCK, out fd);
    }

    /// <summary>
    /// Whose lock was met: the host names no process for a lock of an open file. An owner's own file does not meet it.
    /// </summary>
    private uint FindHolder(NodeId node, LockOwner owner, FileLock met) =>
        _locks.FindHolder(node.Value, owner.Value, other =>
        {
            Flock64 question = ToHost(met with { Type = LockType.F_WRLCK });
            return Sys.Fcntl(other.Fd, Constants.F_OFD_GETLK, &question) >= 0 && FromHost(question) != met;
        });

    private static Flock64 ToHost(in FileLock wanted) => new()
    {
        l_type = (short)wanted.Type,
        l_start = (long)wanted.Start,
        l_len = wanted.End == FileLock.ToTheEnd ? 0 : (long)(wanted.End - wanted.Start) + 1,
    };

    private static FileLock FromHost(in Flock64 met) => new()
    {
        Type = (LockType)met.l_type,
        Start = (ulong)met.l_start,
        End = met.l_len == 0 ? FileLock.ToTheEnd : (ulong)(met.l_start + met.l_len - 1),
        Pid = (uint)Math.Max(met.l_pid, 0),
    };
}
