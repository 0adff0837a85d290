using System;
using System.Runtime.CompilerServices;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;

namespace PassthroughFs.Core.Passthrough;

/// <remarks>Reading and writing open files: between the file and the transport's memory, with no copy in
/// between.</remarks>
public sealed unsafe partial class PassthroughFileSystem
{
    /// <summary>How many segments one system call gets; more than that take another call.</summary>
    private const int MaxSegments = 64;

    private const uint PageMask = 4095;

    /// <inheritdoc/>
    public Errno Read(
        in RequestContext context, NodeId node, Handle handle, in ReadRequest request, ref DataSink sink)
    {
        Errno result = GetFile(context, node, handle, Linux.O_RDONLY, request.Flags, out OpenFile file, out int fd);
        if (result != Errno.OK)
        {
            return result;
        }

        Reach("Read: holds the file");
        result = request.Offset > long.MaxValue ? Errno.EINVAL : ReadInto(fd, (long)request.Offset, ref sink);
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

        Errno result = GetFile(context, node, handle, Linux.O_WRONLY, request.Flags, out OpenFile file, out int fd);
        if (result != Errno.OK)
        {
            return result;
        }

        result = CheckRange(fd, request.Offset, (ulong)source.Remaining);
        if (result == Errno.OK)
        {
            CapabilityData before = default;
            bool dropped = (request.WriteFlags & WriteFlags.FUSE_WRITE_KILL_SUIDGID) != 0 &&
                _identity.DropFsetid(out before);
            result = WriteFrom(fd, (long)request.Offset, ref source);
            if (dropped)
            {
                ProcessIdentity.RestoreFsetid(before);
            }
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
            int status = Sys.Fallocate(fd, (int)mode, (long)offset, (long)length);
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
                long status = Sys.CopyFileRange(fdIn, &offsetIn, fdOut, &offsetOut, length, (uint)request.Flags);
                result = status < 0 ? (Errno)(-status) : Errno.OK;
                copied = (ulong)Math.Max(0, status);
            }

            PutFile(target, fdOut);
        }

        PutFile(source, fdIn);
        return result;
    }

    private static Errno ReadInto(int fd, long offset, ref DataSink sink)
    {
        Unsafe.SkipInit(out SegmentBuffer buffer);
        Span<IoSegment> segments = buffer;
        while (sink.Remaining > 0)
        {
            int count = sink.Peek(segments);
            long wanted = Sum(segments[..count]);

            // Sound: the segments' owner keeps them mapped until the request is done, and the buffer is on the stack.
            long status = count == 1
                ? Sys.Pread(fd, segments[0].Pointer, segments[0].Length, offset)
                : Sys.Preadv(fd, Unsafe.AsPointer(ref buffer), count, offset);
            if (status < 0)
            {
                return sink.Written > 0 ? Errno.OK : (Errno)(-status);
            }

            sink.Advance(status);
            offset += status;

            // Short inside a page is the end of the file: what interrupts a read stops between pages.
            if (status == 0 || (status < wanted && (offset & PageMask) != 0))
            {
                break;
            }
        }

        return Errno.OK;
    }

    private static Errno WriteFrom(int fd, long offset, ref DataSource source)
    {
        Unsafe.SkipInit(out SegmentBuffer buffer);
        Span<IoSegment> segments = buffer;
        while (source.Remaining > 0)
        {
            int count = source.Peek(segments);

            // Sound: the segments' owner keeps them mapped until the request is done, and the buffer is on the stack.
            long status = count == 1
                ? Sys.Pwrite(fd, segments[0].Pointer, segments[0].Length, offset)
                : Sys.Pwritev(fd, Unsafe.AsPointer(ref buffer), count, offset);
            if (status <= 0)
            {
                Errno error = status < 0 ? (Errno)(-status) : Errno.EIO;
                return source.Consumed > 0 ? Errno.OK : error;
            }

            source.Advance(status);
            offset += status;
        }

        return Errno.OK;
    }

    private static long Sum(ReadOnlySpan<IoSegment> segments)
    {
        long sum = 0;
        foreach (ref readonly IoSegment segment in segments)
        {
            sum += (long)segment.Length;
        }

        return sum;
    }

    /// <summary>
    /// Holds the open file of a request, or opens the node for this one request where opens are not needed. The open
    /// file's flags become what the client has set since.
    /// </summary>
    private Errno GetFile(
        in RequestContext context, NodeId node, Handle handle, uint accessMode, uint? flags, out OpenFile file,
        out int fd)
    {
        file = _handles.Get(handle, node);
        if (!file.IsNone)
        {
            fd = file.Fd;
            Errno result = flags is uint current ? UpdateFlags(file.Slot, current) : Errno.OK;
            if (result != Errno.OK)
            {
                file.Dispose();
            }

            return result;
        }

        fd = -1;
        return _noOpen ? OpenForRequest(context, node, accessMode, flags, out file, out fd) : Errno.EBADF;
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

        uint hostFlags = WritebackFlags(flags.GetValueOrDefault()) & (Linux.O_APPEND | Linux.O_DIRECT);
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

        if (!Admit(ref fd))
        {
            // For this request alone.
            return Errno.OK;
        }

        file = _kept.Add(node, fd, accessMode);
        Reach("OpenForRequest: kept");
        KeepToBudget();

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

    /// <summary>Applies what the client changed by fcntl since the open.</summary>
    private Errno UpdateFlags(OpenFileSlot file, uint flags)
    {
        uint changeable = Linux.O_APPEND | Linux.O_DIRECT;
        uint current = System.Threading.Volatile.Read(ref file.Flags);
        uint wanted = (current & ~changeable) | (WritebackFlags(flags) & changeable);
        if (wanted == current)
        {
            return Errno.OK;
        }

        int status = Sys.Fcntl(file.Fd, Constants.F_SETFL, (nint)wanted);
        if (status < 0)
        {
            return (Errno)(-status);
        }

        System.Threading.Volatile.Write(ref file.Flags, wanted);
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

    [InlineArray(MaxSegments)]
    private struct SegmentBuffer
    {
        private IoSegment _first;
    }
}
