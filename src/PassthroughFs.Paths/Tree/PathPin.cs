using System;

namespace PassthroughFs.Paths.Tree;

/// <summary>A path that stays as it is until this is disposed of, once.</summary>
internal readonly struct PathPin(PathTree tree, PathNode node, PathNode? child, string? path) : IDisposable
{
    /// <summary>The node, or the directory of the name.</summary>
    public PathNode? Node => node;

    /// <summary>What is at the name; null for a node, and for the second of two names that are one.</summary>
    public PathNode? Child => child;

    /// <summary>The path; null for what was removed.</summary>
    public string? Path => path;

    /// <summary>Whether the child is nobody else's meanwhile.</summary>
    public bool Changes { get; init; }

    public void Dispose() => tree?.Unpin(this);
}
