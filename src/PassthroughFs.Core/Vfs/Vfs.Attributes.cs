using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Vfs;

public sealed partial class Vfs
{
    /// <inheritdoc/>
    public Errno GetAttr(in RequestContext context, NodeId node, Handle handle, out AttrReply reply)
    {
        using Request request = Enter(ref node);
        MountSlot slot = request.Slot;
        Errno result = slot.FileSystem.GetAttr(context, node, handle, out reply);
        reply.Attributes.Ino = slot.ShownIno(reply.Attributes.Ino);
        return result;
    }

    /// <inheritdoc/>
    public Errno SetAttr(in RequestContext context, NodeId node, in SetAttrRequest request, out AttrReply reply)
    {
        using Request entered = Enter(ref node);
        MountSlot slot = entered.Slot;
        Errno result = slot.FileSystem.SetAttr(context, node, request, out reply);
        reply.Attributes.Ino = slot.ShownIno(reply.Attributes.Ino);
        return result;
    }

    /// <inheritdoc/>
    public Errno Statx(
        in RequestContext context, NodeId node, Handle handle, uint flags, uint mask, out StatxReply reply)
    {
        using Request request = Enter(ref node);
        MountSlot slot = request.Slot;
        Errno result = slot.FileSystem.Statx(context, node, handle, flags, mask, out reply);
        if (result == Errno.ENOSYS && !slot.IsAlone)
        {
            result = slot.FileSystem.GetAttr(context, node, handle, out AttrReply attributes);
            StatxFromAttributes.Fill(attributes, out reply);
        }

        reply.Ino = slot.ShownIno(reply.Ino);
        return result;
    }

    /// <inheritdoc/>
    public Errno Statfs(in RequestContext context, NodeId node, out StatfsReply reply)
    {
        using Request request = Enter(ref node);
        return request.Slot.FileSystem.Statfs(context, node, out reply);
    }

    /// <inheritdoc/>
    public Errno Access(in RequestContext context, NodeId node, uint mask)
    {
        using Request request = Enter(ref node);
        return request.Slot.Said(request.Slot.FileSystem.Access(context, node, mask), Errno.OK);
    }

    /// <inheritdoc/>
    public Errno SyncFs(in RequestContext context, NodeId node)
    {
        using Request request = Enter(ref node);
        return request.Slot.Said(request.Slot.FileSystem.SyncFs(context, node), Errno.OK);
    }

    /// <summary>Makes all mounts durable; the first error counts, after all had their turn.</summary>
    internal Errno SyncMounts(in RequestContext context)
    {
        Errno result = Errno.OK;
        foreach (MountSlot slot in _table.Slots)
        {
            if (slot.Mount is { State: MountState.Live } mount)
            {
                Errno error = SyncFs(context, new NodeId(slot.Prefix | slot.Root));
                result = result == Errno.OK && mount.State == MountState.Live ? error : result;
            }
        }

        return result;
    }
}
