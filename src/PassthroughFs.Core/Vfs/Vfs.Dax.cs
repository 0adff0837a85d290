using System;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Vfs;

public sealed partial class Vfs
{
    /// <inheritdoc/>
    public Errno SetupMapping(
        in RequestContext context, NodeId node, Handle handle, in DaxMapping mapping, IDaxWindow window)
    {
        using Request request = Enter(ref node);
        Errno result = request.Slot.FileSystem.SetupMapping(context, node, handle, mapping, window);
        return request.Slot.Said(result, Errno.EOPNOTSUPP);
    }

    /// <inheritdoc/>
    public Errno RemoveMapping(
        in RequestContext context, NodeId node, ReadOnlySpan<DaxRange> ranges, IDaxWindow window)
    {
        using Request request = Enter(ref node);
        Errno result = request.Slot.FileSystem.RemoveMapping(context, node, ranges, window);
        return request.Slot.Said(result, Errno.EOPNOTSUPP);
    }
}
