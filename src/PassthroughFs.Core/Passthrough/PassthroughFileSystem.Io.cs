using System;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;

namespace PassthroughFs.Core.Passthrough;

/// <remarks>Reading and writing open files: between the file and the transport's memory, with no copy in
/// between.</remarks>
public sealed unsafe partial class PassthroughFileSystem
{
    /// <inheritdoc/>
    public Errno Read(
        in RequestContext context, NodeId node, Handle handle, in ReadRequest request, ref DataSink sink)
    {
        Errno result = GetFile(context, node, handle, Linux.O_RDONLY, request.Flags, out OpenFile file, out int fd);
        if (result != Errno.OK)
        {
            return result;
        }

        TestPoint("Read: holds the file");
        bool isDirect = file.AnswersParts || (request.Flags.GetValueOrDefault() & Linux.O_DIRECT) != 0;
        result = request.Offset > long.MaxValue
            ? Errno.EINVAL
            : HostTransfer.Read(fd, (long)request.Offset, file.EndsShort, isDirect, ref sink);
        PutFile(file, fd);
        return result;
    }

    /// <inheritdoc/>
    public Errno Write(
        in RequestContext context, NodeId node, Handle handle, in WriteRequest request, ref DataSource source)
    {
        if (Config.ReadOnly)
        {
            return Errno.EROFS;
        }

        // What the client's cache sends is nobody's in particular, and goes where it says.
        bool isCached = (request.WriteFlags & WriteFlags.FUSE_WRITE_CACHE) != 0;
        uint? flags = isCached ? 0 : request.Flags;
        Errno result = GetFile(context, node, handle, Linux.O_WRONLY, flags, out OpenFile file, out int fd);
        if (result != Errno.OK)
        {
            return result;
        }

        result = CheckRange(fd, request.Offset, (ulong)source.Remaining);
        if (result == Errno.OK)
        {
            bool costsBits = (request.WriteFlags & WriteFlags.FUSE_WRITE_KILL_SUIDGID) != 0;
            SetIdBits setIdBits = _negotiated.SetIdBits;
            SetIdBits.Removal removal = setIdBits.Begin(costsBits, context, fd);
            bool mayBePart = !isCached && MayWritePart(flags, file);
            result = Appends(flags, file)
                ? Append(fd, flags ?? file.Flags, mayBePart, ref source)
                : HostTransfer.Write(fd, (long)request.Offset, 0, mayBePart, ref source);
            setIdBits.End(removal);
            setIdBits.Tell(node, removal);
        }

        PutFile(file, fd);
        return result;
    }

    /// <inheritdoc/>
    public Errno Fallocate(
        in RequestContext context, NodeId node, Handle handle, uint mode, ulong offset, ulong length)
    {
        if (Config.ReadOnly)
        {
            return Errno.EROFS;
        }

        Errno result = GetFile(context, node, handle, Linux.O_WRONLY, null, out OpenFile file, out int fd);
        if (result != Errno.OK)
        {
            return result;
        }

        const uint Moves = Linux.FALLOC_FL_COLLAPSE_RANGE | Linux.FALLOC_FL_INSERT_RANGE;
        if (Config.SealSize && (mode & Moves) != 0)
        {
            result = Errno.EPERM;
        }
        else if ((mode & Linux.FALLOC_FL_PUNCH_HOLE) == 0)
        {
            result = CheckRange(fd, offset, length);
        }
        else if (offset > long.MaxValue || length > long.MaxValue)
        {
            result = Errno.EINVAL;
        }

        if (result == Errno.OK)
        {
            SetIdBits setIdBits = _negotiated.SetIdBits;
            SetIdBits.Removal removal = setIdBits.Begin(SetIdBits.EndWithChange(context), context, fd);
            int status = Sys.Fallocate(fd, (int)mode, (long)offset, (long)length);
            setIdBits.End(removal);
            setIdBits.Tell(node, removal);
            result = status < 0 ? (Errno)(-status) : Errno.OK;
        }

        PutFile(file, fd);
        return result;
    }

