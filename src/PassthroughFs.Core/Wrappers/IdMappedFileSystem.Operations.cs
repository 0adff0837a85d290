using System;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Wrappers;

namespace PassthroughFs.Core.Vfs;

/// <summary>Each operation that has ids, or a caller: all but the start and end of a session and the forgets.</summary>
public partial class IdMappedFileSystem
{
    /// <inheritdoc/>
    public override Errno Lookup(in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, out Entry entry)
    {
        Errno result = Inner.Lookup(Host(context), parent, name, out entry);
        Show(ref entry.Attributes);
        return result;
    }

    /// <inheritdoc/>
    public override Errno GetAttr(in RequestContext context, NodeId node, Handle handle, out AttrReply reply)
    {
        Errno result = Inner.GetAttr(Host(context), node, handle, out reply);
        Show(ref reply.Attributes);
        return result;
    }

    /// <inheritdoc/>
    public override Errno SetAttr(
        in RequestContext context, NodeId node, in SetAttrRequest request, out AttrReply reply)
    {
        SetAttrRequest own = request;
        Errno result = (own.Valid & SetAttrFields.FATTR_UID) != 0 ? Store(Users, ref own.Uid) : Errno.OK;
        if (result == Errno.OK && (own.Valid & SetAttrFields.FATTR_GID) != 0)
        {
            result = Store(Groups, ref own.Gid);
        }

        if (result != Errno.OK)
        {
            reply = default;
            return result;
        }

        result = Inner.SetAttr(Host(context), node, own, out reply);
        Show(ref reply.Attributes);
        return result;
    }

    /// <inheritdoc/>
    public override Errno Statx(
        in RequestContext context, NodeId node, Handle handle, uint flags, uint mask, out StatxReply reply)
    {
        Errno result = Inner.Statx(Host(context), node, handle, flags, mask, out reply);
        _ = Users.TryToClient(reply.Uid, out reply.Uid);
        _ = Groups.TryToClient(reply.Gid, out reply.Gid);
        return result;
    }

    /// <inheritdoc/>
    public override Errno Symlink(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, ReadOnlySpan<byte> target,
        out Entry entry)
    {
        Errno result = HostOwner(context, out RequestContext host);
        if (result != Errno.OK)
        {
            entry = default;
            return result;
        }

        result = Inner.Symlink(host, parent, name, target, out entry);
        Show(ref entry.Attributes);
        return result;
    }

    /// <inheritdoc/>
    public override Errno Mknod(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, uint mode, uint rdev, uint umask,
        out Entry entry)
    {
        Errno result = HostOwner(context, out RequestContext host);
        if (result != Errno.OK)
        {
            entry = default;
            return result;
        }

        result = Inner.Mknod(host, parent, name, mode, rdev, umask, out entry);
        Show(ref entry.Attributes);
        return result;
    }

    /// <inheritdoc/>
    public override Errno Mkdir(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, uint mode, uint umask, out Entry entry)
    {
        Errno result = HostOwner(context, out RequestContext host);
        if (result != Errno.OK)
        {
            entry = default;
            return result;
        }

        result = Inner.Mkdir(host, parent, name, mode, umask, out entry);
        Show(ref entry.Attributes);
        return result;
    }

    /// <inheritdoc/>
    public override Errno Create(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, in CreateRequest request,
        out Entry entry, out OpenReply reply)
    {
        Errno result = HostOwner(context, out RequestContext host);
        if (result != Errno.OK)
        {
            entry = default;
            reply = default;
            return result;
        }

        result = Inner.Create(host, parent, name, request, out entry, out reply);
        Show(ref entry.Attributes);
        return result;
    }

    /// <inheritdoc/>
    public override Errno TmpFile(
        in RequestContext context, NodeId parent, in CreateRequest request, out Entry entry, out OpenReply reply)
    {
        Errno result = HostOwner(context, out RequestContext host);
        if (result != Errno.OK)
        {
            entry = default;
            reply = default;
            return result;
        }

        result = Inner.TmpFile(host, parent, request, out entry, out reply);
        Show(ref entry.Attributes);
        return result;
    }

