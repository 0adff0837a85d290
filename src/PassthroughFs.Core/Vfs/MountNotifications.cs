using System;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Vfs;

/// <summary>
/// The way to the client for one mounted file system: gives its numbers the index. Ends when the file system is released,
/// as the index may be another's then.
/// </summary>
internal sealed class MountNotifications(INotificationSink inner, VfsMount mount) : INotificationSink
{
    private const int PruneChunk = 64;

    /// <summary>What a mount is offered by the session.</summary>
    public static SessionServices For(VfsMount mount, INotificationSink inner, in SessionServices services) => services with
    {
        Notifications = mount.Index == 0 ? inner : new MountNotifications(inner, mount),
    };

    public Errno InvalidateInode(NodeId node, long offset, long length) =>
        IsOver ? Errno.ENOTCONN : inner.InvalidateInode(Client(node), offset, length);

    public Errno InvalidateEntry(NodeId parent, ReadOnlySpan<byte> name, bool expireOnly = false) =>
        IsOver ? Errno.ENOTCONN : inner.InvalidateEntry(Client(parent), name, expireOnly);

    public Errno Delete(NodeId parent, NodeId child, ReadOnlySpan<byte> name) =>
        IsOver ? Errno.ENOTCONN : inner.Delete(Client(parent), Client(child), name);

    public Errno Store(NodeId node, ulong offset, ReadOnlySpan<byte> data) =>
        IsOver ? Errno.ENOTCONN : inner.Store(Client(node), offset, data);

    public Errno Resend() => IsOver ? Errno.ENOTCONN : inner.Resend();

    public Errno Prune(ReadOnlySpan<NodeId> nodes)
    {
        Errno result = IsOver ? Errno.ENOTCONN : Errno.OK;
        Span<NodeId> own = stackalloc NodeId[PruneChunk];
        for (int done = 0; done < nodes.Length && result == Errno.OK; done += PruneChunk)
        {
            ReadOnlySpan<NodeId> chunk = nodes.Slice(done, Math.Min(PruneChunk, nodes.Length - done));
            for (int i = 0; i < chunk.Length; i++)
            {
                own[i] = Client(chunk[i]);
            }

            result = inner.Prune(own[..chunk.Length]);
        }

        return result;
    }

    private bool IsOver => mount.State == MountState.Released;

    private NodeId Client(NodeId node) => new(((ulong)mount.Index << Vfs.IndexShift) | node.Value);
}
