using System;
using System.Collections.Generic;
using System.Linq;
using System.Text;
using System.Threading;
using PassthroughFs.Core.Api;

namespace Hello;

/// <summary>
/// Files and directories in memory. One lock for all keeps it short; what is not here, as renaming, answers ENOSYS.
/// </summary>
internal sealed class MemoryFileSystem : IFileSystem
{
    private readonly Lock _lock = new();
    private readonly Dictionary<ulong, Node> _nodes = [];
    private ulong _lastId;

    public MemoryFileSystem()
    {
        Node root = Add(default, Linux.S_IFDIR | Permissions("rwxr-xr-x")); // the root is node 1
        Node hello = Add(default, Linux.S_IFREG | Permissions("rw-r--r--"));
        hello.SetData("Hello, world\n"u8.ToArray());
        root.Names!["hello.txt"] = hello;
    }

    public Errno Lookup(in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, out Entry entry)
    {
        using Lock.Scope scope = _lock.EnterScope();
        Errno error = Find(parent, name, out _, out Node? node);
        entry = node?.ToEntry() ?? default;
        return error;
    }

    public void Forget(in RequestContext context, NodeId node, ulong count)
    {
        using Lock.Scope scope = _lock.EnterScope();
        if (Get(node, out Node found) == Errno.OK)
        {
            found.Lookups -= Math.Min(count, found.Lookups);
            DropIfUnused(found);
        }
    }

    public Errno GetAttr(in RequestContext context, NodeId node, Handle handle, out AttrReply reply)
    {
        using Lock.Scope scope = _lock.EnterScope();
        Errno error = Get(node, out Node found);
        reply = new AttrReply { Attributes = error == Errno.OK ? found.Attributes : default };
        return error;
    }

    public Errno SetAttr(in RequestContext context, NodeId node, in SetAttrRequest request, out AttrReply reply)
    {
        using Lock.Scope scope = _lock.EnterScope();
        Errno error = Get(node, out Node found);
        if (error == Errno.OK && request.Valid.HasFlag(SetAttrFields.FATTR_SIZE))
        {
            error = found.Resize(request.Size);
        }

        if (error == Errno.OK)
        {
            ref NodeAttributes now = ref found.Attributes;
            SetAttrFields valid = request.Valid;
            now.Mode = valid.HasFlag(SetAttrFields.FATTR_MODE) ? request.Mode | (now.Mode & Linux.S_IFMT) : now.Mode;
            now.Uid = valid.HasFlag(SetAttrFields.FATTR_UID) ? request.Uid : now.Uid;
            now.Gid = valid.HasFlag(SetAttrFields.FATTR_GID) ? request.Gid : now.Gid;
            now.Mtime = valid.HasFlag(SetAttrFields.FATTR_MTIME_NOW) ? Node.Now()
                : valid.HasFlag(SetAttrFields.FATTR_MTIME) ? request.Mtime : now.Mtime;
        }

        reply = new AttrReply { Attributes = error == Errno.OK ? found.Attributes : default };
        return error;
    }

    public Errno Mkdir(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, uint mode, uint umask, out Entry entry) =>
        Make(context, parent, name, Linux.S_IFDIR | mode, out entry);

    public Errno Create(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, in CreateRequest request, out Entry entry,
        out OpenReply reply)
    {
        reply = default; // no handle: the node says all there is to know
        return Make(context, parent, name, Linux.S_IFREG | request.Mode, out entry);
    }

    public Errno Unlink(in RequestContext context, NodeId parent, ReadOnlySpan<byte> name) => Remove(parent, name);

    public Errno Rmdir(in RequestContext context, NodeId parent, ReadOnlySpan<byte> name) => Remove(parent, name);

    public Errno Read(in RequestContext context, NodeId node, Handle handle, in ReadRequest request, ref DataSink sink)
    {
        using Lock.Scope scope = _lock.EnterScope();
        Errno error = Get(node, out Node found);
        if (error == Errno.OK && request.Offset < (ulong)found.Data.Length)
        {
            sink.Write(found.Data.AsSpan((int)request.Offset)); // as much of it as was asked for
        }

        return error;
    }

    public Errno Write(
        in RequestContext context, NodeId node, Handle handle, in WriteRequest request, ref DataSource source)
    {
        using Lock.Scope scope = _lock.EnterScope();
        Errno error = Get(node, out Node found);
        ulong end = request.Offset + (ulong)source.Remaining;
        error = error == Errno.OK && end > (ulong)found.Data.Length ? found.Resize(end) : error;
        if (error == Errno.OK)
        {
            source.Read(found.Data.AsSpan((int)request.Offset)); // what it takes is what was written
            found.Attributes.Mtime = Node.Now();
        }

        return error;
    }

    public Errno ReadDir(in RequestContext context, NodeId node, Handle handle, ulong offset, DirectorySink sink)
    {
        using Lock.Scope scope = _lock.EnterScope();
        Errno error = Get(node, out Node found);
        foreach ((string name, Node child) in found?.Names?.Skip((int)Math.Min(offset, int.MaxValue)) ?? [])
        {
            if (!sink.TryAdd(child.Id, ++offset, child.Attributes.Mode >> 12, Encoding.Latin1.GetBytes(name)))
            {
                break; // no more room; the client asks again, from the last offset on
            }
        }

        return error;
    }

    private Errno Make(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, uint mode, out Entry entry)
    {
        using Lock.Scope scope = _lock.EnterScope();
        entry = default;
        Errno error = Find(parent, name, out Node directory, out _);
        if (error == Errno.ENOENT)
        {
            Node made = Add(context, mode);
            directory.Names![Text(name)] = made;
            entry = made.ToEntry();
            return Errno.OK;
        }

        return error == Errno.OK ? Errno.EEXIST : error;
    }

    private Errno Remove(NodeId parent, ReadOnlySpan<byte> name)
    {
        using Lock.Scope scope = _lock.EnterScope();
        Errno error = Find(parent, name, out Node directory, out Node? node);
        if (error == Errno.OK && node!.Names?.Count > 0)
        {
            return Errno.ENOTEMPTY;
        }

        if (error == Errno.OK)
        {
            directory.Names!.Remove(Text(name));
            node!.Attributes.Nlink = 0;
            DropIfUnused(node);
        }

        return error;
    }

    private Node Add(in RequestContext context, uint mode) =>
        _nodes[++_lastId] = new Node(_lastId, mode, context.Uid, context.Gid);

    private void DropIfUnused(Node node) // it lives as long as it has a name, or the client knows it
    {
        _ = node is { Lookups: 0, Attributes.Nlink: 0 } && _nodes.Remove(node.Id);
    }

    private Errno Get(NodeId id, out Node node) => _nodes.TryGetValue(id.Value, out node!) ? Errno.OK : Errno.EBADF;

    private Errno Find(NodeId parent, ReadOnlySpan<byte> name, out Node directory, out Node? node)
    {
        node = null;
        return Get(parent, out directory) is var error and not Errno.OK ? error
            : directory.Names is not { } names ? Errno.ENOTDIR
            : names.TryGetValue(Text(name), out node) ? Errno.OK : Errno.ENOENT;
    }

    // Names are bytes; Latin-1 has a character for each, so that nothing is lost.
    private static string Text(ReadOnlySpan<byte> name) => Encoding.Latin1.GetString(name);

    private static uint Permissions(string text) => text.Aggregate(0u, (bits, c) => (bits << 1) | (c == '-' ? 0u : 1u));
}
