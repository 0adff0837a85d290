using System;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;

namespace PassthroughFs.Core.Passthrough;

/// <remarks>Locks are the host's: whoever else uses the directory meets them, and no client's lock is pretended.</remarks>
public sealed unsafe partial class PassthroughFileSystem
{
    private readonly LockTable _locks = new();

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
            using OpenFile opened = _handles.Get(handle, node);
            Errno result = opened.IsNone ? Errno.EBADF : OpenForLocks(opened, out temporary);
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
    /// Each owner of POSIX locks on a file costs a file descriptor until its <see cref="Flush"/>, or until the last
    /// Handle by which it has set locks is released; at 65,536 of them, or without a descriptor left, the answer is
    /// ENOLCK.
    /// </remarks>
    public Errno SetLk(
        in RequestContext context, NodeId node, Handle handle, LockOwner owner, in FileLock wanted, LockFlags flags)
    {
        if ((flags & LockFlags.FUSE_LK_FLOCK) != 0)
        {
            return SetFlock(node, handle, wanted.Type);
        }

        Errno result = SetPosix(node, handle, owner, wanted);
        using OpenFile still = _handles.Get(handle, node);
        if (still.IsNone && wanted.Type != LockType.F_UNLCK)
        {
            // It was released meanwhile, maybe before the lock was set.
            _locks.Release(handle);
        }

        return result;
    }

    private Errno SetPosix(NodeId node, Handle handle, LockOwner owner, in FileLock wanted)
    {
        using OpenFile opened = _handles.Get(handle, node);
        if (opened.IsNone || !MayLock(opened.Flags, wanted.Type))
        {
            return Errno.EBADF;
        }

        LockFile? file;
        if (wanted.Type == LockType.F_UNLCK)
        {
            file = _locks.Enter(node.Value, owner.Value);
            if (file is null)
            {
                return Errno.OK;
            }
        }
        else
        {
            Errno result = EnterToLock(opened, node, handle, owner, out file);
            if (result != Errno.OK)
            {
                return result;
            }
        }

        Flock64 argument = ToHost(wanted);
        int status = Sys.Fcntl(file!.Fd, Constants.F_OFD_SETLK, &argument);
        if (status >= 0 && wanted.Type != LockType.F_UNLCK)
        {
            // Who unlocks does not say who it is.
            file.Pid = wanted.Pid;
        }

        LockTable.Leave(file);
        return status switch
        {
            >= 0 => Errno.OK,
            -(int)Errno.EACCES => Errno.EAGAIN, // the other name that POSIX allows for it
            _ => (Errno)(-status),
        };
    }

    /// <summary>The owner's file for locks, with the Handle noted; one is opened if there is none.</summary>
    private Errno EnterToLock(
        in OpenFile opened, NodeId node, Handle handle, LockOwner owner, out LockFile? file)
    {
        Errno result = _locks.Enter(node.Value, owner.Value, handle, out file);
        if (result != Errno.OK)
        {
            return _refusals.LockOwner();
        }

        if (file is not null)
        {
            return Errno.OK;
        }

        result = OpenForLocks(opened, out int fd);
        if (result != Errno.OK)
        {
            return result is Errno.EMFILE or Errno.ENFILE ? _refusals.LockOwner() : result;
        }

        if (!_budget.Admit(ref fd))
        {
            return CloseAfter(fd, _refusals.LockOwner());
        }

        file = _locks.Add(node.Value, owner.Value, handle, fd);
        _budget.Keep();
        return file is null ? _refusals.LockOwner() : Errno.OK;
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

    /// <summary>Whether a file is open for what a lock is for, as fcntl(2) asks.</summary>
    private static bool MayLock(uint flags, LockType type)
    {
        uint access = flags & Linux.O_ACCMODE;
        return access == Linux.O_RDWR || type == LockType.F_UNLCK ||
            access == (type == LockType.F_RDLCK ? Linux.O_RDONLY : Linux.O_WRONLY);
    }

    /// <summary>Opens a file once more, for the locks of one owner: for both kinds if the host lets us.</summary>
    private Errno OpenForLocks(in OpenFile file, out int fd)
    {
        const uint quietly = Linux.O_NONBLOCK;
        int tries = 0;
        do
        {
            fd = Config.ReadOnly ? -(int)Errno.EROFS : _proc.Reopen(file.Fd, Linux.O_RDWR | quietly);
            if (fd < 0 && fd is not (-(int)Errno.EMFILE or -(int)Errno.ENFILE))
            {
                fd = _proc.Reopen(file.Fd, (file.Flags & Linux.O_ACCMODE) | quietly);
            }
        }
        while (fd < 0 && _budget.TryMakeRoom(fd, ref tries));

        return fd < 0 ? NoteDescriptors((Errno)(-fd)) : Errno.OK;
    }

    /// <summary>Whose lock was met: the host names no process for a lock of an open file.</summary>
    private uint FindHolder(NodeId node, LockOwner owner, FileLock met) =>
        _locks.FindHolder(node.Value, owner.Value, other =>
        {
            // Asked for F_UNLCK the host tells of the file's own locks, since Linux 6.6.
            Flock64 question = ToHost(met with { Type = LockType.F_UNLCK });
            int status = Sys.Fcntl(other.Fd, Constants.F_OFD_GETLK, &question);
            if (status >= 0)
            {
                return FromHost(question) == met;
            }

            // Before that: who does not meet it holds it, unless two hold the same.
            question = ToHost(met with { Type = LockType.F_WRLCK });
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
