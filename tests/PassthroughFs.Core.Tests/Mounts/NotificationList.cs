using System;
using System.Collections.Generic;
using System.Text;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Tests.Mounts;

/// <summary>Writes down what the client is told.</summary>
internal sealed class NotificationList : INotificationSink
{
    public List<string> Told { get; } = [];

    /// <summary>What the client does about it; null for a client that is too old.</summary>
    public Action<NodeId[]>? OnPrune { get; set; }

    public Errno InvalidateInode(NodeId node, long offset, long length) => Note($"inode {node}");

    public Errno InvalidateEntry(NodeId parent, ReadOnlySpan<byte> name, bool expireOnly = false) =>
        Note($"entry {parent} {Encoding.UTF8.GetString(name)}");

    public Errno Delete(NodeId parent, NodeId child, ReadOnlySpan<byte> name) => Note("delete");

    public Errno Store(NodeId node, ulong offset, ReadOnlySpan<byte> data) => Note("store");

    public Errno Resend() => Note("resend");

    public Errno Prune(ReadOnlySpan<NodeId> nodes)
    {
        OnPrune?.Invoke(nodes.ToArray());
        return OnPrune is null ? Errno.EOPNOTSUPP : Errno.OK;
    }

    private Errno Note(string what)
    {
        Told.Add(what);
        return Errno.OK;
    }
}
