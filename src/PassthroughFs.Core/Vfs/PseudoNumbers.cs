using System;
using System.Collections.Generic;
using System.Linq;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Vfs;

/// <summary>
/// Which numbers the paths down to the mounts have, from one change of the tree to the next. No number is used twice.
/// </summary>
internal sealed class PseudoNumbers
{
    // Cookies 1 and 2 are "." and "..".
    private const ulong FirstSerial = 3;

    private readonly Dictionary<string, Place> _places = new(StringComparer.Ordinal)
    {
        [VfsPath.Root] = new Place(NodeId.Root.Value, 0) { Changed = Now() },
    };

    private ulong _nextNode = NodeId.Root.Value + 1;
    private ulong _nextSerial = FirstSerial;

    /// <summary>The node of a directory that is on the way to a mount.</summary>
    public ulong NodeOf(string directory) => _places[directory].Node;

    /// <summary>
    /// The deepest directory of a path that is there, and the name below it that the path goes on with.
    /// </summary>
    public (NodeId Directory, byte[] Name) DeepestOf(string path)
    {
        string child = path;
        for (string parent = VfsPath.Parent(path); ; child = parent, parent = VfsPath.Parent(parent))
        {
            if (_places.TryGetValue(parent, out Place? place))
            {
                return (new NodeId(place.Node), VfsPath.Name(child));
            }
        }
    }

    /// <summary>Gives numbers to what has come and drops those of what has gone.</summary>
    public void Update(IReadOnlyCollection<string> mountPaths)
    {
        HashSet<string> wanted = [VfsPath.Root];
        foreach (string mountPath in mountPaths)
        {
            for (string path = mountPath; wanted.Add(path); path = VfsPath.Parent(path))
            {
            }
        }

        foreach (string path in _places.Keys.Where(path => !wanted.Contains(path)).ToArray())
        {
            _places.Remove(path);
            Touch(VfsPath.Parent(path));
        }

        // From the top down, so that each parent is there first.
        foreach (string path in wanted.Where(path => !_places.ContainsKey(path))
            .OrderBy(path => path.Length).ThenBy(path => path, StringComparer.Ordinal).ToArray())
        {
            _places.Add(path, new Place(_nextNode++, _nextSerial++) { Changed = Now() });
            Touch(VfsPath.Parent(path));
        }
    }

    /// <summary>The tree of directories that leads to these mounts.</summary>
    public PseudoTree Build(IReadOnlyDictionary<string, MountSlot> mounts)
    {
        var tree = new PseudoTree();
        Dictionary<string, PseudoDirectory> directories = new(StringComparer.Ordinal);
        foreach ((string path, Place place) in _places)
        {
            if (!mounts.ContainsKey(path))
            {
                directories.Add(path, new PseudoDirectory
                {
                    Node = place.Node,
                    Parent = path == VfsPath.Root ? place.Node : NodeOf(VfsPath.Parent(path)),
                    Changed = place.Changed,
                });
            }
        }

        foreach ((string path, PseudoDirectory directory) in directories)
        {
            directory.Children =
            [
                .. from child in _places
                   where child.Key != VfsPath.Root && VfsPath.Parent(child.Key) == path
                   orderby child.Value.Serial
                   select new PseudoChild(
                       VfsPath.Name(child.Key), child.Value.Serial, directories.GetValueOrDefault(child.Key),
                       mounts.GetValueOrDefault(child.Key)),
            ];
            tree.Add(directory);
        }

        return tree;
    }

    public void Save(VfsState state)
    {
        state.NextNode = _nextNode;
        state.NextSerial = _nextSerial;
        state.Places.AddRange(_places.Select(
            pair => new SavedPlace(pair.Key, pair.Value.Node, pair.Value.Serial, pair.Value.Changed)));
    }

    /// <summary>Goes on from what was saved, in place of what is here.</summary>
    public void Restore(VfsState state)
    {
        _nextNode = state.NextNode;
        _nextSerial = state.NextSerial;
        _places.Clear();
        foreach (SavedPlace place in state.Places)
        {
            _places.Add(place.Path, new Place(place.Node, place.Serial) { Changed = place.Changed });
        }
    }

    private static Timestamp Now()
    {
        long ticks = (DateTime.UtcNow - DateTime.UnixEpoch).Ticks;
        return new Timestamp(
            ticks / TimeSpan.TicksPerSecond,
            (uint)(ticks % TimeSpan.TicksPerSecond * TimeSpan.NanosecondsPerTick));
    }

    private void Touch(string path)
    {
        if (_places.TryGetValue(path, out Place? place))
        {
            place.Changed = Now();
        }
    }

    private sealed record Place(ulong Node, ulong Serial)
    {
        public Timestamp Changed { get; set; }
    }
}
