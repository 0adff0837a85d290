using System;
using System.IO;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Passthrough;

/// <summary>How a <see cref="NodeState"/> is written.</summary>
/// <remarks>
/// <para>"PTFSNODE", version 1; see <see cref="StateWriter"/>.</para>
/// <list type="table">
/// <item><term>MNTS</term><description>
/// count (32); for each mount the path's length (16) and the path, f_type, f_fsid, st_dev and the mount's id (64 each),
/// 1 if the mount begins there (8), a handle
/// </description></item>
/// <item><term>NUMS</term><description>
/// the next NodeId, the next virtual number (64 each), count of pairs (32); for each st_dev and mount id (64 each)
/// </description></item>
/// <item><term>DEVS</term><description>
/// count (32); for each device below the root st_dev (64) and its number (32). May be missing
/// </description></item>
/// <item><term>VOLS</term><description>
/// the id of each node's subvolume (64), in their order; 0 is none. May be missing
/// </description></item>
/// <item><term>NODE</term><description>
/// count (32); for each node the NodeId (64), its mount's index (32), st_ino, st_dev, birth time (64 each), a handle
/// </description></item>
/// </list>
/// <para>A handle is its type (32), its length (8) and its bytes.</para>
/// </remarks>
internal static class NodeStateFormat
{
    private const uint Version = 1;

    private static ReadOnlySpan<byte> Magic => "PTFSNODE"u8;

    public static void Write(NodeState state, Stream stream)
    {
        var writer = new StateWriter(stream, Magic, Version);
        writer.U32((uint)state.Mounts.Count);
        state.Mounts.ForEach(writer.Write);
        writer.Section("MNTS"u8);
        WriteNumbers(writer, state);
        writer.U32((uint)state.Inodes.Count);
        foreach (RememberedInode inode in state.Inodes)
        {
            writer.U64(inode.Node.Value);
            writer.U32((uint)inode.Mount);
            writer.U64(inode.Key.Ino);
            writer.U64(inode.Key.Dev);
            writer.U64(inode.Birth);
            writer.Handle(inode.Handle);
        }

        writer.Section("NODE"u8);
        state.Inodes.ForEach(inode => writer.U64(inode.Key.Subvolume));
        writer.Section("VOLS"u8);
        writer.End();
    }

    /// <exception cref="InvalidDataException">It is not such a state, or damaged; the message says what.</exception>
    public static NodeState Read(Stream stream)
    {
        var sections = new StateReader(stream, Magic, Version, "saved state of nodes");
        var state = new NodeState();
        SectionReader mounts = sections["MNTS"];
        for (uint left = mounts.U32(); left > 0; left--)
        {
            state.Mounts.Add(mounts.Mount());
        }

        ReadNumbers(sections, state);
        ReadNodes(sections["NODE"], state);
        if (sections.Has("VOLS"))
        {
            ReadSubvolumes(sections["VOLS"], state);
        }

        return state.Mounts.Count > 0 ? state : throw StateReader.Damaged();
    }

    internal static void Write(this StateWriter writer, SavedHostMount mount)
    {
        HostMount host = mount.Host;
        byte[] path = host.Path ?? [];
        writer.U16((ushort)path.Length);
        writer.Raw(path);
        writer.U64(host.Type);
        writer.U64(host.FileSystem);
        writer.U64(host.Dev);
        writer.U64(mount.MountId);
        writer.Bool(host.IsMountRoot);
        writer.Handle(host.Handle);
    }

    internal static void WriteNumbers(StateWriter writer, NodeState state)
    {
        writer.U64(state.NextNode);
        writer.U64(state.NextVirtualIno);
        writer.U32((uint)state.Pairs.Count);
        foreach ((ulong dev, ulong mnt) in state.Pairs)
        {
            writer.U64(dev);
            writer.U64(mnt);
        }

        writer.Section("NUMS"u8);
        writer.U32((uint)state.Devices.Count);
        foreach ((ulong device, int number) in state.Devices)
        {
            writer.U64(device);
            writer.U32((uint)number);
        }

        writer.Section("DEVS"u8);
    }

    internal static void Handle(this StateWriter writer, in KernelHandle handle)
    {
        writer.U32((uint)handle.Type);
        writer.U8((byte)handle.Bytes.Length);
        writer.Raw(handle.Bytes);
    }

    internal static KernelHandle Handle(this ref SectionReader reader)
    {
        KernelHandle handle = reader.HandleOrNone();
        return handle.IsNone ? throw StateReader.Damaged() : handle;
    }

    internal static KernelHandle HandleOrNone(this ref SectionReader reader)
    {
        uint type = reader.U32();
        byte length = reader.U8();
        return length switch
        {
            0 => KernelHandle.None,
            <= KernelHandle.MaxLength => new KernelHandle((int)type, reader.Raw(length)),
            _ => throw StateReader.Damaged(),
        };
    }

    internal static SavedHostMount Mount(this ref SectionReader reader)
    {
        byte[] path = reader.Raw(reader.U16()).ToArray();
        ulong type = reader.U64();
        ulong fileSystem = reader.U64();
        ulong dev = reader.U64();
        ulong id = reader.U64();
        bool isMountRoot = reader.Bool();
        return new SavedHostMount(new HostMount(path, type, fileSystem, reader.Handle(), isMountRoot, dev), id);
    }

    internal static void ReadNumbers(StateReader sections, NodeState state)
    {
        SectionReader reader = sections["NUMS"];
        state.NextNode = reader.U64();
        state.NextVirtualIno = reader.U64();
        uint pairs = reader.U32();
        if (pairs > InodeAllocator.MaxPairs)
        {
            throw StateReader.Damaged();
        }

        for (; pairs > 0; pairs--)
        {
            state.Pairs.Add((reader.U64(), reader.U64()));
        }

        if (sections.Has("DEVS"))
        {
            ReadDevices(sections["DEVS"], state);
        }
    }

    private static void ReadDevices(SectionReader reader, NodeState state)
    {
        for (uint left = reader.U32(); left > 0; left--)
        {
            ulong device = reader.U64();
            uint number = reader.U32();
            if (number >= ShownNumbers.MaxDevices || state.Devices.Count == ShownNumbers.MaxDevices)
            {
                throw StateReader.Damaged();
            }

            state.Devices.Add((device, (int)number));
        }
    }

    private static void ReadSubvolumes(SectionReader reader, NodeState state)
    {
        for (int i = 0; i < state.Inodes.Count; i++)
        {
            RememberedInode inode = state.Inodes[i];
            state.Inodes[i] = inode with { Key = inode.Key.In(reader.U64()) };
        }
    }

    private static void ReadNodes(SectionReader reader, NodeState state)
    {
        for (uint left = reader.U32(); left > 0; left--)
        {
            ulong node = reader.U64();
            uint mount = reader.U32();
            var key = new InodeKey(reader.U64(), reader.U64(), 0);
            ulong birth = reader.U64();
            KernelHandle handle = reader.Handle();
            if (node <= NodeId.Root.Value || node > InodeAllocator.MaxNodeId || mount >= state.Mounts.Count)
            {
                throw StateReader.Damaged();
            }

            state.Inodes.Add(new RememberedInode(new NodeId(node), key, birth, handle, (int)mount));
        }
    }
}