    /// <inheritdoc/>
    public override Errno Link(
        in RequestContext context, NodeId node, NodeId newParent, ReadOnlySpan<byte> newName, out Entry entry)
    {
        Errno result = Inner.Link(Host(context), node, newParent, newName, out entry);
        Show(ref entry.Attributes);
        return result;
    }

    /// <inheritdoc/>
    public override Errno ReadDirPlus(
        in RequestContext context, NodeId node, Handle handle, ulong offset, DirectorySink sink)
    {
        // Taken while it is in use: a map inside this one, on the same thread, needs another.
        IdMappedSink own = t_sink ?? new IdMappedSink();
        t_sink = null;
        own.Open(this, sink);
        try
        {
            return Inner.ReadDirPlus(Host(context), node, handle, offset, own);
        }
        finally
        {
            own.Close();
            t_sink = own;
        }
    }

    /// <inheritdoc/>
    public override Errno SetXattr(
        in RequestContext context, NodeId node, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, uint flags,
        bool killSgid) => PosixAcl.IsName(name)
        ? SetAcl(Host(context), node, name, value, flags, killSgid)
        : Inner.SetXattr(Host(context), node, name, value, flags, killSgid);

    /// <inheritdoc/>
    public override Errno GetXattr(
        in RequestContext context, NodeId node, ReadOnlySpan<byte> name, Span<byte> value, out int size)
    {
        Errno result = Inner.GetXattr(Host(context), node, name, value, out size);
        return result == Errno.OK && !value.IsEmpty && PosixAcl.IsName(name) ? ShowAcl(value[..size]) : result;
    }

    /// <inheritdoc/>
    public override Errno ReadLink(
        in RequestContext context, NodeId node, Span<byte> target, out int length) =>
        Inner.ReadLink(Host(context), node, target, out length);

    /// <inheritdoc/>
    public override Errno Unlink(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name) =>
        Inner.Unlink(Host(context), parent, name);

    /// <inheritdoc/>
    public override Errno Rmdir(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name) =>
        Inner.Rmdir(Host(context), parent, name);

    /// <inheritdoc/>
    public override Errno Rename(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, NodeId newParent,
        ReadOnlySpan<byte> newName, uint flags) =>
        Inner.Rename(Host(context), parent, name, newParent, newName, flags);

    /// <inheritdoc/>
    public override Errno Open(
        in RequestContext context, NodeId node, uint flags, OpenRequestFlags openFlags, out OpenReply reply) =>
        Inner.Open(Host(context), node, flags, openFlags, out reply);

    /// <inheritdoc/>
    public override Errno Read(
        in RequestContext context, NodeId node, Handle handle, in ReadRequest request, ref DataSink sink) =>
        Inner.Read(Host(context), node, handle, request, ref sink);

    /// <inheritdoc/>
    public override Errno Write(
        in RequestContext context, NodeId node, Handle handle, in WriteRequest request, ref DataSource source) =>
        Inner.Write(Host(context), node, handle, request, ref source);

    /// <inheritdoc/>
    public override Errno Statfs(
        in RequestContext context, NodeId node, out StatfsReply reply) =>
        Inner.Statfs(Host(context), node, out reply);

    /// <inheritdoc/>
    public override Errno Release(
        in RequestContext context, NodeId node, Handle handle, in ReleaseRequest request) =>
        Inner.Release(Host(context), node, handle, request);

    /// <inheritdoc/>
    public override Errno Fsync(
        in RequestContext context, NodeId node, Handle handle, bool dataSync) =>
        Inner.Fsync(Host(context), node, handle, dataSync);

    /// <inheritdoc/>
    public override Errno ListXattr(
        in RequestContext context, NodeId node, Span<byte> list, out int size) =>
        Inner.ListXattr(Host(context), node, list, out size);

    /// <inheritdoc/>
    public override Errno RemoveXattr(
        in RequestContext context, NodeId node, ReadOnlySpan<byte> name) =>
        Inner.RemoveXattr(Host(context), node, name);

