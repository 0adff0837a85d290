using System;
using PassthroughFs.Core.Api;
using PassthroughFs.Paths.Tree;

namespace PassthroughFs.Paths;

/// <summary>Operations with nodes and open files.</summary>
public abstract unsafe partial class PathFileSystem
{
    private const long MaxPiece = 1 << 30;

    private static readonly SetAttrRequest s_empty = new() { Valid = SetAttrFields.FATTR_SIZE };

    Errno IFileSystem.Open(
        in RequestContext context, NodeId node, uint flags, OpenRequestFlags openFlags, out OpenReply reply)
    {
        reply = default;
        Errno error = PinPath(node, out PathPin pin);
        if (error != Errno.OK)
        {
            return error;
        }

        using (pin)
        {
            bool truncates = (flags & Linux.O_TRUNC) != 0;
            if (pin.Node!.Type != Linux.S_IFREG)
            {
                return pin.Node.Type != Linux.S_IFDIR ? Errno.EBADF
                    : truncates || (flags & Linux.O_ACCMODE) != Linux.O_RDONLY ? Errno.EISDIR
                    : Keep(node, new DirectoryFile(), flags, out reply);
            }

            error = Open(pin.Path!, flags & ~(Linux.O_TRUNC | Linux.O_CREAT | Linux.O_EXCL), out PathFile? file);
            if (error != Errno.OK || file is null)
            {
                file?.Dispose();
                return error == Errno.OK ? Errno.EIO : error;
            }

            bool isKept = false;
            try
            {
                error = truncates ? file.SetSize(0) : Errno.OK;
                error = error == Errno.ENOSYS ? SetAttributes(pin.Path!, s_empty) : error;
                error = error == Errno.OK ? Keep(node, file, flags, out reply) : error;
                isKept = error == Errno.OK;
                return error;
            }
            finally
            {
                DisposeUnless(isKept, file);
            }
        }
    }

    Errno IFileSystem.Read(
        in RequestContext context, NodeId node, Handle handle, in ReadRequest request, ref DataSink sink)
    {
        using FileUse use = _open.Use(node, handle);
        if (use.Opened is not { MayRead: true } opened)
        {
            return Errno.EBADF;
        }

        Span<IoSegment> segments = stackalloc IoSegment[16];
        long offset = (long)Math.Min(request.Offset, long.MaxValue);
        while (sink.Remaining > 0 && offset >= 0)
        {
            int used = sink.Peek(segments);
            foreach (ref readonly IoSegment segment in segments[..used])
            {
                int length = (int)Math.Min(Math.Min((long)segment.Length, MaxPiece), long.MaxValue - offset);

                // Sound: the sink's segments are the reply's memory, which stays for the time of the request.
                Errno error = opened.File.Read(offset, new Span<byte>(segment.Pointer, length), out int count);
                if (error != Errno.OK)
                {
                    return error;
                }

                count = Math.Clamp(count, 0, length);
                sink.Advance(count);
                offset += count;
                if (count < length || offset == long.MaxValue)
                {
                    return Errno.OK;
                }

                if (length < (long)segment.Length)
                {
                    break;
                }
            }
        }

        return Errno.OK;
    }

    Errno IFileSystem.Write(
        in RequestContext context, NodeId node, Handle handle, in WriteRequest request, ref DataSource source)
    {
        using FileUse use = _open.Use(node, handle);
        if (use.Opened is not { } opened || (!opened.MayWrite && source.Remaining > 0))
        {
            return Errno.EBADF;
        }

        if (request.Offset > long.MaxValue - (ulong)source.Remaining)
        {
            return Errno.EFBIG;
        }

        Span<IoSegment> segments = stackalloc IoSegment[16];
        bool isCached = (request.WriteFlags & WriteFlags.FUSE_WRITE_CACHE) != 0;
        while (source.Remaining > 0)
        {
            int used = source.Peek(segments);
            foreach (ref readonly IoSegment segment in segments[..used])
            {
                // Sound: the source's segments are the request's memory, which stays for the time of the request.
                int length = (int)Math.Min((long)segment.Length, MaxPiece);
                Errno error = opened.File.Write(
                    (long)request.Offset + source.Consumed, new ReadOnlySpan<byte>(segment.Pointer, length),
                    out int count);
                count = error == Errno.OK ? Math.Clamp(count, 0, length) : 0;
                source.Advance(count);
                if (count < length)
                {
                    // A part is an answer to a program; what the client's cache has written would be lost.
                    return error == Errno.OK && (isCached || source.Consumed == 0) ? Errno.EIO
                        : source.Consumed > 0 && !isCached ? Errno.OK
                        : error;
                }

                if (length < (long)segment.Length)
                {
                    break;
                }
            }
        }

        return Errno.OK;
    }

    Errno IFileSystem.Flush(in RequestContext context, NodeId node, Handle handle, LockOwner lockOwner)
    {
        using FileUse use = _open.Use(node, handle);
        return use.File?.Flush() ?? Errno.EBADF;
    }

    Errno IFileSystem.Fsync(in RequestContext context, NodeId node, Handle handle, bool dataSync)
    {
        using FileUse use = _open.Use(node, handle);
        return use.File?.Synchronize(dataSync) ?? Errno.EBADF;
    }

    Errno IFileSystem.Release(in RequestContext context, NodeId node, Handle handle, in ReleaseRequest request) =>
        Release<OpenedFile>(node, handle);

    /// <summary>Gives an open file a Handle; the caller disposes of it if this is an error.</summary>
    private Errno Keep(NodeId node, PathFile file, uint flags, out OpenReply reply)
    {
        reply = default;
        OpenReplyFlags replyFlags = file.ReplyFlags;
        PathNode? known = _tree.Get(node);
        Errno error = known is null ? Errno.EBADF : _open.Add(new OpenedFile(known, file, flags), out reply.Handle);
        if (error == Errno.OK)
        {
            _tree.CountOpen(known!, 1);
            reply.Flags = replyFlags;
        }

        return error;
    }

    private static void DisposeUnless(bool isKept, PathFile file)
    {
        if (!isKept)
        {
            file.Dispose();
        }
    }

    private Errno Release<T>(NodeId node, Handle handle)
        where T : class, IOpened
    {
        if (_open.Remove<T>(node, handle) is not { } opened)
        {
            return Errno.EBADF;
        }

        _tree.CountOpen(opened.Node, -1);
        opened.Dispose();
        return Errno.OK;
    }

    // What was removed has no path to ask: any open file of it answers.
    private FileUse Use(in PathPin pin, Handle handle)
    {
        var node = new NodeId(pin.Node!.Id);
        FileUse use = handle.IsNone ? default : _open.Use(node, handle);
        return use.File is null && pin.Path is null ? _open.UseAny(node) : use;
    }

    private Errno PinPath(NodeId node, out PathPin pin)
    {
        Errno error = _tree.Pin(node, out pin);
        if (error == Errno.OK && pin.Path is null)
        {
            pin.Dispose();
            return Errno.ESTALE;
        }

        return error;
    }

    // A directory that is opened as a file: reading it is EISDIR.
    private sealed class DirectoryFile : PathFile
    {
        public override Errno Read(long offset, Span<byte> buffer, out int count)
        {
            count = 0;
            return Errno.EISDIR;
        }
    }
}
