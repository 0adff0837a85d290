using System;
using System.Collections.Generic;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Paths.Tree;

/// <summary>A path that the client knows, or below which it knows one. Its tree's lock guards all of it.</summary>
internal sealed class PathNode(ulong id, string name)
{
    private string? _path;

    public ulong Id => id;

    /// <summary>What is at the path: a type of Linux.S_IFMT; 0 as long as that is not known.</summary>
    public uint Type { get; set; }

    /// <summary>The directory it is in, or was in before it was removed; null for the root.</summary>
    public PathNode? Parent { get; private set; }

    public string Name { get; private set; } = name;

    public bool IsRoot => id == 1;

    /// <summary>Whether it has no path any more.</summary>
    public bool IsRemoved { get; private set; }

    /// <summary>The known names in it.</summary>
    public Dictionary<string, PathNode>? Children { get; private set; }

    /// <summary>What the client holds: one for each entry it was told.</summary>
    public ulong Lookups { get; set; }

    /// <summary>Open files and directories of it.</summary>
    public int Opens { get; set; }

    /// <summary>Operations that need its path to stay as it is, its own and those of all below.</summary>
    public int Users { get; set; }

    /// <summary>Whether an operation is changing its path.</summary>
    public bool IsTaken { get; set; }

    /// <summary>Operations that wait to change its path: later ones do not overtake them.</summary>
    public int Takers { get; set; }

    /// <summary>Whether nobody uses its path, or changes it.</summary>
    public bool IsFree => Users == 0 && !IsTaken;

    /// <summary>
    /// The path from the root, "/" for the root; null for what was removed, and what was in it, and for what renames
    /// have put so deep that its path is longer than one may be.
    /// </summary>
    public string? Path
    {
        get
        {
            // No recursion: a client decides how deep directories are in each other.
            Stack<PathNode>? unknown = null;
            PathNode at = this;
            int length = 0;
            for (; at._path is null && !at.IsRoot; at = at.Parent!)
            {
                length += at.Name.Length + 1;
                if (at.IsRemoved || length >= Linux.PATH_MAX)
                {
                    return null;
                }

                (unknown ??= new Stack<PathNode>()).Push(at);
            }

            string path = at.IsRoot ? "/" : at._path!;
            if (length + path.Length >= Linux.PATH_MAX)
            {
                return null;
            }

            while (unknown is { Count: > 0 })
            {
                PathNode below = unknown.Pop();
                path = PathNames.Join(path, below.Name);
                below._path = path;
            }

            return path;
        }
    }

    /// <summary>The path of a name in it; null if it has none itself.</summary>
    public string? PathOf(string name) => Path is { } path ? PathNames.Join(path, name) : null;

    /// <summary>Gives it a place, in which nothing is.</summary>
    public void Attach(PathNode directory, string name)
    {
        Parent = directory;
        Name = name;
        IsRemoved = false;
        (directory.Children ??= new Dictionary<string, PathNode>(StringComparer.Ordinal)).Add(name, this);
        ForgetPath();
    }

    /// <summary>Takes it from its place.</summary>
    public void Detach()
    {
        if (!IsRemoved)
        {
            Parent!.Children!.Remove(Name);
            IsRemoved = true;
            ForgetPath();
        }
    }

    private void ForgetPath()
    {
        var below = new Stack<PathNode>([this]);
        while (below.TryPop(out PathNode? node))
        {
            node._path = null;
            foreach (PathNode child in (IEnumerable<PathNode>?)node.Children?.Values ?? [])
            {
                // What has no path cached has none below it either.
                if (child._path is not null)
                {
                    below.Push(child);
                }
            }
        }
    }
}
