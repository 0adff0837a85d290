using System;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Vfs;

public sealed partial class Vfs
{
    /// <inheritdoc/>
    public Errno OpenDir(in RequestContext context, NodeId node, uint flags, out OpenReply reply)
    {
        using Request request = Enter(ref node);
        MountSlot slot = request.Slot;
        Errno result = slot.FileSystem.OpenDir(context, node, flags, out reply);
        return result == Errno.ENOSYS && !slot.MaySayENOSYS(InitFlags.FUSE_NO_OPENDIR_SUPPORT)
            ? WithoutHandle(OpenReplyFlags.FOPEN_KEEP_CACHE | OpenReplyFlags.FOPEN_CACHE_DIR, out reply)
            : result;
    }

    /// <inheritdoc/>
    public Errno ReadDir(in RequestContext context, NodeId node, Handle handle, ulong offset, DirectorySink sink) =>
        List(context, node, handle, offset, sink, plus: false);

    /// <inheritdoc/>
    public Errno ReadDirPlus(in RequestContext context, NodeId node, Handle handle, ulong offset, DirectorySink sink) =>
        List(context, node, handle, offset, sink, plus: true);

    /// <inheritdoc/>
    public Errno ReleaseDir(in RequestContext context, NodeId node, Handle handle, uint flags)
    {
        using Request request = Enter(ref node);
        Errno result = request.Slot.FileSystem.ReleaseDir(context, node, handle, flags);
        ReclaimAfterRelease(request.Slot);
        return result;
    }

    /// <inheritdoc/>
    public Errno FsyncDir(in RequestContext context, NodeId node, Handle handle, bool dataSync)
    {
        using Request request = Enter(ref node);
        return request.Slot.Said(request.Slot.FileSystem.FsyncDir(context, node, handle, dataSync), Errno.OK);
    }

    private Errno List(
        in RequestContext context, NodeId node, Handle handle, ulong offset, DirectorySink sink, bool plus)
    {
        ArgumentNullException.ThrowIfNull(sink);
        using Request request = Enter(ref node);
        MountSlot slot = request.Slot;

        // What has not agreed to give nodes gives names alone, and the client looks them up.
        plus = plus && (slot.Accepted & InitFlags.FUSE_DO_READDIRPLUS) != 0;
        if (slot.Prefix == 0)
        {
            // The pseudo file system names the mounts' nodes already.
            return ListInto(context, slot, node, handle, offset, sink, plus);
        }

        VfsDirectorySink own = request.Thread.TakeSink();
        own.Open(this, sink, slot, slot.Root == node.Value ? slot.Parent : 0);
        try
        {
            return ListInto(context, slot, node, handle, offset, own, plus);
        }
        finally
        {
            own.Close();
            request.Thread.GiveBack(own);
        }
    }

    private static Errno ListInto(
        in RequestContext context, MountSlot slot, NodeId node, Handle handle, ulong offset, DirectorySink sink,
        bool plus) => plus
        ? slot.FileSystem.ReadDirPlus(context, node, handle, offset, sink)
        : slot.FileSystem.ReadDir(context, node, handle, offset, sink);
}
