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
        return request.Slot.FileSystem.SetupMapping(context, node, handle, mapping, window);
    }

    /// <inheritdoc/>
    public Errno RemoveMapping(
        in RequestContext context, NodeId node, ReadOnlySpan<DaxRange> ranges, IDaxWindow window)
    {
        using Request request = Enter(ref node);
        return request.Slot.FileSystem.RemoveMapping(context, node, ranges, window);
    }
}
