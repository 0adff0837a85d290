using System;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Vfs;

/// <summary>Notifications of one mount: its own numbers in, the client's out.</summary>
internal sealed class MountNotifications(INotificationSink client, ulong prefix) : INotificationSink
{
    /// <summary>How many nodes are translated at once.</summary>
    private const int Chunk = 64;

    public Errno InvalidateInode(NodeId node, long offset, long length) =>
        client.InvalidateInode(Outside(node), offset, length);

    public Errno InvalidateEntry(NodeId parent, ReadOnlySpan<byte> name, bool expireOnly = false) =>
        client.InvalidateEntry(Outside(parent), name, expireOnly);

    public Errno Delete(NodeId parent, NodeId child, ReadOnlySpan<byte> name) =>
        client.Delete(Outside(parent), Outside(child), name);

    public Errno Store(NodeId node, ulong offset, ReadOnlySpan<byte> data) =>
        client.Store(Outside(node), offset, data);

    public Errno Resend() => client.Resend();

    public Errno Prune(ReadOnlySpan<NodeId> nodes)
    {
        Span<NodeId> outside = stackalloc NodeId[Chunk];
        Errno result = Errno.OK;
        while (!nodes.IsEmpty && result == Errno.OK)
        {
            int count = Math.Min(nodes.Length, Chunk);
            for (int i = 0; i < count; i++)
            {
                outside[i] = Outside(nodes[i]);
            }

            result = client.Prune(outside[..count]);
            nodes = nodes[count..];
        }

        return result;
    }

    private NodeId Outside(NodeId node) => new(node.Value | prefix);
}
