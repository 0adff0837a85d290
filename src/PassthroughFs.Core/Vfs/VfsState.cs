using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Vfs;

/// <summary>What a tree is, for its successor in a live upgrade.</summary>
internal sealed class VfsState
{
    /// <summary>What was agreed on with the client.</summary>
    public InitFlags Session { get; set; }

    /// <summary>The index that was given out last.</summary>
    public int LastIndex { get; set; }

    /// <summary>The next numbers of directories and of places in listings.</summary>
    public ulong NextNode { get; set; }

    public ulong NextSerial { get; set; }

    /// <summary>The directories down to the mounts, and the mount points.</summary>
    public List<SavedPlace> Places { get; } = [];

    public List<SavedMount> Mounts { get; } = [];
}

/// <summary>The numbers of a path.</summary>
internal readonly record struct SavedPlace(string Path, ulong Node, ulong Serial, Timestamp Changed);

/// <summary>A mount, or what is left of one.</summary>
internal sealed record SavedMount
{
    public required int Index { get; init; }

    /// <summary>Live or Detached, with a state of its file system's; or Released.</summary>
    public required MountState State { get; init; }

    public required string Path { get; init; }

    /// <summary>How many lookups of its nodes the client holds.</summary>
    public required long Holds { get; init; }

    /// <summary>The node of the directory that it is in.</summary>
    public required ulong Parent { get; init; }

    /// <summary>What its file system acts on.</summary>
    public required InitFlags Accepted { get; init; }

    public required NodeId Root { get; init; }

    public required ulong RootGeneration { get; init; }

    public required ulong RootIno { get; init; }

    public required TimeSpan EntryTimeout { get; init; }

    public required TimeSpan AttributesTimeout { get; init; }

    /// <summary>What the client held when the file system went.</summary>
    public required IReadOnlyList<NodeId> Leftover { get; init; }

    public static SavedMount Of(VfsMount mount, MountState state) => new()
    {
        Index = mount.Index,
        State = state,
        Path = mount.Path,
        Holds = mount.Slot.Holds.Value,
        Parent = mount.Slot.Parent,
        Accepted = mount.Slot.Accepted,
        Root = mount.Root.Node,
        RootGeneration = mount.Root.Generation,
        RootIno = mount.Root.Attributes.Ino,
        EntryTimeout = mount.Root.EntryTimeout,
        AttributesTimeout = mount.Root.AttributesTimeout,
        Leftover = mount.Leftover,
    };
}

/// <summary>How a <see cref="VfsState"/> is written.</summary>
/// <remarks>
/// <para>"PTFSTREE", version 1; see <see cref="StateWriter"/>.</para>
/// <list type="table">
/// <item><term>TREE</term><description>
/// the flags agreed on (64), the last index (32), the next node, the next place in listings (64 each), count (32); for
/// each directory and mount point the path, its node, its place, when it changed in seconds (64 each) and nanoseconds (32)
/// </description></item>
/// <item><term>MNTS</term><description>
/// count (32); for each mount the index, its state (8 each), the path, the client's lookups, the parent's node, the flags
/// it acts on, the root's node, generation and inode number, its two timeouts in 100 ns (64 each), count (32) and numbers
/// (64 each) of nodes that are left
/// </description></item>
/// </list>
/// <para>A path is its length (16) and its bytes. The states of mounts 0 and 1 (live, detached) follow.</para>
/// </remarks>
internal static class VfsStateFormat
{
    private const uint Version = 1;

    private static ReadOnlySpan<byte> Magic => "PTFSTREE"u8;

    public static void Write(VfsState state, Stream stream)
    {
        var writer = new StateWriter(stream, Magic, Version);
        writer.U64((ulong)state.Session);
        writer.U32((uint)state.LastIndex);
        writer.U64(state.NextNode);
        writer.U64(state.NextSerial);
        writer.U32((uint)state.Places.Count);
        foreach (SavedPlace place in state.Places)
        {
            WritePath(writer, place.Path);
            writer.U64(place.Node);
            writer.U64(place.Serial);
            writer.U64((ulong)place.Changed.Seconds);
            writer.U32(place.Changed.Nanoseconds);
        }

        writer.Section("TREE"u8);
        writer.U32((uint)state.Mounts.Count);
        foreach (SavedMount mount in state.Mounts)
        {
            writer.U8((byte)mount.Index);
            writer.U8((byte)mount.State);
            WritePath(writer, mount.Path);
            writer.U64((ulong)mount.Holds);
            writer.U64(mount.Parent);
            writer.U64((ulong)mount.Accepted);
            writer.U64(mount.Root.Value);
            writer.U64(mount.RootGeneration);
            writer.U64(mount.RootIno);
            writer.U64((ulong)mount.EntryTimeout.Ticks);
            writer.U64((ulong)mount.AttributesTimeout.Ticks);
            writer.U32((uint)mount.Leftover.Count);
            foreach (NodeId node in mount.Leftover)
            {
                writer.U64(node.Value);
            }
        }

        writer.Section("MNTS"u8);
        writer.End();
    }

