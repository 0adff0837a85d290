using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Vfs;

public sealed partial class Vfs
{
    /// <inheritdoc/>
    public Errno GetLk(
        in RequestContext context, NodeId node, Handle handle, LockOwner owner, in FileLock wanted, out FileLock found)
    {
        using Request request = Enter(ref node);
        Errno error = request.Slot.FileSystem.GetLk(context, node, handle, owner, wanted, out found);
        return request.Slot.Said(error, Errno.ENOLCK);
    }

    /// <inheritdoc/>
    public Errno SetLk(
        in RequestContext context, NodeId node, Handle handle, LockOwner owner, in FileLock wanted, LockFlags flags)
    {
        using Request request = Enter(ref node);
        Errno error = request.Slot.FileSystem.SetLk(context, node, handle, owner, wanted, flags);
        return request.Slot.Said(error, Errno.ENOLCK);
    }
}
