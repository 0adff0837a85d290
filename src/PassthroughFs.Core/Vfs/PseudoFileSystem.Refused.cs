using System;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Vfs;

/// <summary>What cannot be done to a directory that is only there to lead to mounts.</summary>
internal sealed partial class PseudoFileSystem
{
    public Errno SetAttr(in RequestContext context, NodeId node, in SetAttrRequest request, out AttrReply reply)
    {
        reply = default;
        return Refuse(node, Errno.EROFS);
    }

    public Errno ReadLink(in RequestContext context, NodeId node, Span<byte> target, out int length)
    {
        length = 0;
        return Refuse(node, Errno.EINVAL);
    }

    public Errno Symlink(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, ReadOnlySpan<byte> target,
        out Entry entry)
    {
        entry = default;
        return RefuseNew(parent, name);
    }

    public Errno Mknod(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, uint mode, uint rdev, uint umask,
        out Entry entry)
    {
        entry = default;
        return RefuseNew(parent, name);
    }

    public Errno Mkdir(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, uint mode, uint umask, out Entry entry)
    {
        entry = default;
        return RefuseNew(parent, name);
    }

    public Errno Unlink(in RequestContext context, NodeId parent, ReadOnlySpan<byte> name) =>
        RefuseOld(parent, name);

    public Errno Rmdir(in RequestContext context, NodeId parent, ReadOnlySpan<byte> name) => RefuseOld(parent, name);

    public Errno Rename(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, NodeId newParent,
        ReadOnlySpan<byte> newName, uint flags) => RefuseOld(parent, name);

    public Errno Link(
        in RequestContext context, NodeId node, NodeId newParent, ReadOnlySpan<byte> newName, out Entry entry)
    {
        entry = default;
        return Refuse(node, Errno.EPERM);
    }

    public Errno Open(
        in RequestContext context, NodeId node, uint flags, OpenRequestFlags openFlags, out OpenReply reply)
    {
        reply = default;
        return Refuse(node, Errno.EISDIR);
    }

    public Errno Read(
        in RequestContext context, NodeId node, Handle handle, in ReadRequest request, ref DataSink sink) =>
        Refuse(node, Errno.EISDIR);

    public Errno Write(
        in RequestContext context, NodeId node, Handle handle, in WriteRequest request, ref DataSource source) =>
        Refuse(node, Errno.EISDIR);

    public Errno Release(in RequestContext context, NodeId node, Handle handle, in ReleaseRequest request) => Errno.OK;

    public Errno Fsync(in RequestContext context, NodeId node, Handle handle, bool dataSync) =>
        Refuse(node, Errno.OK);

    public Errno SetXattr(
        in RequestContext context, NodeId node, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, uint flags,
        bool killSgid) => Refuse(node, Errno.EOPNOTSUPP);

    public Errno GetXattr(
        in RequestContext context, NodeId node, ReadOnlySpan<byte> name, Span<byte> value, out int size)
    {
        size = 0;
        return Refuse(node, Errno.EOPNOTSUPP);
    }

    public Errno ListXattr(in RequestContext context, NodeId node, Span<byte> list, out int size)
    {
        size = 0;
        return Refuse(node, Errno.EOPNOTSUPP);
    }

    public Errno RemoveXattr(in RequestContext context, NodeId node, ReadOnlySpan<byte> name) =>
        Refuse(node, Errno.EOPNOTSUPP);

    public Errno Flush(in RequestContext context, NodeId node, Handle handle, LockOwner lockOwner) =>
        Refuse(node, Errno.OK);

    public Errno GetLk(
        in RequestContext context, NodeId node, Handle handle, LockOwner owner, in FileLock wanted, out FileLock found)
    {
        found = default;
        return Refuse(node, Errno.ENOLCK);
    }

    public Errno SetLk(
        in RequestContext context, NodeId node, Handle handle, LockOwner owner, in FileLock wanted, LockFlags flags) =>
        Refuse(node, Errno.ENOLCK);

    public Errno Create(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, in CreateRequest request,
        out Entry entry, out OpenReply reply)
    {
        entry = default;
        reply = default;
        return RefuseNew(parent, name);
    }

    public Errno TmpFile(
        in RequestContext context, NodeId parent, in CreateRequest request, out Entry entry, out OpenReply reply)
    {
        entry = default;
        reply = default;
        return Refuse(parent, Errno.EROFS);
    }

    public Errno Fallocate(
        in RequestContext context, NodeId node, Handle handle, uint mode, ulong offset, ulong length) =>
        Refuse(node, Errno.EISDIR);

    public Errno Lseek(
        in RequestContext context, NodeId node, Handle handle, ulong offset, uint whence, out ulong result)
    {
        result = 0;
        return Refuse(node, Errno.EISDIR);
    }

    public Errno CopyFileRange(in RequestContext context, in CopyFileRangeRequest request, out ulong copied)
    {
        copied = 0;
        return Refuse(request.NodeIn, Errno.EISDIR);
    }

    public Errno Ioctl(
        in RequestContext context, NodeId node, Handle handle, uint command, ulong argument,
        ReadOnlySpan<byte> input, Span<byte> output, out int written, out int result)
    {
        written = 0;
        result = 0;
        return Refuse(node, Errno.ENOTTY);
    }

    public Errno Bmap(in RequestContext context, NodeId node, ulong block, uint blockSize, out ulong result)
    {
        result = 0;
        return Refuse(node, Errno.EINVAL);
    }

    public Errno Poll(in RequestContext context, NodeId node, Handle handle, uint events, out uint ready)
    {
        ready = events;
        return Refuse(node, Errno.OK);
    }

    public Errno SetupMapping(
        in RequestContext context, NodeId node, Handle handle, in DaxMapping mapping, IDaxWindow window) =>
        Refuse(node, Errno.EISDIR);

    public Errno RemoveMapping(
        in RequestContext context, NodeId node, ReadOnlySpan<DaxRange> ranges, IDaxWindow window) =>
        Refuse(node, Errno.EISDIR);

    private Errno Refuse(NodeId node, Errno error)
    {
        Errno result = Check(node);
        return result == Errno.OK ? error : result;
    }

    private Errno RefuseNew(NodeId parent, ReadOnlySpan<byte> name) => tree.Find(parent.Value) is not { } directory
        ? Errno.ESTALE
        : directory.Find(name) is null ? Errno.EROFS : Errno.EEXIST;

    private Errno RefuseOld(NodeId parent, ReadOnlySpan<byte> name) => tree.Find(parent.Value) is not { } directory
        ? Errno.ESTALE
        : directory.Find(name) is null ? Errno.ENOENT : Errno.EBUSY;
}
