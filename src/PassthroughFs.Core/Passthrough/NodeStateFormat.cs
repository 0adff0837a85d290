using System;
using System.Buffers;
using System.Buffers.Binary;
using System.IO;
using System.Numerics;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Passthrough;

/// <summary>How a <see cref="NodeState"/> is written.</summary>
/// <remarks>
/// <para>
/// "PTFSNODE", the version (32 bits), then sections: a tag of four letters, the length (64 bits), the content. The last
/// one, "END ", has the CRC-32C of all bytes before its content. All numbers are little-endian.
/// </para>
/// <list type="table">
/// <item><term>MNTS</term><description>
/// count (32); for each mount the path's length (16) and the path, f_type, f_fsid, st_dev and the mount's id (64 each),
/// 1 if the mount begins there (8), a handle
/// </description></item>
/// <item><term>NUMS</term><description>
/// the next NodeId, the next virtual number (64 each), count of pairs (32); for each st_dev and mount id (64 each)
/// </description></item>
/// <item><term>NODE</term><description>
/// count (32); for each node the NodeId (64), its mount's index (32), st_ino, st_dev, birth time (64 each), a handle
/// </description></item>
/// </list>
/// <para>
/// A handle is its type (32), its length (8) and its bytes. A reader passes over sections that it does not know; a
/// change that it must not pass over is another version.
/// </para>
/// </remarks>
internal static class NodeStateFormat
{
    private const uint Version = 1;
    private const int TagAndLength = 12;
    private const int ChunkSize = 1 << 16;

    private static ReadOnlySpan<byte> Magic => "PTFSNODE"u8;

    public static void Write(NodeState state, Stream stream)
    {
        var writer = new Writer(stream);
        writer.Raw(Magic);
        writer.U32(Version);
        writer.Flush();

        writer.U32((uint)state.Mounts.Count);
        foreach (SavedMount mount in state.Mounts)
        {
            HostMount host = mount.Host;
            byte[] path = host.Path ?? [];
            writer.U16((ushort)path.Length);
            writer.Raw(path);
            writer.U64(host.Type);
            writer.U64(host.FileSystem);
            writer.U64(host.Dev);
            writer.U64(mount.MountId);
            writer.U8(host.IsMountRoot ? (byte)1 : (byte)0);
            writer.Handle(host.Handle);
        }

        writer.Section("MNTS"u8);
        writer.U64(state.NextNode);
        writer.U64(state.NextVirtualIno);
        writer.U32((uint)state.Pairs.Count);
        foreach ((ulong dev, ulong mnt) in state.Pairs)
        {
            writer.U64(dev);
            writer.U64(mnt);
        }

        writer.Section("NUMS"u8);
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
        writer.End();
    }

    /// <exception cref="InvalidDataException">It is not such a state, or damaged; the message says what.</exception>
    public static NodeState Read(Stream stream)
    {
        uint crc = 0;
        byte[] header = ReadExactly(stream, (ulong)Magic.Length + sizeof(uint), ref crc, isFirst: true);
        if (!header.AsSpan().StartsWith(Magic))
        {
            throw new InvalidDataException("it is no saved state of nodes");
        }

        uint version = BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(Magic.Length));
        if (version != Version)
        {
            throw new InvalidDataException($"it is of version {version}, and this program reads version {Version}");
        }

        byte[]? mounts = null, numbers = null, nodes = null;
        while (true)
        {
            byte[] start = ReadExactly(stream, TagAndLength, ref crc);
            ReadOnlySpan<byte> tag = start.AsSpan(0, 4);
            ulong length = BinaryPrimitives.ReadUInt64LittleEndian(start.AsSpan(4));
            uint expected = crc;
            byte[] content = ReadExactly(stream, length, ref crc);
            if (tag.SequenceEqual("END "u8))
            {
                if (length != sizeof(uint) || BinaryPrimitives.ReadUInt32LittleEndian(content) != expected)
                {
                    throw Damaged();
                }

                break;
            }

            _ = tag.SequenceEqual("MNTS"u8) ? mounts = content
                : tag.SequenceEqual("NUMS"u8) ? numbers = content
                : tag.SequenceEqual("NODE"u8) ? nodes = content : null;
        }