    /// <exception cref="InvalidDataException">It is not such a state, or damaged; the message says what.</exception>
    public static VfsState Read(Stream stream)
    {
        var sections = new StateReader(stream, Magic, Version, "saved state of a tree of mounts");
        var state = new VfsState();
        ReadTree(sections["TREE"], state);
        ReadMounts(sections["MNTS"], state);
        return state;
    }

    private static void WritePath(StateWriter writer, string path)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(path);
        writer.U16((ushort)bytes.Length);
        writer.Raw(bytes);
    }

    private static string ReadPath(ref SectionReader reader)
    {
        string path = Encoding.UTF8.GetString(reader.Raw(reader.U16()));
        try
        {
            return VfsPath.Normalize(path) == path ? path : throw StateReader.Damaged();
        }
        catch (VfsException)
        {
            throw StateReader.Damaged();
        }
    }

    private static void ReadTree(SectionReader reader, VfsState state)
    {
        state.Session = (InitFlags)reader.U64();
        state.LastIndex = (int)reader.U32();
        state.NextNode = reader.U64();
        state.NextSerial = reader.U64();
        var paths = new HashSet<string>(StringComparer.Ordinal);
        var nodes = new HashSet<ulong>();
        for (uint left = reader.U32(); left > 0; left--)
        {
            var place = new SavedPlace(
                ReadPath(ref reader), reader.U64(), reader.U64(), new Timestamp((long)reader.U64(), reader.U32()));
            bool isRoot = place.Path == VfsPath.Root;
            if (!paths.Add(place.Path) || !nodes.Add(place.Node) || isRoot != (place.Node == NodeId.Root.Value) ||
                place.Node >= state.NextNode || place.Serial >= state.NextSerial)
            {
                throw StateReader.Damaged();
            }

            state.Places.Add(place);
        }

        if (!paths.Contains(VfsPath.Root) || (uint)state.LastIndex > Vfs.MaxMounts ||
            paths.Any(path => path != VfsPath.Root && !paths.Contains(VfsPath.Parent(path))))
        {
            throw StateReader.Damaged();
        }
    }

    private static void ReadMounts(SectionReader reader, VfsState state)
    {
        var indexes = new HashSet<int>();
        for (uint left = reader.U32(); left > 0; left--)
        {
            var mount = new SavedMount
            {
                Index = reader.U8(),
                State = (MountState)reader.U8(),
                Path = ReadPath(ref reader),
                Holds = (long)reader.U64(),
                Parent = reader.U64(),
                Accepted = (InitFlags)reader.U64(),
                Root = new NodeId(reader.U64()),
                RootGeneration = reader.U64(),
                RootIno = reader.U64(),
                EntryTimeout = new TimeSpan((long)reader.U64()),
                AttributesTimeout = new TimeSpan((long)reader.U64()),
                Leftover = ReadNodes(ref reader),
            };
            bool isAllowed = mount.State is MountState.Live or MountState.Detached or MountState.Released &&
                mount.Holds >= 0 && mount.Root.Value - 1 < Vfs.MaxNodeIdValue &&
                (mount.Index == 0) == (mount.Path == VfsPath.Root);
            if (!isAllowed || !indexes.Add(mount.Index))
            {
                throw StateReader.Damaged();
            }

            state.Mounts.Add(mount);
        }

        string[] live = [.. state.Mounts.Where(mount => mount.State == MountState.Live).Select(mount => mount.Path)];
        if (live.Any(path => live.Any(other => VfsPath.IsInside(path, other))) ||
            live.Distinct(StringComparer.Ordinal).Count() != live.Length)
        {
            throw StateReader.Damaged();
        }
    }

    private static List<NodeId> ReadNodes(ref SectionReader reader)
    {
        var nodes = new List<NodeId>();
        for (uint left = reader.U32(); left > 0; left--)
        {
            nodes.Add(new NodeId(reader.U64()));
        }

        return nodes;
    }
}
