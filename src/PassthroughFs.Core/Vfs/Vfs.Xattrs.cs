using System;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Vfs;

public sealed partial class Vfs
{
    /// <inheritdoc/>
    public Errno SetXattr(
        in RequestContext context, NodeId node, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, uint flags,
        bool killSgid)
    {
        using Request request = Enter(ref node);
        Errno result = request.Slot.FileSystem.SetXattr(context, node, name, value, flags, killSgid);
        return request.Slot.Said(result, Errno.EOPNOTSUPP);
    }

    /// <inheritdoc/>
    public Errno GetXattr(
        in RequestContext context, NodeId node, ReadOnlySpan<byte> name, Span<byte> value, out int size)
    {
        using Request request = Enter(ref node);
        Errno result = request.Slot.FileSystem.GetXattr(context, node, name, value, out size);
        return request.Slot.Said(result, Errno.EOPNOTSUPP);
    }

    /// <inheritdoc/>
    public Errno ListXattr(in RequestContext context, NodeId node, Span<byte> list, out int size)
    {
        using Request request = Enter(ref node);
        Errno result = request.Slot.FileSystem.ListXattr(context, node, list, out size);
        return request.Slot.Said(result, Errno.EOPNOTSUPP);
    }

    /// <inheritdoc/>
    public Errno RemoveXattr(in RequestContext context, NodeId node, ReadOnlySpan<byte> name)
    {
        using Request request = Enter(ref node);
        Errno result = request.Slot.FileSystem.RemoveXattr(context, node, name);
        return request.Slot.Said(result, Errno.EOPNOTSUPP);
    }
}
