using System;
using System.Collections.Generic;
using System.Text;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Tests.Mounts;

/// <summary>Writes down what the client is told.</summary>
internal sealed class NotificationList : INotificationSink
{
    public List<string> Told { get; } = [];

    public Errno InvalidateInode(NodeId node, long offset, long length) => Note($"inode {node}");

    public Errno InvalidateEntry(NodeId parent, ReadOnlySpan<byte> name, bool expireOnly = false) =>
        Note($"entry {parent} {Encoding.UTF8.GetString(name)}");

    public Errno Delete(NodeId parent, NodeId child, ReadOnlySpan<byte> name) => Note("delete");

    public Errno Store(NodeId node, ulong offset, ReadOnlySpan<byte> data) => Note("store");

    public Errno Resend() => Note("resend");

    public Errno Prune(ReadOnlySpan<NodeId> nodes) => Note("prune");

    private Errno Note(string what)
    {
        Told.Add(what);
        return Errno.OK;
    }
}