    /// <inheritdoc/>
    public override Errno Flush(
        in RequestContext context, NodeId node, Handle handle, LockOwner lockOwner) =>
        Inner.Flush(Host(context), node, handle, lockOwner);

    /// <inheritdoc/>
    public override Errno GetLk(
        in RequestContext context, NodeId node, Handle handle, LockOwner owner, in FileLock wanted,
        out FileLock found) => Inner.GetLk(Host(context), node, handle, owner, wanted, out found);

    /// <inheritdoc/>
    public override Errno SetLk(
        in RequestContext context, NodeId node, Handle handle, LockOwner owner, in FileLock wanted, LockFlags flags) =>
        Inner.SetLk(Host(context), node, handle, owner, wanted, flags);

    /// <inheritdoc/>
    public override Errno OpenDir(
        in RequestContext context, NodeId node, uint flags, out OpenReply reply) =>
        Inner.OpenDir(Host(context), node, flags, out reply);

    /// <inheritdoc/>
    public override Errno ReadDir(
        in RequestContext context, NodeId node, Handle handle, ulong offset, DirectorySink sink) =>
        Inner.ReadDir(Host(context), node, handle, offset, sink);

    /// <inheritdoc/>
    public override Errno ReleaseDir(
        in RequestContext context, NodeId node, Handle handle, uint flags) =>
        Inner.ReleaseDir(Host(context), node, handle, flags);

    /// <inheritdoc/>
    public override Errno FsyncDir(
        in RequestContext context, NodeId node, Handle handle, bool dataSync) =>
        Inner.FsyncDir(Host(context), node, handle, dataSync);

    /// <inheritdoc/>
    public override Errno Access(
        in RequestContext context, NodeId node, uint mask) =>
        Inner.Access(Host(context), node, mask);

    /// <inheritdoc/>
    public override Errno Fallocate(
        in RequestContext context, NodeId node, Handle handle, uint mode, ulong offset, ulong length) =>
        Inner.Fallocate(Host(context), node, handle, mode, offset, length);

    /// <inheritdoc/>
    public override Errno Lseek(
        in RequestContext context, NodeId node, Handle handle, ulong offset, uint whence, out ulong result) =>
        Inner.Lseek(Host(context), node, handle, offset, whence, out result);

    /// <inheritdoc/>
    public override Errno CopyFileRange(
        in RequestContext context, in CopyFileRangeRequest request, out ulong copied) =>
        Inner.CopyFileRange(Host(context), request, out copied);

    /// <inheritdoc/>
    public override Errno SyncFs(
        in RequestContext context, NodeId node) =>
        Inner.SyncFs(Host(context), node);

    /// <inheritdoc/>
    public override Errno Ioctl(
        in RequestContext context, NodeId node, Handle handle, uint command, ulong argument,
        ReadOnlySpan<byte> input, Span<byte> output, out int written, out int result) =>
        Inner.Ioctl(Host(context), node, handle, command, argument, input, output, out written, out result);

    /// <inheritdoc/>
    public override Errno Bmap(
        in RequestContext context, NodeId node, ulong block, uint blockSize, out ulong result) =>
        Inner.Bmap(Host(context), node, block, blockSize, out result);

    /// <inheritdoc/>
    public override Errno Poll(
        in RequestContext context, NodeId node, Handle handle, uint events, out uint ready) =>
        Inner.Poll(Host(context), node, handle, events, out ready);

    /// <inheritdoc/>
    public override Errno SetupMapping(
        in RequestContext context, NodeId node, Handle handle, in DaxMapping mapping, IDaxWindow window) =>
        Inner.SetupMapping(Host(context), node, handle, mapping, window);

    /// <inheritdoc/>
    public override Errno RemoveMapping(
        in RequestContext context, NodeId node, ReadOnlySpan<DaxRange> ranges, IDaxWindow window) =>
        Inner.RemoveMapping(Host(context), node, ranges, window);
}