    /// <inheritdoc/>
    public Errno Lseek(
        in RequestContext context, NodeId node, Handle handle, ulong offset, uint whence, out ulong result)
    {
        result = 0;
        if (_negotiated.Writeback)
        {
            // The client holds data that the host does not know: only the client may say what is a hole. It does so,
            // without asking again, after this answer.
            return Errno.ENOSYS;
        }

        if (whence is not (Linux.SEEK_DATA or Linux.SEEK_HOLE))
        {
            return Errno.EINVAL;
        }

        Errno error = GetFile(context, node, handle, Linux.O_RDONLY, null, out OpenFile file, out int fd);
        if (error != Errno.OK)
        {
            return error;
        }

        // It moves the fd's own position, which nothing here uses: reads and writes name their offsets. One that is
        // negative is the host's to refuse, which does not do it as it refuses those of reads.
        long found = Sys.Lseek(fd, (long)offset, (int)whence);
        PutFile(file, fd);
        if (found < 0)
        {
            return (Errno)(-found);
        }

        result = (ulong)found;
        return Errno.OK;
    }

    /// <inheritdoc/>
    public Errno CopyFileRange(in RequestContext context, in CopyFileRangeRequest request, out ulong copied)
    {
        copied = 0;
        if (Config.ReadOnly)
        {
            return Errno.EROFS;
        }

        if (request.OffsetIn > long.MaxValue || request.OffsetOut > long.MaxValue || request.Flags > uint.MaxValue)
        {
            return Errno.EINVAL;
        }

        Errno result = GetFile(
            context, request.NodeIn, request.HandleIn, Linux.O_RDONLY, null, out OpenFile source, out int fdIn);
        if (result != Errno.OK)
        {
            return result;
        }

        result = GetFile(
            context, request.NodeOut, request.HandleOut, Linux.O_WRONLY, null, out OpenFile target, out int fdOut);
        if (result == Errno.OK)
        {
            result = Config.SealSize ? CheckRange(fdOut, request.OffsetOut, request.Length) : Errno.OK;
            if (result == Errno.OK)
            {
                long offsetIn = (long)request.OffsetIn;
                long offsetOut = (long)request.OffsetOut;
                nuint length = (nuint)Math.Min(request.Length, long.MaxValue);
                SetIdBits setIdBits = _negotiated.SetIdBits;
                SetIdBits.Removal removal = setIdBits.Begin(SetIdBits.EndWithChange(context), context, fdOut);
                long status = Sys.CopyFileRange(fdIn, &offsetIn, fdOut, &offsetOut, length, (uint)request.Flags);
                setIdBits.End(removal);
                setIdBits.Tell(request.NodeOut, removal);
                result = status < 0 ? (Errno)(-status) : Errno.OK;
                copied = (ulong)Math.Max(0, status);
            }

            PutFile(target, fdOut);
        }

        PutFile(source, fdIn);
        return result;
    }

    /// <summary>
    /// Holds the open file of a request, or opens the node for this one request where opens are not needed.
    /// </summary>
    private Errno GetFile(
        in RequestContext context, NodeId node, Handle handle, uint accessMode, uint? flags, out OpenFile file,
        out int fd)
    {
        file = _handles.Get(handle, node);
        if (!file.IsNone)
        {
            fd = file.Fd;
            Errno result = flags is uint current ? MatchDirect(ref file, ref fd, current) : Errno.OK;
            if (result != Errno.OK)
            {
                file.Dispose();
            }

            return result;
        }

        fd = -1;
        return _negotiated.NoOpen ? OpenForRequest(context, node, accessMode, flags, out file, out fd) : Errno.EBADF;
    }

    /// <summary>Opens a node for a request that comes without an open file, or finds it open still.</summary>
    private Errno OpenForRequest(
        in RequestContext context, NodeId node, uint accessMode, uint? flags, out OpenFile file, out int fd)
    {
        file = default;
        fd = -1;
        using HostInode inode = _inodes.Get(node);
        if (inode.IsNone)
        {
            return Errno.EBADF;
        }

        uint hostFlags = WritebackFlags(flags.GetValueOrDefault()) & Linux.O_DIRECT;
        bool isKept = _kept.IsInUse && hostFlags == 0;
        if (isKept)
        {
            file = _kept.Get(node, accessMode);
            if (!file.IsNone)
            {
                fd = file.Fd;
                return Errno.OK;
            }
        }

        Errno result = OpenInode(context, inode, accessMode | hostFlags, out fd);
        if (result != Errno.OK || !isKept)
        {
            return result;
        }

        if (!_budget.Admit(ref fd))
        {
            // For this request alone.
            return Errno.OK;
        }

        file = _kept.Add(node, fd, accessMode);
        TestPoint("OpenForRequest: kept");
        _budget.Keep();

        // It may have been forgotten meanwhile: then what was kept is closed already, and this came too late for that.
        DropKept(node);

        // Another thread may have closed all that is kept in that very moment.
        return file.IsNone ? OpenInode(context, inode, accessMode, out fd) : Errno.OK;
    }

