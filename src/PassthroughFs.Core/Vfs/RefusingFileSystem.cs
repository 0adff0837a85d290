using System;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Vfs;

/// <summary>
/// Answers for NodeIds that lead nowhere: always the same error, except that what is open or mapped can be given back.
/// </summary>
internal sealed class RefusingFileSystem(Errno error) : IFileSystem
{
    /// <summary>For what was mounted once.</summary>
    public static RefusingFileSystem Stale { get; } = new(Errno.ESTALE);

    public void Attach(in SessionServices services)
    {
    }

    public Errno Init(in RequestContext context, InitFlags offered, out InitFlags accepted)
    {
        accepted = InitFlags.None;
        return error;
    }

    public void Destroy(in RequestContext context)
    {
    }

    public Errno Lookup(in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, out Entry entry) =>
        Refuse(out entry);

    public void Forget(in RequestContext context, NodeId node, ulong count)
    {
    }

    public void BatchForget(in RequestContext context, ReadOnlySpan<ForgetItem> items)
    {
    }

    public Errno GetAttr(in RequestContext context, NodeId node, Handle handle, out AttrReply reply) =>
        Refuse(out reply);

    public Errno SetAttr(in RequestContext context, NodeId node, in SetAttrRequest request, out AttrReply reply) =>
        Refuse(out reply);

    public Errno ReadLink(in RequestContext context, NodeId node, Span<byte> target, out int length) =>
        Refuse(out length);

    public Errno Symlink(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, ReadOnlySpan<byte> target,
        out Entry entry) => Refuse(out entry);

    public Errno Mknod(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, uint mode, uint rdev, uint umask,
        out Entry entry) => Refuse(out entry);

    public Errno Mkdir(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, uint mode, uint umask, out Entry entry) =>
        Refuse(out entry);

    public Errno Unlink(in RequestContext context, NodeId parent, ReadOnlySpan<byte> name) => error;

    public Errno Rmdir(in RequestContext context, NodeId parent, ReadOnlySpan<byte> name) => error;

    public Errno Rename(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, NodeId newParent,
        ReadOnlySpan<byte> newName, uint flags) => error;

    public Errno Link(
        in RequestContext context, NodeId node, NodeId newParent, ReadOnlySpan<byte> newName, out Entry entry) =>
        Refuse(out entry);

    public Errno Open(
        in RequestContext context, NodeId node, uint flags, OpenRequestFlags openFlags, out OpenReply reply) =>
        Refuse(out reply);

    public Errno Read(
        in RequestContext context, NodeId node, Handle handle, in ReadRequest request, ref DataSink sink) => error;

    public Errno Write(
        in RequestContext context, NodeId node, Handle handle, in WriteRequest request, ref DataSource source) => error;

    public Errno Statfs(in RequestContext context, NodeId node, out StatfsReply reply) => Refuse(out reply);

    public Errno Release(in RequestContext context, NodeId node, Handle handle, in ReleaseRequest request) => Errno.OK;

    public Errno Fsync(in RequestContext context, NodeId node, Handle handle, bool dataSync) => error;

    public Errno SetXattr(
        in RequestContext context, NodeId node, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, uint flags,
        bool killSgid) => error;

    public Errno GetXattr(
        in RequestContext context, NodeId node, ReadOnlySpan<byte> name, Span<byte> value, out int size) =>
        Refuse(out size);

    public Errno ListXattr(in RequestContext context, NodeId node, Span<byte> list, out int size) => Refuse(out size);

    public Errno RemoveXattr(in RequestContext context, NodeId node, ReadOnlySpan<byte> name) => error;

    public Errno Flush(in RequestContext context, NodeId node, Handle handle, LockOwner lockOwner) => error;

    public Errno GetLk(
        in RequestContext context, NodeId node, Handle handle, LockOwner owner, in FileLock wanted, out FileLock found)
    {
        found = default;
        return error;
    }

    public Errno SetLk(
        in RequestContext context, NodeId node, Handle handle, LockOwner owner, in FileLock wanted, LockFlags flags) =>
        error;

    public Errno OpenDir(in RequestContext context, NodeId node, uint flags, out OpenReply reply) =>
        Refuse(out reply);

    public Errno ReadDir(
        in RequestContext context, NodeId node, Handle handle, ulong offset, DirectorySink sink) => error;

    public Errno ReadDirPlus(
        in RequestContext context, NodeId node, Handle handle, ulong offset, DirectorySink sink) => error;

    public Errno ReleaseDir(in RequestContext context, NodeId node, Handle handle, uint flags) => Errno.OK;

    public Errno FsyncDir(in RequestContext context, NodeId node, Handle handle, bool dataSync) => error;

    public Errno Access(in RequestContext context, NodeId node, uint mask) => error;

    public Errno Create(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, in CreateRequest request,
        out Entry entry, out OpenReply reply)
    {
        reply = default;
        return Refuse(out entry);
    }

    public Errno TmpFile(
        in RequestContext context, NodeId parent, in CreateRequest request, out Entry entry, out OpenReply reply)
    {
        reply = default;
        return Refuse(out entry);
    }

    public Errno Fallocate(
        in RequestContext context, NodeId node, Handle handle, uint mode, ulong offset, ulong length) => error;

    public Errno Lseek(
        in RequestContext context, NodeId node, Handle handle, ulong offset, uint whence, out ulong result) =>
        Refuse(out result);

    public Errno CopyFileRange(in RequestContext context, in CopyFileRangeRequest request, out ulong copied) =>
        Refuse(out copied);

    public Errno SyncFs(in RequestContext context, NodeId node) => error;

    public Errno Statx(
        in RequestContext context, NodeId node, Handle handle, uint flags, uint mask, out StatxReply reply) =>
        Refuse(out reply);

    public Errno Ioctl(
        in RequestContext context, NodeId node, Handle handle, uint command, ulong argument,
        ReadOnlySpan<byte> input, Span<byte> output, out int written, out int result)
    {
        result = 0;
        return Refuse(out written);
    }

    public Errno Bmap(in RequestContext context, NodeId node, ulong block, uint blockSize, out ulong result) =>
        Refuse(out result);

    public Errno Poll(in RequestContext context, NodeId node, Handle handle, uint events, out uint ready) =>
        Refuse(out ready);

    public Errno SetupMapping(
        in RequestContext context, NodeId node, Handle handle, in DaxMapping mapping, IDaxWindow window) => error;

    /// <summary>The window is the client's: whatever was mapped there goes.</summary>
    public Errno RemoveMapping(
        in RequestContext context, NodeId node, ReadOnlySpan<DaxRange> ranges, IDaxWindow window)
    {
        ArgumentNullException.ThrowIfNull(window);
        foreach (ref readonly DaxRange range in ranges)
        {
            Errno result = window.Unmap(range);
            if (result != Errno.OK)
            {
                return result;
            }
        }

        return Errno.OK;
    }

    private Errno Refuse<T>(out T reply)
        where T : struct
    {
        reply = default;
        return error;
    }
}
