using System;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Vfs;

public sealed partial class Vfs
{
    private const int ForgetChunk = 64;

    /// <inheritdoc/>
    public Errno Lookup(in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, out Entry entry)
    {
        using Request request = Enter(ref parent);
        MountSlot slot = request.Slot;
        if (slot.Parent != 0 && parent.Value == slot.Root && name.SequenceEqual(".."u8))
        {
            return _table.Pseudo.LookupDirectory(slot.Parent, out entry);
        }

        Errno result = slot.FileSystem.Lookup(context, parent, name, out entry);
        return result == Errno.OK ? Publish(context, slot, ref entry) : result;
    }

    /// <inheritdoc/>
    public void Forget(in RequestContext context, NodeId node, ulong count)
    {
        using Request request = Enter(ref node);
        MountSlot slot = request.Slot;
        if (node.Value != slot.Root)
        {
            slot.FileSystem.Forget(context, node, count);
        }

        slot.Return(count);
    }

    /// <inheritdoc/>
    public void BatchForget(in RequestContext context, ReadOnlySpan<ForgetItem> items)
    {
        Span<ForgetItem> own = stackalloc ForgetItem[ForgetChunk];
        while (!items.IsEmpty)
        {
            // As many as are of one mount.
            NodeId node = items[0].Node;
            ulong index = node.Value >> IndexShift;
            using Request request = Enter(ref node);
            MountSlot slot = request.Slot;
            int taken = 0;
            int kept = 0;
            ulong count = 0;
            while (taken < items.Length && kept < own.Length && items[taken].Node.Value >> IndexShift == index)
            {
                ForgetItem item = items[taken++];
                ulong number = item.Node.Value & MaxNodeIdValue;
                count = ulong.MaxValue - count < item.Count ? ulong.MaxValue : count + item.Count;
                if (number != slot.Root)
                {
                    own[kept++] = new ForgetItem(new NodeId(number), item.Count);
                }
            }

            slot.FileSystem.BatchForget(context, own[..kept]);
            slot.Return(count);
            items = items[taken..];
        }
    }

    /// <summary>The entry of a mount's root, for its parent. Counts a hold; the file system counts none.</summary>
    internal Errno LookupRoot(in RequestContext context, MountSlot slot, out Entry entry)
    {
        entry = slot.Mount!.Root;
        RequestThread thread = RequestThread.Current;
        thread.Enter(slot);
        using var request = new Request(thread, slot);
        if (!_table.Has(slot))
        {
            // Unmounted since the directory was read: the client asks again.
            return Errno.ESTALE;
        }

        Errno result = slot.FileSystem.GetAttr(context, entry.Node, Handle.None, out AttrReply attributes);
        if (result != Errno.OK)
        {
            return result;
        }

        entry.Attributes = attributes.Attributes;
        _ = slot.TryPublish(ref entry);
        return Errno.OK;
    }
}