    /// <summary>Closes what is kept of a node that the client has forgotten: a deleted file's blocks go.</summary>
    private void DropKept(NodeId node)
    {
        if (_kept.Count == 0)
        {
            return;
        }

        using HostInode inode = _inodes.Get(node);
        if (inode.IsNone)
        {
            _kept.Drop(node);
        }
    }

    /// <summary>
    /// Whether a write may be answered as done in part. Of a direct write's part a Linux client makes EIO, and cuts what
    /// was beyond the end, unless the file was opened for direct I/O: the host's own error says more.
    /// </summary>
    private bool MayWritePart(uint? flags, in OpenFile file) =>
        (flags.GetValueOrDefault() & Linux.O_DIRECT) == 0 || file.AnswersParts ||
        Config.CachePolicy is CachePolicy.Never or CachePolicy.Metadata;

    /// <summary>
    /// Whether a write goes to the end of the file that the host knows: by the client's flags as they are now, or, if it
    /// does not say, as they were at the open.
    /// </summary>
    private bool Appends(uint? flags, in OpenFile file) =>
        ((flags is uint current ? WritebackFlags(current) : file.IsNone ? 0 : file.Flags) & Linux.O_APPEND) != 0;

    /// <summary>
    /// Appends, by the request alone: the host's file is not open with O_APPEND, as others write elsewhere in it at the
    /// same time.
    /// </summary>
    private Errno Append(int fd, uint flags, bool mayBePart, ref DataSource source)
    {
        Errno result = HostTransfer.Write(fd, 0, Constants.RWF_APPEND, mayBePart, ref source);
        if (result is not (Errno.EOPNOTSUPP or Errno.ENOSYS) || source.Consumed > 0)
        {
            return result;
        }

        // A kernel before 4.16.
        int own = _budget.Reopen(fd, Linux.O_WRONLY | Linux.O_APPEND | (flags & SyncFlags));
        return own < 0
            ? NoteDescriptors((Errno)(-own))
            : CloseAfter(own, HostTransfer.Write(own, 0, 0, mayBePart, ref source));
    }

    private static void PutFile(in OpenFile file, int fd)
    {
        if (file.IsNone)
        {
            _ = Sys.Close(fd);
        }
        else
        {
            file.Dispose();
        }
    }

    /// <summary>
    /// Opens a file once more for one request, where the client reads or writes it directly and the host's file is not
    /// open like that, or the other way round. The host's file is never changed: others use it at the same time.
    /// </summary>
    /// <param name="file">The open file; let go of when this succeeds, and none from then on.</param>
    /// <param name="fd">Its descriptor, and then the caller's own.</param>
    /// <param name="flags">What the client has it open with now.</param>
    private Errno MatchDirect(ref OpenFile file, ref int fd, uint flags)
    {
        uint current = file.Flags;
        if (((current ^ WritebackFlags(flags)) & Linux.O_DIRECT) == 0)
        {
            return Errno.OK;
        }

        int own = _budget.Reopen(fd, (current ^ Linux.O_DIRECT) & (Linux.O_ACCMODE | Linux.O_DIRECT | SyncFlags));
        if (own is -(int)Errno.EACCES or -(int)Errno.EPERM)
        {
            // A server without privileges, and a file whose mode was changed since. What the host has open will do,
            // but for what is not aligned.
            return Errno.OK;
        }

        if (own < 0)
        {
            return NoteDescriptors((Errno)(-own));
        }

        file.Dispose();
        file = default;
        fd = own;
        return Errno.OK;
    }

    /// <summary>EINVAL for a range that no file can have, and EPERM for one beyond the end of a sealed file.</summary>
    private Errno CheckRange(int fd, ulong offset, ulong length)
    {
        if (offset > long.MaxValue || length > long.MaxValue || offset + length < offset)
        {
            return Errno.EINVAL;
        }

        if (!Config.SealSize)
        {
            return Errno.OK;
        }

        Errno result = Stat(NodeId.None, fd, out AttrReply reply);
        return result == Errno.OK && offset + length > reply.Attributes.Size ? Errno.EPERM : result;
    }
}
