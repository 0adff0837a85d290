using System;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;

namespace PassthroughFs.Core.Passthrough;

/// <remarks>Changes of attributes.</remarks>
public sealed unsafe partial class PassthroughFileSystem
{
    // Whatever is none of these changes nothing by itself.
    private const SetAttrFields Settable = SetAttrFields.FATTR_MODE | SetAttrFields.FATTR_UID |
        SetAttrFields.FATTR_GID | SetAttrFields.FATTR_SIZE | SetAttrFields.FATTR_ATIME | SetAttrFields.FATTR_MTIME |
        SetAttrFields.FATTR_ATIME_NOW | SetAttrFields.FATTR_MTIME_NOW;

    /// <inheritdoc/>
    public Errno SetAttr(in RequestContext context, NodeId node, in SetAttrRequest request, out AttrReply reply)
    {
        reply = default;
        if (Config.ReadOnly)
        {
            return Errno.EROFS;
        }

        Handle handle = (request.Valid & SetAttrFields.FATTR_FH) != 0 ? request.Handle : Handle.None;
        using OpenFile file = _handles.Get(handle, node);
        if (!handle.IsNone && file.IsNone)
        {
            return Errno.EBADF;
        }

        Errno result = GetNode(context, node, out NodeFd fd);
        if (result != Errno.OK)
        {
            return result;
        }

        using (fd)
        {
            if ((request.Valid & Settable) == 0)
            {
                SetIdBits setIdBits = _negotiated.SetIdBits;
                // Who may not write does not come here but by a chown to nobody, which costs nothing then.
                RequestContext caller = setIdBits.Find(context);
                result = caller.Uid == ProcessIdentity.NoId || Check(caller, fd.Value, Linux.W_OK) == Errno.OK
                    ? setIdBits.Remove(caller, fd.Value)
                    : Errno.OK;
                return result == Errno.OK ? Stat(node, fd.Value, out reply) : result;
            }

            ProcessIdentity.Switched switched = ProcessIdentity.Switched.Nothing;
            result = AreTimesOfWrites(file, request.Valid) ? Errno.OK : BecomeCaller(context, out switched);
            if (result != Errno.OK)
            {
                return result;
            }

            result = Set(context, fd, file, request);
            _identity.Return(switched);
            if (result != Errno.OK)
            {
                return NoteDescriptors(result);
            }

            // It may be that the name leads to another file by now, and that one was meant. For a size it was asked before.
            result = Stat(node, fd.Value, out reply);
            return result == Errno.OK && file.IsNone && (request.Valid & SetAttrFields.FATTR_SIZE) == 0 &&
                !MayBeTimesOfWrites(request.Valid) &&
                IsGone(context, fd.Inode, fd.Value, reply.Attributes.Nlink)
                ? Errno.ESTALE
                : result;
        }
    }

    /// <summary>
    /// Whether a client that collects writes tells of the time of those that it has sent: it names the file that they went
    /// to, which no program's change of times does, and whoever may write to a file may not set its times.
    /// </summary>
    private bool AreTimesOfWrites(in OpenFile file, SetAttrFields valid) =>
        !file.IsNone && (file.Flags & Linux.O_ACCMODE) != Linux.O_RDONLY && MayBeTimesOfWrites(valid);

    /// <summary>
    /// The same where it names no file: nobody has it open any more, and it may have no name either. An error would be
    /// that of whoever syncs.
    /// </summary>
    private bool MayBeTimesOfWrites(SetAttrFields valid) =>
        _negotiated.Writeback && (valid & Settable) == SetAttrFields.FATTR_MTIME;

    private Errno Set(in RequestContext context, in NodeFd fd, in OpenFile file, in SetAttrRequest request)
    {
        SetAttrFields valid = request.Valid;
        Errno result = Errno.OK;
        if ((valid & SetAttrFields.FATTR_MODE) != 0)
        {
            uint mode = Config.CheckPermissions
                ? request.Mode
                : _negotiated.SetIdBits.ModeFor(context, fd.Value, request.Mode);
            result = SetMode(fd.Value, file, mode);
        }

        if (result == Errno.OK && (valid & (SetAttrFields.FATTR_UID | SetAttrFields.FATTR_GID)) != 0)
        {
            bool hasUid = (valid & SetAttrFields.FATTR_UID) != 0, hasGid = (valid & SetAttrFields.FATTR_GID) != 0;
            result = (hasUid && request.Uid == ProcessIdentity.NoId) || (hasGid && request.Gid == ProcessIdentity.NoId)
                ? Errno.EINVAL
                : SetOwner(
                    context, fd.Value, hasUid ? request.Uid : ProcessIdentity.NoId,
                    hasGid ? request.Gid : ProcessIdentity.NoId);
        }

        if (result == Errno.OK && (valid & SetAttrFields.FATTR_SIZE) != 0)
        {
            result = SetSize(
                context, fd, file, request.Size, (valid & SetAttrFields.FATTR_KILL_SUIDGID) != 0);
        }

        if (result == Errno.OK && (valid & (SetAttrFields.FATTR_ATIME | SetAttrFields.FATTR_MTIME)) != 0)
        {
            // With a size they say what the change of size does to them by itself: an error would deny that change.
            Errno times = SetTimes(fd.Value, request);
            result = (valid & SetAttrFields.FATTR_SIZE) != 0 ? Errno.OK : times;
        }

        return result;
    }

