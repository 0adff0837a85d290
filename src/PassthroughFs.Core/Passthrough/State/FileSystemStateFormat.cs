using System;
using System.Collections.Generic;
using System.IO;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Passthrough;

/// <summary>How a <see cref="FileSystemState"/> is written.</summary>
/// <remarks>
/// <para>"PTFSLIVE", version 2; see <see cref="StateWriter"/>.</para>
/// <list type="table">
/// <item><term>CONF</term><description>
/// the flags agreed on (64), 1 or 0 for numbers from the host, mounts in the identity and export (8 each)
/// </description></item>
/// <item><term>NUMS, DEVS</term><description>as in <see cref="NodeStateFormat"/></description></item>
/// <item><term>OPEN</term><description>
/// count (32); for each mount its id, its descriptor (32 each), 1 or 0 (8) and after 1 a mount as in
/// <see cref="NodeStateFormat"/>
/// </description></item>
/// <item><term>LIVE</term><description>
/// count (32); for each live node the NodeId, st_ino, st_dev, mount id, birth time, lookup count (64 each), st_mode, its
/// mount's index, its descriptor (32 each), a handle
/// </description></item>
/// <item><term>PAST</term><description>
/// count (32); for each forgotten node the NodeId, st_ino, st_dev, mount id, birth time (64 each), its mount's index (32),
/// a handle
/// </description></item>
/// <item><term>FILE</term><description>
/// the most uses of a Handle's slot (64), count (32); for each open file the Handle, the NodeId (64 each), its descriptor,
/// its flags (32 each), the directory's position (64)
/// </description></item>
/// <item><term>KEPT</term><description>the same for files that are open without OPEN</description></item>
/// <item><term>LOCK</term><description>
/// count (32); for each owner of POSIX locks the NodeId, the owner (64 each), the descriptor that holds them, the process
/// that set the last (32 each)
/// </description></item>
/// <item><term>BACK</term><description>
/// 1 if no more are taken (8), count (32); for each node with a backing file the NodeId (64), the file's number, the opens
/// (32 each), 1 or 0 for marked and told (8 each)
/// </description></item>
/// </list>
/// <para>
/// A descriptor is its place in the list that goes with the state, and 2^32-1 for none; so is the index of no mount. A
/// handle of length 0 is none.
/// </para>
/// </remarks>
internal static class FileSystemStateFormat
{
    private const uint Version = 2;

    private static ReadOnlySpan<byte> Magic => "PTFSLIVE"u8;

    public static void Write(FileSystemState state, Stream stream)
    {
        var writer = new StateWriter(stream, Magic, Version);
        writer.U64((ulong)state.Accepted);
        writer.Bool(state.UseHostIno);
        writer.Bool(state.EnableMntid);
        writer.Bool(state.ExportSupport);
        writer.Section("CONF"u8);
        NodeStateFormat.WriteNumbers(writer, state.Numbers);
        writer.U32((uint)state.Mounts.Count);
        foreach (KeptMount mount in state.Mounts)
        {
            writer.U32((uint)mount.Id);
            writer.U32((uint)mount.Fd);
            writer.Bool(mount.Host is not null);
            if (mount.Host is not null)
            {
                writer.Write(new SavedHostMount(mount.Host, (ulong)mount.Id));
            }
        }

        writer.Section("OPEN"u8);
        writer.U32((uint)state.Inodes.Count);
        foreach (LiveInode inode in state.Inodes)
        {
            WriteIdentity(writer, inode.Node, inode.Key, inode.Birth);
            writer.U64(inode.Lookups);
            writer.U32(inode.Mode);
            writer.U32((uint)inode.Mount);
            writer.U32((uint)inode.Fd);
            writer.Handle(inode.Handle);
        }

        writer.Section("LIVE"u8);
        writer.U32((uint)state.Remembered.Count);
        foreach (RememberedInode inode in state.Remembered)
        {
            WriteIdentity(writer, inode.Node, inode.Key, inode.Birth);
            writer.U32((uint)inode.Mount);
            writer.Handle(inode.Handle);
        }

        writer.Section("PAST"u8);
        writer.U64(state.HandleUses);
        WriteFiles(writer, state.Files);
        writer.Section("FILE"u8);
        WriteFiles(writer, state.NoOpenFiles);
        writer.Section("KEPT"u8);
        writer.U32((uint)state.Locks.Count);
        foreach (KeptLocks owner in state.Locks)
        {
            writer.U64(owner.Node.Value);
            writer.U64(owner.Owner.Value);
            writer.U32((uint)owner.Fd);
            writer.U32(owner.Pid);
            writer.U32((uint)owner.Handles.Length);
            foreach (ulong handle in owner.Handles)
            {
                writer.U64(handle);
            }
        }

        writer.Section("LOCK"u8);
        writer.Bool(state.BackingIsOff);
        writer.U32((uint)state.Backed.Count);
        foreach (BackedNode node in state.Backed)
        {
            writer.U64(node.Node.Value);
            writer.U32((uint)node.Id);
            writer.U32((uint)node.Opens);
            writer.Bool(node.IsMarked);
            writer.Bool(node.IsTold);
        }

        writer.Section("BACK"u8);
        writer.End();
    }

