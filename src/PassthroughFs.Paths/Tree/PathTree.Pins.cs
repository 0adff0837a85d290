using System.Collections.Generic;
using System.Threading;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Paths.Tree;

/// <summary>Who uses a path, and who changes one.</summary>
internal sealed partial class PathTree
{
    private int _waiting;

    /// <summary>Pins a node's path.</summary>
    /// <param name="id">The node.</param>
    /// <param name="pin">The pin, to be disposed of. Its path is null for what was removed.</param>
    /// <returns>EBADF for a node that the client was never told of, or has forgotten.</returns>
    public Errno Pin(NodeId id, out PathPin pin)
    {
        lock (_lock)
        {
            pin = default;
            if (Known(id) is not { } node)
            {
                return Errno.EBADF;
            }

            while (IsBarred(node, false))
            {
                Wait(null, null);
            }

            Use(node);
            pin = new PathPin(this, node, null, node.Path);
            return Errno.OK;
        }
    }

    /// <summary>Pins a directory's path and what the client knows at a name in it.</summary>
    /// <param name="parent">The directory.</param>
    /// <param name="name">The name.</param>
    /// <param name="changes">Whether the name is about to become another's or nobody's: then nobody uses what is
    /// there.</param>
    /// <param name="pin">The pin, to be disposed of. Its path is the name's.</param>
    /// <returns>EBADF for an unknown directory, ENOENT for one that was removed, ENOTDIR for no directory.</returns>
    public Errno PinName(NodeId parent, string name, bool changes, out PathPin pin)
    {
        lock (_lock)
        {
            pin = default;
            PathNode directory;
            PathNode child;
            while (true)
            {
                Errno error = FindDirectory(parent, out directory);
                if (error != Errno.OK)
                {
                    return GiveUp(error);
                }

                child = ChildOf(directory, name);
                if (!IsBarred(directory, changes) && (changes ? child.IsFree : !IsBarred(child, false)))
                {
                    break;
                }

                Wait(changes ? child : null, null);
                DropIfUnused(child);
            }

            Use(directory);
            Claim(child, changes);
            pin = new PathPin(this, directory, child, directory.PathOf(name)) { Changes = changes };
            return Errno.OK;
        }
    }

    /// <summary>Pins two names whose files change their places; nobody uses either.</summary>
    /// <param name="parent">The directory of the first.</param>
    /// <param name="name">The first.</param>
    /// <param name="newParent">The directory of the second.</param>
    /// <param name="newName">The second.</param>
    /// <param name="from">The pin of the first, to be disposed of.</param>
    /// <param name="to">The pin of the second, to be disposed of.</param>
    /// <returns>As <see cref="PinName"/>; EINVAL for a directory that would be in itself, ENOTEMPTY for one that
    /// would take the place of a directory it is in.</returns>
    public Errno PinRename(
        NodeId parent, string name, NodeId newParent, string newName, out PathPin from, out PathPin to)
    {
        lock (_lock)
        {
            from = default;
            to = default;
            PathNode source;
            PathNode target;
            PathNode moved;
            PathNode replaced;
            while (true)
            {
                Errno error = FindDirectory(parent, out source);
                Errno newError = FindDirectory(newParent, out target);
                if (error != Errno.OK || newError != Errno.OK)
                {
                    return GiveUp(newError is Errno.EBADF or Errno.ENOTDIR && error != Errno.EBADF ? newError
                        : error == Errno.OK ? newError
                        : error);
                }

                if (source.Children?.GetValueOrDefault(name) is { } known && IsIn(target, known))
                {
                    return GiveUp(Errno.EINVAL);
                }

                if (target.Children?.GetValueOrDefault(newName) is { } there && IsIn(source, there))
                {
                    return GiveUp(Errno.ENOTEMPTY);
                }

                moved = ChildOf(source, name);
                replaced = ChildOf(target, newName);
                if (!IsBarred(source, true) && !IsBarred(target, true) && moved.IsFree && replaced.IsFree)
                {
                    break;
                }

                Wait(moved, replaced);
                DropIfUnused(moved);
                DropIfUnused(replaced);
            }

            Use(source);
            Use(target);
            Claim(moved, true);
            Claim(replaced, true);
            from = new PathPin(this, source, moved, source.PathOf(name)) { Changes = true };
            PathNode? second = replaced == moved ? null : replaced;
            to = new PathPin(this, target, second, target.PathOf(newName)) { Changes = true };
            return Errno.OK;
        }
    }

    /// <summary>Gives a pin back.</summary>
    internal void Unpin(in PathPin pin)
    {
        lock (_lock)
        {
            if (pin.Child is { } child)
            {
                child.IsTaken &= !pin.Changes;
                child.Users -= pin.Changes ? 0 : 1;
                DropIfUnused(child);
            }

            // Its directories are still those that it had: what is used is not moved.
            for (PathNode? node = pin.Node; node is not null; node = node.Parent)
            {
                node.Users--;
                DropIfUnused(node);
            }

            if (_waiting > 0)
            {
                Monitor.PulseAll(_lock);
            }
        }
    }

    private static bool IsIn(PathNode node, PathNode directory)
    {
        for (PathNode? at = node; at is not null; at = at.Parent)
        {
            if (at == directory)
            {
                return true;
            }
        }

        return false;
    }

    // Something of its path is changing, or is about to. Who changes a path itself does not wait for others who wait.
    private static bool IsBarred(PathNode node, bool changes)
    {
        for (PathNode? at = node; at is not null; at = at.Parent)
        {
            if (at.IsTaken || (at.Takers > 0 && !changes))
            {
                return true;
            }
        }

        return false;
    }

    private static void Use(PathNode node)
    {
        for (PathNode? at = node; at is not null; at = at.Parent)
        {
            at.Users++;
        }
    }

    private static void Claim(PathNode child, bool changes)
    {
        child.IsTaken = changes;
        child.Users += changes ? 0 : 1;
    }

    private Errno FindDirectory(NodeId id, out PathNode directory) =>
        (directory = Known(id)!) is null ? Errno.EBADF
        : directory.Type != Linux.S_IFDIR ? Errno.ENOTDIR
        : directory.Path is null ? Errno.ENOENT
        : Errno.OK;

    // Who has waited for it may have held others up.
    private Errno GiveUp(Errno error)
    {
        if (_waiting > 0)
        {
            Monitor.PulseAll(_lock);
        }

        return error;
    }

    // Nobody who only uses them begins to, while somebody waits to take them.
    private void Wait(PathNode? wanted, PathNode? second)
    {
        Want(wanted, 1);
        Want(second, 1);
        _waiting++;
        _ = Monitor.Wait(_lock);
        _waiting--;
        Want(wanted, -1);
        Want(second, -1);
    }

    private void Want(PathNode? node, int change)
    {
        if (node is not null)
        {
            node.Takers += change;
            DropIfUnused(node);
        }
    }
}
