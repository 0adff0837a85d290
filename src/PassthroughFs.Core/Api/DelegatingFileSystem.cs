using System;
using System.Collections.Generic;
using System.IO;

namespace PassthroughFs.Core.Api;

/// <summary>
/// Forwards every operation to another file system. Override one method to change one operation: audit, deny, count,
/// encrypt.
/// </summary>
/// <remarks>
/// It can be mounted in a Vfs whatever it wraps: an inner file system that is no <see cref="IBackendFileSystem"/> is asked
/// for the attributes of <see cref="NodeId.Root"/>.
/// </remarks>
/// <param name="inner">The file system that does the work. Not owned: whoever made it disposes of it.</param>
public abstract class DelegatingFileSystem(IFileSystem inner) : IBackendFileSystem, IStatefulFileSystem
{
    /// <summary>The file system that does the work.</summary>
    protected IFileSystem Inner { get; } = inner ?? throw new ArgumentNullException(nameof(inner));

    /// <inheritdoc/>
    public virtual void Attach(in SessionServices services) =>
        Inner.Attach(services);

    /// <inheritdoc/>
    public virtual Errno Mount(out Entry root, out NodeId maxNode)
    {
        if (Inner is IBackendFileSystem backend)
        {
            return backend.Mount(out root, out maxNode);
        }

        Errno result = Inner.GetAttr(default, NodeId.Root, Handle.None, out AttrReply reply);
        root = new Entry
        {
            Node = NodeId.Root,
            Attributes = reply.Attributes,
            EntryTimeout = reply.Timeout,
            AttributesTimeout = reply.Timeout,
        };

        // What it will use it cannot say; each number is checked when it comes.
        maxNode = NodeId.Root;
        return result;
    }

    /// <inheritdoc/>
    public virtual int ListNodes(ulong start, Span<NodeId> nodes, out ulong next)
    {
        next = start;
        return Inner is IBackendFileSystem backend ? backend.ListNodes(start, nodes, out next) : 0;
    }

    /// <inheritdoc/>
    /// <remarks>The inner file system's: a wrapper with a state of its own overrides this.</remarks>
    public virtual void SaveState(Stream stream, IList<int> keepFds) => StatefulInner.SaveState(stream, keepFds);

    /// <inheritdoc/>
    /// <remarks>The inner file system's: a wrapper with a state of its own overrides this.</remarks>
    public virtual void RestoreState(Stream stream, KeptFds fds) => StatefulInner.RestoreState(stream, fds);

    /// <inheritdoc/>
    public virtual Errno Init(in RequestContext context, InitFlags offered, out InitFlags accepted) =>
        Inner.Init(context, offered, out accepted);

    /// <inheritdoc/>
    public virtual void Destroy(in RequestContext context) =>
        Inner.Destroy(context);

    /// <inheritdoc/>
    public virtual Errno Lookup(in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, out Entry entry) =>
        Inner.Lookup(context, parent, name, out entry);

    /// <inheritdoc/>
    public virtual void Forget(in RequestContext context, NodeId node, ulong count) =>
        Inner.Forget(context, node, count);

    /// <inheritdoc/>
    public virtual void BatchForget(in RequestContext context, ReadOnlySpan<ForgetItem> items) =>
        Inner.BatchForget(context, items);

    /// <inheritdoc/>
    public virtual Errno GetAttr(in RequestContext context, NodeId node, Handle handle, out AttrReply reply) =>
        Inner.GetAttr(context, node, handle, out reply);

    /// <inheritdoc/>
    public virtual Errno SetAttr(
        in RequestContext context, NodeId node, in SetAttrRequest request, out AttrReply reply) =>
        Inner.SetAttr(context, node, request, out reply);

    /// <inheritdoc/>
    public virtual Errno ReadLink(in RequestContext context, NodeId node, Span<byte> target, out int length) =>
        Inner.ReadLink(context, node, target, out length);

    /// <inheritdoc/>
    public virtual Errno Symlink(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, ReadOnlySpan<byte> target,
        out Entry entry) =>
        Inner.Symlink(context, parent, name, target, out entry);

