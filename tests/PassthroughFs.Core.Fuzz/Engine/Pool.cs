using System;

namespace PassthroughFs.Core.Fuzz.Engine;

/// <summary>What a client has been given, and by which request.</summary>
/// <param name="Value">The number.</param>
/// <param name="Source">The request on the tape.</param>
/// <param name="Nth">As in <see cref="Fixup"/>.</param>
/// <param name="Node">For handles: the node they are of.</param>
/// <param name="NodeSource">For handles: the request that gave out the node, or -1.</param>
/// <param name="NodeNth">For handles: the how-manieth node of it.</param>
/// <param name="IsDirectory">Whether it is a directory, or open as one.</param>
internal readonly record struct Given(
    ulong Value, int Source, int Nth, ulong Node, int NodeSource, int NodeNth, bool IsDirectory);

/// <summary>Nodes and handles that a client knows, the newest in place of the oldest.</summary>
internal sealed class Pool
{
    private const int Nodes = 96;
    private const int Handles = 48;

    private readonly Given[] _nodes = new Given[Nodes];
    private readonly Given[] _directories = new Given[Nodes];
    private readonly Given[] _files = new Given[Handles];
    private readonly Given[] _openDirectories = new Given[Handles];
    private int _nodeCount;
    private int _directoryCount;
    private int _fileCount;
    private int _openDirectoryCount;

    private static Given Root => new(1, -1, 0, 0, -1, 0, true);

    public void Clear() => _nodeCount = _directoryCount = _fileCount = _openDirectoryCount = 0;

    public void AddNode(in Given node)
    {
        _nodes[_nodeCount++ % Nodes] = node;
        if (node.IsDirectory)
        {
            _directories[_directoryCount++ % Nodes] = node;
        }
    }

    public void AddHandle(in Given handle)
    {
        if (handle.IsDirectory)
        {
            _openDirectories[_openDirectoryCount++ % Handles] = handle;
        }
        else
        {
            _files[_fileCount++ % Handles] = handle;
        }
    }

    public Given AnyNode(ref Rng rng, bool directory)
    {
        Given[] from = directory ? _directories : _nodes;
        int count = directory ? _directoryCount : _nodeCount;
        return count == 0 || rng.OneIn(directory ? 2 : 10) ? Root : from[rng.Below(Math.Min(count, Nodes))];
    }

    public bool TryHandle(ref Rng rng, bool directory, out Given handle)
    {
        int count = directory ? _openDirectoryCount : _fileCount;
        handle = count == 0 ? default : (directory ? _openDirectories : _files)[rng.Below(Math.Min(count, Handles))];
        return count != 0;
    }
}
