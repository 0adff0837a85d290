using System;
using System.Collections.Concurrent;
using System.Text;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.FailingSource;

/// <summary>
/// Another file system, whose calls fail, stop half-way, take their time or hang as <see cref="Faults"/> say. A file's
/// name is the one by which it was last found.
/// </summary>
internal sealed class FailingFileSystem(IFileSystem inner, Faults faults) : DelegatingFileSystem(inner)
{
    private const int MaxSegments = 64;

    private readonly ConcurrentDictionary<NodeId, string> _names = new();

    public override Errno Lookup(in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, out Entry entry)
    {
        string text = Encoding.UTF8.GetString(name);
        entry = default;
        Errno result = Meet(nameof(Lookup), text);
        result = result == Errno.OK ? base.Lookup(context, parent, name, out entry) : result;
        return Note(result, text, entry);
    }

    public override Errno Create(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, in CreateRequest request,
        out Entry entry, out OpenReply reply)
    {
        string text = Encoding.UTF8.GetString(name);
        entry = default;
        reply = default;
        Errno result = Meet(nameof(Create), text);
        result = result == Errno.OK ? base.Create(context, parent, name, request, out entry, out reply) : result;
        reply.Flags &= ~OpenReplyFlags.FOPEN_NOFLUSH;
        return Note(result, text, entry);
    }

    public override Errno Mknod(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, uint mode, uint rdev, uint umask,
        out Entry entry)
    {
        string text = Encoding.UTF8.GetString(name);
        entry = default;
        Errno result = Meet(nameof(Mknod), text);
        result = result == Errno.OK ? base.Mknod(context, parent, name, mode, rdev, umask, out entry) : result;
        return Note(result, text, entry);
    }

    public override Errno Mkdir(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, uint mode, uint umask, out Entry entry)
    {
        string text = Encoding.UTF8.GetString(name);
        entry = default;
        Errno result = Meet(nameof(Mkdir), text);
        result = result == Errno.OK ? base.Mkdir(context, parent, name, mode, umask, out entry) : result;
        return Note(result, text, entry);
    }

    public override Errno Open(
        in RequestContext context, NodeId node, uint flags, OpenRequestFlags openFlags, out OpenReply reply)
    {
        reply = default;
        Errno result = Meet(nameof(Open), Name(node));
        result = result == Errno.OK ? base.Open(context, node, flags, openFlags, out reply) : result;

        // Each close comes here.
        reply.Flags &= ~OpenReplyFlags.FOPEN_NOFLUSH;
        return result;
    }

    public override Errno Read(
        in RequestContext context, NodeId node, Handle handle, in ReadRequest request, ref DataSink sink)
    {
        long length = sink.Remaining;
        Errno result = faults.Meet(nameof(Read), Name(node), (long)request.Offset, ref length);
        if (result != Errno.OK || length == sink.Remaining)
        {
            return result == Errno.OK ? base.Read(context, node, handle, request, ref sink) : result;
        }

        Span<IoSegment> segments = stackalloc IoSegment[MaxSegments];
        DataSink part = new(segments[..sink.Peek(segments)], length);
        result = base.Read(context, node, handle, request, ref part);
        sink.Advance(part.Written);
        return result;
    }

    public override Errno Write(
        in RequestContext context, NodeId node, Handle handle, in WriteRequest request, ref DataSource source)
    {
        long length;
        Errno result;
        Span<IoSegment> segments = stackalloc IoSegment[MaxSegments];
        do
        {
            length = source.Remaining;
            WriteRequest rest = request with { Offset = request.Offset + (ulong)source.Consumed };
            result = faults.Meet(nameof(Write), Name(node), (long)rest.Offset, ref length);
            if (result == Errno.OK)
            {
                DataSource part = new(segments[..source.Peek(segments)], length);
                result = base.Write(context, node, handle, rest, ref part);
                source.Advance(part.Consumed);
            }
        }
        while (result == Errno.OK && source.Remaining > 0 &&
            (request.WriteFlags & WriteFlags.FUSE_WRITE_CACHE) != 0);

        // The page cache of who mounts this takes no less than all, as it would from a disk.
        return result;
    }

    public override Errno CopyFileRange(in RequestContext context, in CopyFileRangeRequest request, out ulong copied)
    {
        copied = 0;
        long length = (long)Math.Min(request.Length, long.MaxValue);
        Errno result = faults.Meet(
            nameof(CopyFileRange), Name(request.NodeOut), (long)request.OffsetOut, ref length);
        CopyFileRangeRequest part = request;
        part.Length = (ulong)length;
        return result == Errno.OK ? base.CopyFileRange(context, part, out copied) : result;
    }