    /// <inheritdoc/>
    public virtual Errno Mknod(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, uint mode, uint rdev, uint umask,
        out Entry entry) =>
        Inner.Mknod(context, parent, name, mode, rdev, umask, out entry);

    /// <inheritdoc/>
    public virtual Errno Mkdir(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, uint mode, uint umask, out Entry entry) =>
        Inner.Mkdir(context, parent, name, mode, umask, out entry);

    /// <inheritdoc/>
    public virtual Errno Unlink(in RequestContext context, NodeId parent, ReadOnlySpan<byte> name) =>
        Inner.Unlink(context, parent, name);

    /// <inheritdoc/>
    public virtual Errno Rmdir(in RequestContext context, NodeId parent, ReadOnlySpan<byte> name) =>
        Inner.Rmdir(context, parent, name);

    /// <inheritdoc/>
    public virtual Errno Rename(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, NodeId newParent,
        ReadOnlySpan<byte> newName, uint flags) =>
        Inner.Rename(context, parent, name, newParent, newName, flags);

    /// <inheritdoc/>
    public virtual Errno Link(
        in RequestContext context, NodeId node, NodeId newParent, ReadOnlySpan<byte> newName, out Entry entry) =>
        Inner.Link(context, node, newParent, newName, out entry);

    /// <inheritdoc/>
    public virtual Errno Open(
        in RequestContext context, NodeId node, uint flags, OpenRequestFlags openFlags, out OpenReply reply) =>
        Inner.Open(context, node, flags, openFlags, out reply);

    /// <inheritdoc/>
    public virtual Errno Read(
        in RequestContext context, NodeId node, Handle handle, in ReadRequest request, ref DataSink sink) =>
        Inner.Read(context, node, handle, request, ref sink);

    /// <inheritdoc/>
    public virtual Errno Write(
        in RequestContext context, NodeId node, Handle handle, in WriteRequest request, ref DataSource source) =>
        Inner.Write(context, node, handle, request, ref source);

    /// <inheritdoc/>
    public virtual Errno Statfs(in RequestContext context, NodeId node, out StatfsReply reply) =>
        Inner.Statfs(context, node, out reply);

    /// <inheritdoc/>
    public virtual Errno Release(in RequestContext context, NodeId node, Handle handle, in ReleaseRequest request) =>
        Inner.Release(context, node, handle, request);

    /// <inheritdoc/>
    public virtual Errno Fsync(in RequestContext context, NodeId node, Handle handle, bool dataSync) =>
        Inner.Fsync(context, node, handle, dataSync);

    /// <inheritdoc/>
    public virtual Errno SetXattr(
        in RequestContext context, NodeId node, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, uint flags,
        bool killSgid) =>
        Inner.SetXattr(context, node, name, value, flags, killSgid);

    /// <inheritdoc/>
    public virtual Errno GetXattr(
        in RequestContext context, NodeId node, ReadOnlySpan<byte> name, Span<byte> value, out int size) =>
        Inner.GetXattr(context, node, name, value, out size);

    /// <inheritdoc/>
    public virtual Errno ListXattr(in RequestContext context, NodeId node, Span<byte> list, out int size) =>
        Inner.ListXattr(context, node, list, out size);

    /// <inheritdoc/>
    public virtual Errno RemoveXattr(in RequestContext context, NodeId node, ReadOnlySpan<byte> name) =>
        Inner.RemoveXattr(context, node, name);

    /// <inheritdoc/>
    public virtual Errno Flush(in RequestContext context, NodeId node, Handle handle, LockOwner lockOwner) =>
        Inner.Flush(context, node, handle, lockOwner);

    /// <inheritdoc/>
    public virtual Errno GetLk(
        in RequestContext context, NodeId node, Handle handle, LockOwner owner, in FileLock wanted,
        out FileLock found) => Inner.GetLk(context, node, handle, owner, wanted, out found);

    /// <inheritdoc/>
    public virtual Errno SetLk(
        in RequestContext context, NodeId node, Handle handle, LockOwner owner, in FileLock wanted, LockFlags flags) =>
        Inner.SetLk(context, node, handle, owner, wanted, flags);

    /// <inheritdoc/>
    public virtual Errno OpenDir(in RequestContext context, NodeId node, uint flags, out OpenReply reply) =>
        Inner.OpenDir(context, node, flags, out reply);