    private Errno SetMode(int fd, in OpenFile file, uint mode)
    {
        mode &= Linux.ModeBits;
        int status;
        if (!file.IsNone)
        {
            status = Sys.Fchmod(file.Fd, mode);
        }
        else
        {
            byte* name = stackalloc byte[ProcSelfFd.PathSize];
            ProcSelfFd.Format(fd, name);
            status = Sys.FchmodAt(_proc.Fd, name, mode);
        }

        return status < 0 ? (Errno)(-status) : Errno.OK;
    }

    private Errno SetOwner(in RequestContext context, int fd, uint uid, uint gid)
    {
        byte empty = 0;
        bool costsBits = IsServerFor(context) && SetIdBits.EndWithChange(context);
        SetIdBits setIdBits = _negotiated.SetIdBits;
        SetIdBits.Removal removal = setIdBits.Begin(costsBits, context, fd);
        int status = Sys.FchownAt(fd, &empty, uid, gid, Constants.AT_EMPTY_PATH | Constants.AT_SYMLINK_NOFOLLOW);
        setIdBits.End(removal);
        return status < 0 ? (Errno)(-status) : Errno.OK;
    }

    private Errno SetSize(
        in RequestContext context, in NodeFd fd, in OpenFile file, ulong size, bool killSuidgid)
    {
        if (Config.SealSize)
        {
            return Errno.EPERM;
        }

        if (size > long.MaxValue)
        {
            return Errno.EINVAL;
        }

        if (!Linux.S_ISREG(fd.Inode.Mode))
        {
            return Linux.S_ISDIR(fd.Inode.Mode) ? Errno.EISDIR : Errno.EINVAL;
        }

        if (file.IsNone && IsGone(context, fd.Inode, fd.Value))
        {
            return Errno.ESTALE;
        }

        // A handle that is open for reading only cannot truncate; the client checked that the caller may write.
        bool isWritable = !file.IsNone && (file.Flags & Linux.O_ACCMODE) != Linux.O_RDONLY;
        int target = isWritable ? file.Fd : _budget.Reopen(fd.Value, Linux.O_WRONLY | Linux.O_NONBLOCK);
        if (target < 0)
        {
            return (Errno)(-target);
        }

        SetIdBits setIdBits = _negotiated.SetIdBits;
        bool costsBits = IsServerFor(context) && setIdBits.EndWithTruncation(context, killSuidgid);
        SetIdBits.Removal removal = setIdBits.Begin(costsBits, context, target);
        int status = Sys.Ftruncate(target, (long)size);
        setIdBits.End(removal);

        if (!isWritable)
        {
            _ = Sys.Close(target);
        }

        return status < 0 ? (Errno)(-status) : Errno.OK;
    }

    private static Errno SetTimes(int fd, in SetAttrRequest request)
    {
        Timespec* times = stackalloc Timespec[2];
        times[0] = TimeToSet(
            request.Valid, SetAttrFields.FATTR_ATIME, SetAttrFields.FATTR_ATIME_NOW, request.Atime);
        times[1] = TimeToSet(
            request.Valid, SetAttrFields.FATTR_MTIME, SetAttrFields.FATTR_MTIME_NOW, request.Mtime);
        byte empty = 0;
        int status = Sys.UtimensAt(fd, &empty, times, Constants.AT_EMPTY_PATH | Constants.AT_SYMLINK_NOFOLLOW);
        return status < 0 ? (Errno)(-status) : Errno.OK;
    }

    private static Timespec TimeToSet(SetAttrFields valid, SetAttrFields set, SetAttrFields now, Timestamp time)
    {
        if ((valid & set) == 0)
        {
            return new Timespec { tv_nsec = Constants.UTIME_OMIT };
        }

        return (valid & now) != 0
            ? new Timespec { tv_nsec = Constants.UTIME_NOW }
            : new Timespec { tv_sec = time.Seconds, tv_nsec = Math.Min(time.Nanoseconds, 999_999_999) };
    }
}
