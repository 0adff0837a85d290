using System;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Vfs;

public sealed partial class Vfs
{
    /// <inheritdoc/>
    public Errno ReadLink(in RequestContext context, NodeId node, Span<byte> target, out int length)
    {
        using Request request = Enter(ref node);
        return request.Slot.FileSystem.ReadLink(context, node, target, out length);
    }

    /// <inheritdoc/>
    public Errno Symlink(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, ReadOnlySpan<byte> target,
        out Entry entry)
    {
        using Request request = Enter(ref parent);
        Errno result = request.Slot.FileSystem.Symlink(context, parent, name, target, out entry);
        return result == Errno.OK ? Publish(context, request.Slot, ref entry) : result;
    }

    /// <inheritdoc/>
    public Errno Mknod(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, uint mode, uint rdev, uint umask,
        out Entry entry)
    {
        using Request request = Enter(ref parent);
        Errno result = request.Slot.FileSystem.Mknod(context, parent, name, mode, rdev, umask, out entry);
        return result == Errno.OK ? Publish(context, request.Slot, ref entry) : result;
    }

    /// <inheritdoc/>
    public Errno Mkdir(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, uint mode, uint umask, out Entry entry)
    {
        using Request request = Enter(ref parent);
        Errno result = request.Slot.FileSystem.Mkdir(context, parent, name, mode, umask, out entry);
        return result == Errno.OK ? Publish(context, request.Slot, ref entry) : result;
    }

    /// <inheritdoc/>
    public Errno Unlink(in RequestContext context, NodeId parent, ReadOnlySpan<byte> name)
    {
        using Request request = Enter(ref parent);
        return request.Slot.FileSystem.Unlink(context, parent, name);
    }

    /// <inheritdoc/>
    public Errno Rmdir(in RequestContext context, NodeId parent, ReadOnlySpan<byte> name)
    {
        using Request request = Enter(ref parent);
        return request.Slot.FileSystem.Rmdir(context, parent, name);
    }

    /// <inheritdoc/>
    public Errno Rename(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, NodeId newParent,
        ReadOnlySpan<byte> newName, uint flags)
    {
        using Request request = Enter(ref parent, ref newParent, out bool isOneMount);
        if (!isOneMount)
        {
            return Errno.EXDEV;
        }

        // With flags, ENOSYS would say that no mount has any.
        Errno result = request.Slot.FileSystem.Rename(context, parent, name, newParent, newName, flags);
        return flags == 0 ? result : request.Slot.Said(result, Errno.EINVAL);
    }

    /// <inheritdoc/>
    public Errno Link(
        in RequestContext context, NodeId node, NodeId newParent, ReadOnlySpan<byte> newName, out Entry entry)
    {
        using Request request = Enter(ref node, ref newParent, out bool isOneMount);
        if (!isOneMount)
        {
            entry = default;
            return Errno.EXDEV;
        }

        Errno result = request.Slot.FileSystem.Link(context, node, newParent, newName, out entry);
        return result == Errno.OK ? Publish(context, request.Slot, ref entry) : result;
    }

    /// <inheritdoc/>
    public Errno Create(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, in CreateRequest request,
        out Entry entry, out OpenReply reply)
    {
        using Request entered = Enter(ref parent);
        Errno result = entered.Slot.FileSystem.Create(context, parent, name, request, out entry, out reply);
        return result == Errno.OK ? PublishOpen(context, entered.Slot, ref entry, ref reply) : result;
    }

    /// <inheritdoc/>
    public Errno TmpFile(
        in RequestContext context, NodeId parent, in CreateRequest request, out Entry entry, out OpenReply reply)
    {
        using Request entered = Enter(ref parent);
        MountSlot slot = entered.Slot;
        Errno result = slot.FileSystem.TmpFile(context, parent, request, out entry, out reply);
        return result == Errno.OK
            ? PublishOpen(context, slot, ref entry, ref reply)
            : slot.Said(result, Errno.EOPNOTSUPP);
    }

    private Errno PublishOpen(in RequestContext context, MountSlot slot, ref Entry entry, ref OpenReply reply)
    {
        NodeId node = entry.Node;
        Errno result = Publish(context, slot, ref entry);
        if (result != Errno.OK && !reply.Handle.IsNone)
        {
            _ = slot.FileSystem.Release(context, node, reply.Handle, default);
            reply = default;
        }

        return result;
    }
}
