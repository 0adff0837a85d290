using System;
using System.Collections.Generic;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Paths.Tree;

/// <summary>
/// The paths that the client knows, by NodeId, and those that somebody uses. Who uses a path pins it: neither it nor
/// any of its directories is renamed or removed until the pin is given back, and who renames waits for that.
/// </summary>
internal sealed partial class PathTree
{
    private readonly object _lock = new();
    private readonly Dictionary<ulong, PathNode> _nodes = [];
    private readonly PathNode _root = new(NodeId.Root.Value, "") { Type = Linux.S_IFDIR };
    private readonly int _maxNodes;
    private ulong _lastId = NodeId.Root.Value;

    public PathTree(int maxNodes)
    {
        _maxNodes = maxNodes;
        _nodes[_root.Id] = _root;
    }

    /// <summary>How many paths the client knows, the root included.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _nodes.Count;
            }
        }
    }

    /// <summary>Counts a lookup of what is at a pinned name.</summary>
    /// <param name="pin">The name.</param>
    /// <param name="name">The name's last component.</param>
    /// <param name="type">What is there. What the client knows there and has another type was replaced.</param>
    /// <param name="node">The node.</param>
    /// <returns>ENOMEM if the client knows as many as it may; ESTALE if what is there is just being changed.</returns>
    public Errno CountLookup(in PathPin pin, string name, uint type, out NodeId node)
    {
        lock (_lock)
        {
            node = NodeId.None;
            PathNode directory = pin.Node!;
            PathNode? known = directory.Children?.GetValueOrDefault(name);
            if (known is { IsTaken: true })
            {
                // Somebody moves or removes it this moment: the client looks again.
                return Errno.ESTALE;
            }

            if (known is not null && known.Type != 0 && known.Type != type)
            {
                known.Detach();
                DropIfUnused(known);
            }

            if (directory.Path is null)
            {
                return Errno.ENOENT;
            }

            PathNode child = ChildOf(directory, name);
            if (child.Type == 0 && _nodes.Count > _maxNodes)
            {
                DropIfUnused(child);
                return Errno.ENOMEM;
            }

            child.Type = type;
            child.Lookups++;
            node = new NodeId(child.Id);
            return Errno.OK;
        }
    }

    /// <summary>Counts a lookup of a node that is pinned, or above one that is.</summary>
    public void CountLookup(PathNode node)
    {
        lock (_lock)
        {
            node.Lookups++;
        }
    }

    /// <summary>The path of a node that is pinned, or above one that is.</summary>
    public string? PathOf(PathNode node)
    {
        lock (_lock)
        {
            return node.Path;
        }
    }

    /// <summary>The node at a name that the client knows.</summary>
    public NodeId Find(PathNode directory, string name)
    {
        lock (_lock)
        {
            return directory.Children?.GetValueOrDefault(name) is { Type: not 0 } child
                ? new NodeId(child.Id)
                : NodeId.None;
        }
    }

    /// <summary>The directory that a directory is in; the root for the root and for what was removed.</summary>
    public NodeId ParentOf(PathNode node)
    {
        lock (_lock)
        {
            return new NodeId((node.IsRemoved ? _root : node.Parent ?? _root).Id);
        }
    }

    /// <summary>What is at a pinned name is gone.</summary>
    public void Remove(in PathPin pin)
    {
        lock (_lock)
        {
            pin.Child?.Detach();
        }
    }

    /// <summary>What was at one pinned name is at another one, and the other way round if they change places.</summary>
    public void Move(in PathPin from, in PathPin to, string name, string newName, bool exchange)
    {
        lock (_lock)
        {
            PathNode? moved = from.Child;
            PathNode? replaced = to.Child;
            moved?.Detach();
            replaced?.Detach();
            moved?.Attach(to.Node!, newName);
            if (exchange)
            {
                replaced?.Attach(from.Node!, name);
            }
        }
    }

    /// <summary>The client has one file or directory of a pinned node open more, or less.</summary>
    public void CountOpen(PathNode node, int change)
    {
        lock (_lock)
        {
            node.Opens += change;
            DropIfUnused(node);
        }
    }

    /// <summary>The node of a NodeId whose path nobody has pinned for the caller; null if it is not known.</summary>
    public PathNode? Get(NodeId id)
    {
        lock (_lock)
        {
            return Known(id);
        }
    }

    /// <summary>The client gives lookups back; more than it has are all.</summary>
    public void Forget(NodeId id, ulong count)
    {
        lock (_lock)
        {
            if (_nodes.TryGetValue(id.Value, out PathNode? node) && !node.IsRoot)
            {
                node.Lookups -= Math.Min(count, node.Lookups);
                DropIfUnused(node);
            }
        }
    }

    /// <summary>The session has ended: the client holds nothing.</summary>
    public void ForgetAll()
    {
        lock (_lock)
        {
            foreach (PathNode node in new List<PathNode>(_nodes.Values))
            {
                node.Lookups = 0;
                DropIfUnused(node);
            }
        }
    }

    // What nobody knows at a name has a node as well while somebody uses the name.
    private PathNode ChildOf(PathNode directory, string name)
    {
        if (directory.Children?.GetValueOrDefault(name) is { } known)
        {
            return known;
        }

        var child = new PathNode(++_lastId, name);
        child.Attach(directory, name);
        _nodes[child.Id] = child;
        return child;
    }

    // What was forgotten stays while something below it is known, or it is open, but is no node for the client.
    private PathNode? Known(NodeId id) =>
        _nodes.GetValueOrDefault(id.Value) is { } node && (node.IsRoot || node.Lookups > 0) ? node : null;

    private void DropIfUnused(PathNode unused)
    {
        PathNode node = unused;
        while (node is { IsRoot: false, Lookups: 0, Opens: 0, IsFree: true, Takers: 0 } &&
            node.Children is null or { Count: 0 })
        {
            node.Detach();
            if (!_nodes.Remove(node.Id))
            {
                return;
            }

            node = node.Parent!;
        }
    }
}
