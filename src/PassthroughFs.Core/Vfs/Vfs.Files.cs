using System;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Vfs;

public sealed partial class Vfs
{
    private const uint SeekData = 3;
    private const uint SeekHole = 4;

    /// <inheritdoc/>
    public Errno Open(
        in RequestContext context, NodeId node, uint flags, OpenRequestFlags openFlags, out OpenReply reply)
    {
        using Request request = Enter(ref node);
        MountSlot slot = request.Slot;
        Errno result = slot.FileSystem.Open(context, node, flags, openFlags, out reply);

        // Not said to a client that must open the files of other mounts. No handle, and the cache is kept, as it does by
        // itself after an ENOSYS.
        return result == Errno.ENOSYS && !slot.MaySayENOSYS(InitFlags.FUSE_NO_OPEN_SUPPORT)
            ? WithoutHandle(OpenReplyFlags.FOPEN_KEEP_CACHE, out reply)
            : result;
    }

    /// <inheritdoc/>
    public Errno Read(
        in RequestContext context, NodeId node, Handle handle, in ReadRequest request, ref DataSink sink)
    {
        using Request entered = Enter(ref node);
        return entered.Slot.FileSystem.Read(context, node, handle, request, ref sink);
    }

    /// <inheritdoc/>
    public Errno Write(
        in RequestContext context, NodeId node, Handle handle, in WriteRequest request, ref DataSource source)
    {
        using Request entered = Enter(ref node);
        return entered.Slot.FileSystem.Write(context, node, handle, request, ref source);
    }

    /// <inheritdoc/>
    public Errno Release(in RequestContext context, NodeId node, Handle handle, in ReleaseRequest request)
    {
        using Request entered = Enter(ref node);
        Errno result = entered.Slot.FileSystem.Release(context, node, handle, request);
        ReclaimAfterRelease(entered.Slot);
        return result;
    }

    /// <inheritdoc/>
    public Errno Fsync(in RequestContext context, NodeId node, Handle handle, bool dataSync)
    {
        using Request request = Enter(ref node);
        return request.Slot.Said(request.Slot.FileSystem.Fsync(context, node, handle, dataSync), Errno.OK);
    }

    /// <inheritdoc/>
    public Errno Flush(in RequestContext context, NodeId node, Handle handle, LockOwner lockOwner)
    {
        using Request request = Enter(ref node);
        return request.Slot.Said(request.Slot.FileSystem.Flush(context, node, handle, lockOwner), Errno.OK);
    }

    /// <inheritdoc/>
    public Errno Fallocate(
        in RequestContext context, NodeId node, Handle handle, uint mode, ulong offset, ulong length)
    {
        using Request request = Enter(ref node);
        Errno result = request.Slot.FileSystem.Fallocate(context, node, handle, mode, offset, length);
        return request.Slot.Said(result, Errno.EOPNOTSUPP);
    }

    /// <inheritdoc/>
    public Errno Lseek(
        in RequestContext context, NodeId node, Handle handle, ulong offset, uint whence, out ulong result)
    {
        using Request request = Enter(ref node);
        MountSlot slot = request.Slot;
        Errno error = slot.FileSystem.Lseek(context, node, handle, offset, whence, out result);
        return error == Errno.ENOSYS && !slot.IsAlone
            ? SeekWithoutHoles(context, slot, node, handle, offset, whence, out result)
            : error;
    }

    /// <inheritdoc/>
    public Errno CopyFileRange(in RequestContext context, in CopyFileRangeRequest request, out ulong copied)
    {
        CopyFileRangeRequest own = request;
        using Request entered = Enter(ref own.NodeIn, ref own.NodeOut, out bool isOneMount);
        if (!isOneMount)
        {
            copied = 0;
            return Errno.EXDEV;
        }

        return entered.Slot.Said(entered.Slot.FileSystem.CopyFileRange(context, own, out copied), Errno.EOPNOTSUPP);
    }

    /// <inheritdoc/>
    public Errno Ioctl(
        in RequestContext context, NodeId node, Handle handle, uint command, ulong argument,
        ReadOnlySpan<byte> input, Span<byte> output, out int written, out int result)
    {
        using Request request = Enter(ref node);
        Errno error = request.Slot.FileSystem.Ioctl(
            context, node, handle, command, argument, input, output, out written, out result);
        return request.Slot.Said(error, Errno.ENOTTY);
    }

    /// <inheritdoc/>
    public Errno Bmap(in RequestContext context, NodeId node, ulong block, uint blockSize, out ulong result)
    {
        using Request request = Enter(ref node);
        Errno error = request.Slot.FileSystem.Bmap(context, node, block, blockSize, out result);
        return request.Slot.Said(error, Errno.EINVAL);
    }

    /// <inheritdoc/>
    public Errno Poll(in RequestContext context, NodeId node, Handle handle, uint events, out uint ready)
    {
        using Request request = Enter(ref node);
        MountSlot slot = request.Slot;
        Errno error = slot.FileSystem.Poll(context, node, handle, events, out ready);
        if (error == Errno.ENOSYS && !slot.IsAlone)
        {
            ready = events;
            return Errno.OK;
        }

        return error;
    }

    private static Errno WithoutHandle(OpenReplyFlags flags, out OpenReply reply)
    {
        reply = new OpenReply { Flags = flags };
        return Errno.OK;
    }

    /// <summary>All data, one hole at the end: what a client assumes after an ENOSYS.</summary>
    private static Errno SeekWithoutHoles(
        in RequestContext context, MountSlot slot, NodeId node, Handle handle, ulong offset, uint whence,
        out ulong result)
    {
        result = 0;
        Errno error = slot.FileSystem.GetAttr(context, node, handle, out AttrReply reply);
        if (error != Errno.OK)
        {
            return error;
        }

        if (whence is not (SeekData or SeekHole))
        {
            return Errno.EINVAL;
        }

        result = whence == SeekData ? offset : reply.Attributes.Size;
        return offset < reply.Attributes.Size ? Errno.OK : Errno.ENXIO;
    }
}