    /// <inheritdoc/>
    public virtual Errno ReadDir(
        in RequestContext context, NodeId node, Handle handle, ulong offset, DirectorySink sink) =>
        Inner.ReadDir(context, node, handle, offset, sink);

    /// <inheritdoc/>
    public virtual Errno ReadDirPlus(
        in RequestContext context, NodeId node, Handle handle, ulong offset, DirectorySink sink) =>
        Inner.ReadDirPlus(context, node, handle, offset, sink);

    /// <inheritdoc/>
    public virtual Errno ReleaseDir(in RequestContext context, NodeId node, Handle handle, uint flags) =>
        Inner.ReleaseDir(context, node, handle, flags);

    /// <inheritdoc/>
    public virtual Errno FsyncDir(in RequestContext context, NodeId node, Handle handle, bool dataSync) =>
        Inner.FsyncDir(context, node, handle, dataSync);

    /// <inheritdoc/>
    public virtual Errno Access(in RequestContext context, NodeId node, uint mask) =>
        Inner.Access(context, node, mask);

    /// <inheritdoc/>
    public virtual Errno Create(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, in CreateRequest request,
        out Entry entry, out OpenReply reply) =>
        Inner.Create(context, parent, name, request, out entry, out reply);

    /// <inheritdoc/>
    public virtual Errno TmpFile(
        in RequestContext context, NodeId parent, in CreateRequest request, out Entry entry, out OpenReply reply) =>
        Inner.TmpFile(context, parent, request, out entry, out reply);

    /// <inheritdoc/>
    public virtual Errno Fallocate(
        in RequestContext context, NodeId node, Handle handle, uint mode, ulong offset, ulong length) =>
        Inner.Fallocate(context, node, handle, mode, offset, length);

    /// <inheritdoc/>
    public virtual Errno Lseek(
        in RequestContext context, NodeId node, Handle handle, ulong offset, uint whence, out ulong result) =>
        Inner.Lseek(context, node, handle, offset, whence, out result);

    /// <inheritdoc/>
    public virtual Errno CopyFileRange(
        in RequestContext context, in CopyFileRangeRequest request, out ulong copied) =>
        Inner.CopyFileRange(context, request, out copied);

    /// <inheritdoc/>
    public virtual Errno SyncFs(in RequestContext context, NodeId node) =>
        Inner.SyncFs(context, node);

    /// <inheritdoc/>
    public virtual Errno Statx(
        in RequestContext context, NodeId node, Handle handle, uint flags, uint mask, out StatxReply reply) =>
        Inner.Statx(context, node, handle, flags, mask, out reply);

    /// <inheritdoc/>
    public virtual Errno Ioctl(
        in RequestContext context, NodeId node, Handle handle, uint command, ulong argument,
        ReadOnlySpan<byte> input, Span<byte> output, out int written, out int result) =>
        Inner.Ioctl(context, node, handle, command, argument, input, output, out written, out result);

    /// <inheritdoc/>
    public virtual Errno Bmap(
        in RequestContext context, NodeId node, ulong block, uint blockSize, out ulong result) =>
        Inner.Bmap(context, node, block, blockSize, out result);

    /// <inheritdoc/>
    public virtual Errno Poll(in RequestContext context, NodeId node, Handle handle, uint events, out uint ready) =>
        Inner.Poll(context, node, handle, events, out ready);

    /// <inheritdoc/>
    public virtual Errno SetupMapping(
        in RequestContext context, NodeId node, Handle handle, in DaxMapping mapping, IDaxWindow window) =>
        Inner.SetupMapping(context, node, handle, mapping, window);

    /// <inheritdoc/>
    public virtual Errno RemoveMapping(
        in RequestContext context, NodeId node, ReadOnlySpan<DaxRange> ranges, IDaxWindow window) =>
        Inner.RemoveMapping(context, node, ranges, window);

    private IStatefulFileSystem StatefulInner => Inner as IStatefulFileSystem
        ?? throw new NotSupportedException(
            $"{Inner.GetType()} has no state that can be saved: it is no {nameof(IStatefulFileSystem)}.");
}