    public override Errno Fallocate(
        in RequestContext context, NodeId node, Handle handle, uint mode, ulong offset, ulong length)
    {
        // There is no half of one.
        long end = (long)(offset + length);
        Errno result = faults.Meet(nameof(Fallocate), Name(node), (long)offset, ref end);
        return result == Errno.OK ? base.Fallocate(context, node, handle, mode, offset, length) : result;
    }

    public override Errno SetAttr(
        in RequestContext context, NodeId node, in SetAttrRequest request, out AttrReply reply)
    {
        reply = default;
        Errno result = Meet(nameof(SetAttr), Name(node));
        return result == Errno.OK ? base.SetAttr(context, node, request, out reply) : result;
    }

    public override Errno GetAttr(in RequestContext context, NodeId node, Handle handle, out AttrReply reply)
    {
        reply = default;
        Errno result = Meet(nameof(GetAttr), Name(node));
        return result == Errno.OK ? base.GetAttr(context, node, handle, out reply) : result;
    }

    public override Errno Statx(
        in RequestContext context, NodeId node, Handle handle, uint flags, uint mask, out StatxReply reply)
    {
        reply = default;
        Errno result = Meet(nameof(GetAttr), Name(node));
        return result == Errno.OK ? base.Statx(context, node, handle, flags, mask, out reply) : result;
    }

    public override Errno Flush(in RequestContext context, NodeId node, Handle handle, LockOwner lockOwner)
    {
        Errno result = Meet(nameof(Flush), Name(node));
        return result == Errno.OK ? base.Flush(context, node, handle, lockOwner) : result;
    }

    public override Errno Fsync(in RequestContext context, NodeId node, Handle handle, bool dataSync)
    {
        Errno result = Meet(nameof(Fsync), Name(node));
        return result == Errno.OK ? base.Fsync(context, node, handle, dataSync) : result;
    }

    public override Errno Lseek(
        in RequestContext context, NodeId node, Handle handle, ulong offset, uint whence, out ulong result)
    {
        result = 0;
        Errno met = Meet(nameof(Lseek), Name(node));
        return met == Errno.OK ? base.Lseek(context, node, handle, offset, whence, out result) : met;
    }

    public override Errno ReadLink(in RequestContext context, NodeId node, Span<byte> target, out int length)
    {
        length = 0;
        Errno result = Meet(nameof(ReadLink), Name(node));
        return result == Errno.OK ? base.ReadLink(context, node, target, out length) : result;
    }

    public override Errno GetXattr(
        in RequestContext context, NodeId node, ReadOnlySpan<byte> name, Span<byte> value, out int size)
    {
        size = 0;
        Errno result = Meet(nameof(GetXattr), Name(node));
        return result == Errno.OK ? base.GetXattr(context, node, name, value, out size) : result;
    }

    public override Errno ListXattr(in RequestContext context, NodeId node, Span<byte> list, out int size)
    {
        size = 0;
        Errno result = Meet(nameof(ListXattr), Name(node));
        return result == Errno.OK ? base.ListXattr(context, node, list, out size) : result;
    }

    public override Errno OpenDir(in RequestContext context, NodeId node, uint flags, out OpenReply reply)
    {
        reply = default;
        Errno result = Meet(nameof(OpenDir), Name(node));
        return result == Errno.OK ? base.OpenDir(context, node, flags, out reply) : result;
    }

    public override Errno ReadDir(
        in RequestContext context, NodeId node, Handle handle, ulong offset, DirectorySink sink)
    {
        Errno result = Meet(nameof(ReadDir), Name(node));
        return result == Errno.OK ? base.ReadDir(context, node, handle, offset, sink) : result;
    }

    public override Errno Statfs(in RequestContext context, NodeId node, out StatfsReply reply)
    {
        reply = default;
        Errno result = Meet(nameof(Statfs), Name(node));
        return result == Errno.OK ? base.Statfs(context, node, out reply) : result;
    }

    private Errno Meet(string operation, string name)
    {
        long none = 0;
        return faults.Meet(operation, name, 0, ref none);
    }

    private string Name(NodeId node) => _names.TryGetValue(node, out string? name) ? name : "";

    private Errno Note(Errno result, string name, in Entry entry)
    {
        if (result == Errno.OK && entry.Node != NodeId.None)
        {
            _names[entry.Node] = name;
        }

        return result;
    }
}
