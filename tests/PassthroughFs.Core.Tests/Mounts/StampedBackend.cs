using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Text;
using System.Threading;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Tests.Mounts;

/// <summary>
/// A back end whose every node says whose it is: its size is the back end's stamp. A lookup of "N" finds node N. Counts
/// what the client holds, and notes whoever comes after it was disposed of.
/// </summary>
internal sealed class StampedBackend(int stamp) : IBackendFileSystem
{
    public const ulong RootIno = 7;

    private readonly Lock _lock = new();
    private readonly Dictionary<ulong, ulong> _held = [];

    public NodeId MaxNode { get; init; } = new(1UL << 40);

    public NodeId Root { get; init; } = NodeId.Root;

    public InitFlags Honours { get; init; } = (InitFlags)ulong.MaxValue;

    public Errno InitResult { get; set; }

    public Errno MountResult { get; set; }

    public List<InitFlags> Inits { get; } = [];

    public int Destroys { get; private set; }

    public bool Disposed { get; set; }

    public bool CalledTooLate { get; private set; }

    /// <summary>Runs inside GETATTR.</summary>
    public Action? InGetAttr { get; set; }

    public ulong Held(ulong node)
    {
        lock (_lock)
        {
            return _held.GetValueOrDefault(node);
        }
    }

    public Errno Mount(out Entry root, out NodeId maxNode)
    {
        root = EntryOf(Root.Value);
        maxNode = MaxNode;
        return MountResult;
    }

    public SessionServices Services { get; private set; }

    public void Attach(in SessionServices services) => Services = services;

    public Errno Init(in RequestContext context, InitFlags offered, out InitFlags accepted)
    {
        Inits.Add(offered);
        accepted = offered & Honours;
        return InitResult;
    }

    public void Destroy(in RequestContext context)
    {
        Note();
        Destroys++;
        lock (_lock)
        {
            _held.Clear();
        }
    }

    public Errno Lookup(in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, out Entry entry)
    {
        Note();
        entry = default;
        string text = Encoding.UTF8.GetString(name);
        if (text == "..")
        {
            entry = EntryOf(Root.Value);
            return Errno.OK;
        }

        if (!ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out ulong node))
        {
            return Errno.ENOENT;
        }

        entry = EntryOf(node);
        lock (_lock)
        {
            _held[node] = _held.GetValueOrDefault(node) + 1;
        }

        return Errno.OK;
    }

    public void Forget(in RequestContext context, NodeId node, ulong count)
    {
        Note();
        lock (_lock)
        {
            ulong held = _held.GetValueOrDefault(node.Value);
            _held[node.Value] = count > held ? 0 : held - count;
        }
    }

    public Errno GetAttr(in RequestContext context, NodeId node, Handle handle, out AttrReply reply)
    {
        Note();
        InGetAttr?.Invoke();
        reply = new AttrReply { Attributes = EntryOf(node.Value).Attributes };
        Note();
        return Errno.OK;
    }

    public Errno ReadDir(in RequestContext context, NodeId node, Handle handle, ulong offset, DirectorySink sink) =>
        List(node, offset, sink, false);

    public Errno ReadDirPlus(in RequestContext context, NodeId node, Handle handle, ulong offset, DirectorySink sink) =>
        List(node, offset, sink, true);

    public int ListNodes(ulong start, Span<NodeId> nodes, out ulong next)
    {
        lock (_lock)
        {
            NodeId[] held =
            [
                .. _held.Where(pair => pair.Value > 0).Select(pair => pair.Key).Prepend(Root.Value)
                    .Where(node => node > start).Order().Take(nodes.Length).Select(node => new NodeId(node)),
            ];
            held.CopyTo(nodes);
            next = held.Length == 0 ? start : held[^1].Value;
            return held.Length;
        }
    }

    private Errno List(NodeId node, ulong offset, DirectorySink sink, bool plus)
    {
        string[] names = [".", "..", "11", "12", "13"];
        for (ulong i = offset; i < (ulong)names.Length; i++)
        {
            byte[] name = Encoding.UTF8.GetBytes(names[i]);
            ulong child = i < 2 ? node.Value : i + 9;
            if (!sink.Fits(name.Length))
            {
                break;
            }

            bool isNamed = plus && i >= 2;
            if (isNamed)
            {
                Lookup(default, node, name, out _);
            }

            if (!sink.TryAdd(child == Root.Value ? RootIno : child, i + 1, 4, name, isNamed ? EntryOf(child) : default))
            {
                Forget(default, new NodeId(child), isNamed ? 1u : 0u);
                break;
            }
        }

        return Errno.OK;
    }

    private Entry EntryOf(ulong node) => new()
    {
        Node = new NodeId(node),
        Attributes = new NodeAttributes
        {
            Ino = node == Root.Value ? RootIno : node,
            Size = (ulong)stamp,
            Mode = Linux.S_IFDIR,
        },
    };

    private void Note() => CalledTooLate |= Disposed;
}