    /// <exception cref="InvalidDataException">It is not such a state, or damaged; the message says what.</exception>
    public static FileSystemState Read(Stream stream)
    {
        var sections = new StateReader(stream, Magic, Version, "saved state of a passthrough file system");
        var state = new FileSystemState();
        SectionReader config = sections["CONF"];
        state.Accepted = (InitFlags)config.U64();
        state.UseHostIno = config.Bool();
        state.EnableMntid = config.Bool();
        state.ExportSupport = config.Bool();
        NodeStateFormat.ReadNumbers(sections, state.Numbers);
        ReadMounts(sections["OPEN"], state);
        ReadInodes(sections["LIVE"], state);
        ReadRemembered(sections["PAST"], state);
        SectionReader files = sections["FILE"];
        state.HandleUses = files.U64();
        ReadFiles(files, state.Files);
        ReadFiles(sections["KEPT"], state.NoOpenFiles);
        ReadLocks(sections["LOCK"], state);
        ReadBacked(sections["BACK"], state);
        return state;
    }

    private static void WriteIdentity(StateWriter writer, NodeId node, in InodeKey key, ulong birth)
    {
        writer.U64(node.Value);
        writer.U64(key.Ino);
        writer.U64(key.Dev);
        writer.U64(key.Mnt);
        writer.U64(birth);
    }

    private static void WriteFiles(StateWriter writer, List<KeptFile> files)
    {
        writer.U32((uint)files.Count);
        foreach (KeptFile file in files)
        {
            writer.U64(file.Handle.Value);
            writer.U64(file.Node.Value);
            writer.U32((uint)file.Fd);
            writer.U32(file.Flags);
            writer.U64(file.Position);
        }
    }

    private static void ReadMounts(SectionReader reader, FileSystemState state)
    {
        for (uint left = reader.U32(); left > 0; left--)
        {
            int id = (int)reader.U32();
            int fd = (int)reader.U32();
            state.Mounts.Add(new KeptMount(id, fd, reader.Bool() ? reader.Mount().Host : null));
        }
    }

    private static NodeId ReadNode(ref SectionReader reader)
    {
        ulong node = reader.U64();
        return node is > 0 and <= InodeAllocator.MaxNodeId ? new NodeId(node) : throw StateReader.Damaged();
    }

    private static void ReadInodes(SectionReader reader, FileSystemState state)
    {
        for (uint left = reader.U32(); left > 0; left--)
        {
            NodeId node = ReadNode(ref reader);
            var key = new InodeKey(reader.U64(), reader.U64(), reader.U64());
            ulong birth = reader.U64();
            ulong lookups = reader.U64();
            uint mode = reader.U32();
            int mount = (int)reader.U32();
            int fd = (int)reader.U32();
            KernelHandle handle = reader.HandleOrNone();
            bool hasMount = (uint)mount < (uint)state.Mounts.Count && state.Mounts[mount].Fd != FileSystemState.NoFd;
            bool canBeOpened = fd != FileSystemState.NoFd || (hasMount && !handle.IsNone);
            if (!canBeOpened || (!hasMount && mount != FileSystemState.NoFd) || lookups == 0)
            {
                throw StateReader.Damaged();
            }

            state.Inodes.Add(new LiveInode(node, key, birth, lookups, mode, handle, mount, fd));
        }
    }

    private static void ReadRemembered(SectionReader reader, FileSystemState state)
    {
        for (uint left = reader.U32(); left > 0; left--)
        {
            NodeId node = ReadNode(ref reader);
            var key = new InodeKey(reader.U64(), reader.U64(), reader.U64());
            ulong birth = reader.U64();
            int mount = (int)reader.U32();
            KernelHandle handle = reader.HandleOrNone();
            if (node == NodeId.Root || (mount != FileSystemState.NoFd && (uint)mount >= (uint)state.Mounts.Count))
            {
                throw StateReader.Damaged();
            }

            state.Remembered.Add(new RememberedInode(node, key, birth, handle, mount));
        }
    }

    private static void ReadFiles(SectionReader reader, List<KeptFile> files)
    {
        for (uint left = reader.U32(); left > 0; left--)
        {
            var handle = new Handle(reader.U64());
            NodeId node = ReadNode(ref reader);
            int fd = (int)reader.U32();
            uint flags = reader.U32();
            files.Add(new KeptFile(handle, node, fd, flags, reader.U64()));
        }
    }

    private static void ReadLocks(SectionReader reader, FileSystemState state)
    {
        var owners = new HashSet<(NodeId Node, LockOwner Owner)>();
        for (uint left = reader.U32(); left > 0; left--)
        {
            var owner = new KeptLocks(
                ReadNode(ref reader), new LockOwner(reader.U64()), (int)reader.U32(), reader.U32(),
                ReadHandles(ref reader));
            if (!owners.Add((owner.Node, owner.Owner)))
            {
                throw StateReader.Damaged();
            }

            state.Locks.Add(owner);
        }
    }

    private static ulong[] ReadHandles(ref SectionReader reader)
    {
        var handles = new List<ulong>();
        for (uint left = reader.U32(); left > 0; left--)
        {
            handles.Add(reader.U64());
        }

        return [.. handles];
    }

    private static void ReadBacked(SectionReader reader, FileSystemState state)
    {
        state.BackingIsOff = reader.Bool();
        for (uint left = reader.U32(); left > 0; left--)
        {
            var node = new BackedNode(
                ReadNode(ref reader), (int)reader.U32(), (int)reader.U32(), reader.Bool(), reader.Bool());
            if (node.Id < 0 || node.Opens < 0)
            {
                throw StateReader.Damaged();
            }

            state.Backed.Add(node);
        }
    }
}