        var state = new NodeState();
        ReadMounts(new Reader(mounts), state);
        ReadNumbers(new Reader(numbers), state);
        ReadNodes(new Reader(nodes), state);
        return state;
    }

    private static InvalidDataException Damaged() => new("it is damaged");

    private static void ReadMounts(Reader reader, NodeState state)
    {
        for (uint left = reader.U32(); left > 0; left--)
        {
            byte[] path = reader.Raw(reader.U16()).ToArray();
            ulong type = reader.U64();
            ulong fileSystem = reader.U64();
            ulong dev = reader.U64();
            ulong id = reader.U64();
            bool isMountRoot = reader.U8() != 0;
            var host = new HostMount(path, type, fileSystem, reader.Handle(), isMountRoot, dev);
            state.Mounts.Add(new SavedMount(host, id));
        }

        if (state.Mounts.Count == 0)
        {
            throw Damaged();
        }
    }

    private static void ReadNumbers(Reader reader, NodeState state)
    {
        state.NextNode = reader.U64();
        state.NextVirtualIno = reader.U64();
        uint pairs = reader.U32();
        if (pairs > InodeAllocator.MaxPairs)
        {
            throw Damaged();
        }

        for (; pairs > 0; pairs--)
        {
            state.Pairs.Add((reader.U64(), reader.U64()));
        }
    }

    private static void ReadNodes(Reader reader, NodeState state)
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
                throw Damaged();
            }

            state.Inodes.Add(new RememberedInode(new NodeId(node), key, birth, handle, (int)mount));
        }
    }

    /// <summary>Reads bytes into memory that grows as they come, whatever length is claimed.</summary>
    private static byte[] ReadExactly(Stream stream, ulong length, ref uint crc, bool isFirst = false)
    {
        byte[] bytes = [];
        int filled = 0;
        while ((ulong)filled < length)
        {
            if (filled == bytes.Length)
            {
                ulong most = Math.Min(length, (ulong)Array.MaxLength);
                ulong size = Math.Min(most, Math.Max(2ul * (uint)filled, ChunkSize));
                if (size == (uint)filled)
                {
                    throw Damaged();
                }

                Array.Resize(ref bytes, (int)size);
            }

            int read = stream.Read(bytes, filled, bytes.Length - filled);
            if (read == 0)
            {
                throw new InvalidDataException(isFirst ? "it is no saved state of nodes" : "it is cut off");
            }

            filled += read;
        }

        crc = Crc(crc, bytes);
        return bytes;
    }

    private static uint Crc(uint crc, ReadOnlySpan<byte> bytes)
    {
        for (; bytes.Length >= sizeof(ulong); bytes = bytes[sizeof(ulong)..])
        {
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
        }

        foreach (byte value in bytes)
        {
            crc = BitOperations.Crc32C(crc, value);
        }

        return crc;
    }

    /// <summary>Collects a section, and sends it with its tag and length before it.</summary>
    private sealed class Writer(Stream stream)
    {
        private readonly ArrayBufferWriter<byte> _buffer = new(ChunkSize);
        private uint _crc;

        public void U8(byte value) => Raw([value]);

        public void U16(ushort value)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(_buffer.GetSpan(sizeof(ushort)), value);
            _buffer.Advance(sizeof(ushort));
        }

        public void U32(uint value)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(_buffer.GetSpan(sizeof(uint)), value);
            _buffer.Advance(sizeof(uint));
        }

        public void U64(ulong value)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(_buffer.GetSpan(sizeof(ulong)), value);
            _buffer.Advance(sizeof(ulong));
        }

        public void Raw(ReadOnlySpan<byte> bytes) => _buffer.Write(bytes);

        public void Handle(in KernelHandle handle)
        {
            U32((uint)handle.Type);
            U8((byte)handle.Bytes.Length);
            Raw(handle.Bytes);
        }

        /// <summary>Sends what was written as it is.</summary>
        public void Flush()
        {
            _crc = Crc(_crc, _buffer.WrittenSpan);
            stream.Write(_buffer.WrittenSpan);
            _buffer.ResetWrittenCount();
        }

        public void Section(ReadOnlySpan<byte> tag)
        {
            SendStart(tag, (ulong)_buffer.WrittenCount);
            Flush();
        }

        public void End()
        {
            SendStart("END "u8, sizeof(uint));
            U32(_crc);
            Flush();
        }

        private void SendStart(ReadOnlySpan<byte> tag, ulong length)
        {
            Span<byte> start = stackalloc byte[TagAndLength];
            tag.CopyTo(start);
            BinaryPrimitives.WriteUInt64LittleEndian(start[4..], length);
            _crc = Crc(_crc, start);
            stream.Write(start);
        }
    }

    private ref struct Reader(byte[]? section)
    {
        private ReadOnlySpan<byte> _left = section ?? throw Damaged();

        public byte U8() => Raw(1)[0];

        public ushort U16() => BinaryPrimitives.ReadUInt16LittleEndian(Raw(sizeof(ushort)));

        public uint U32() => BinaryPrimitives.ReadUInt32LittleEndian(Raw(sizeof(uint)));

        public ulong U64() => BinaryPrimitives.ReadUInt64LittleEndian(Raw(sizeof(ulong)));

        public KernelHandle Handle()
        {
            uint type = U32();
            byte length = U8();
            return length is > 0 and <= KernelHandle.MaxLength
                ? new KernelHandle((int)type, Raw(length))
                : throw Damaged();
        }

        public ReadOnlySpan<byte> Raw(int length)
        {
            if (length > _left.Length)
            {
                throw Damaged();
            }

            ReadOnlySpan<byte> taken = _left[..length];
            _left = _left[length..];
            return taken;
        }
    }
}
