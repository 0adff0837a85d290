using System;
using System.Buffers.Binary;
using PassthroughFs.Core.Protocol;

namespace PassthroughFs.Core.Fuzz.Engine;

/// <summary>Makes requests: of every operation with every flag, and then some that no client would send.</summary>
internal sealed partial class RequestMaker(Limits limits)
{
    public const int Largest = (1 << 20) + 4096;
    private const int ReplyHeader = 16;
    private const int MaxFixups = 16;

    private static readonly uint[] s_openFlags =
    [
        0x40, 0x80, 0x200, 0x400, 0x800, 0x1000, 0x2000, 0x4000, 0x8000, 0x10000, 0x20000, 0x40000, 0x80000, 0x101000,
        0x200000, 0x410000,
    ];

    private static readonly uint[] s_types = [0x8000, 0x8000, 0x1000, 0xC000, 0x2000, 0x6000, 0x4000, 0xA000, 0, 0xF000];
    private static readonly uint[] s_modes = [0x1A4, 0x1FF, 0x1ED, 0xDED, 0x9ED, 0x5ED, 0, 0xFFF, 0x124];
    private static readonly byte[] s_wheel = MakeWheel();

    private readonly byte[] _buffer = new byte[Largest + 4096];
    private readonly Fixup[] _fixups = new Fixup[MaxFixups];
    private int _length;
    private int _fixupCount;

    public ReadOnlySpan<byte> Request => _buffer.AsSpan(0, _length);

    public ReadOnlySpan<Fixup> Fixups => _fixups.AsSpan(0, _fixupCount);

    /// <summary>How many bytes the reply gets.</summary>
    public int Room { get; private set; }

    public ulong Unique { get; set; }

    /// <summary>Starts with a request from elsewhere.</summary>
    public void Take(ReadOnlySpan<byte> request, int room)
    {
        request.CopyTo(_buffer);
        _length = request.Length;
        _fixupCount = 0;
        Room = room;
        if (_length >= 16)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(_buffer.AsSpan(8), Unique);
        }
    }

    /// <summary>Puts a number where an earlier reply's belongs.</summary>
    public void Fix(Fixup fixup, ulong value)
    {
        if (fixup.At + 8 <= _length && _fixupCount < MaxFixups)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(_buffer.AsSpan(fixup.At), value);
            _fixups[_fixupCount++] = fixup;
        }
    }

    /// <summary>A request that a client could send.</summary>
    public void Make(ref Rng rng, Pool pool) =>
        Make(Shape.Find(s_wheel[rng.Below(s_wheel.Length)])!, ref rng, pool);

    public void Make(Shape shape, ref Rng rng, Pool pool)
    {
        _fixupCount = 0;
        Span<byte> header = _buffer.AsSpan(0, Shape.Header + shape.Fixed);
        header.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(header[4..], (uint)shape.Opcode);
        BinaryPrimitives.WriteUInt64LittleEndian(header[8..], Unique);
        WriteCaller(ref rng);

        bool directory = shape.OnDirectory;
        Given handle = default;
        bool hasHandle = HasHandle(shape) && pool.TryHandle(ref rng, directory != rng.OneIn(20), out handle);
        if (hasHandle && !rng.OneIn(25))
        {
            BinaryPrimitives.WriteUInt64LittleEndian(_buffer.AsSpan(16), handle.Node);
            Note(16, handle.NodeSource, handle.NodeNth);
        }
        else
        {
            WriteGiven(16, pool.AnyNode(ref rng, directory && !rng.OneIn(20)));
        }

        foreach (Field field in shape.Fields)
        {
            WriteField(shape, field, ref rng, pool, handle, hasHandle);
        }

        int length = Shape.Header + shape.Fixed;
        bool xattr = shape.Opcode is FuseOpcode.FUSE_SETXATTR or FuseOpcode.FUSE_GETXATTR or FuseOpcode.FUSE_REMOVEXATTR;
        if (shape.Opcode == FuseOpcode.FUSE_SETXATTR)
        {
            length += 8; // as after FUSE_SETXATTR_EXT, which nearly all sessions have
        }

        for (int i = 0; i < shape.Names; i++)
        {
            ReadOnlySpan<byte> name = xattr ? Values.XattrName(ref rng) : Values.Name(ref rng);
            name.CopyTo(_buffer.AsSpan(length));
            length += name.Length;
            _buffer[length++] = 0;
        }

        _length = WriteTail(shape, ref rng, pool, length);
        if (rng.OneIn(24))
        {
            WriteExtension(ref rng);
        }

        WriteLength();
        Room = ReplyHeader + RoomFor(shape, ref rng);
    }

    private static bool HasHandle(Shape shape) =>
        shape.Fields.Length > 0 && shape.Fields[0] is { Offset: 0, Kind: FieldKind.Handle };

    private static byte[] MakeWheel()
    {
        int total = 0;
        foreach (Shape shape in Shape.All)
        {
            total += (shape.Weight * 4) + 1;
        }

        byte[] wheel = new byte[total];
        int at = 0;
        foreach (Shape shape in Shape.All)
        {
            // INIT and DESTROY end what was built up: seldom enough by their one place.
            int places = (shape.Weight * 4) + 1;
            wheel.AsSpan(at, places).Fill((byte)shape.Opcode);
            at += places;
        }

        return wheel;
    }

    private void WriteCaller(ref Rng rng)
    {
        (uint uid, uint gid) = rng.Below(24) switch
        {
            < 18 => (limits.Uid, limits.Gid),
            < 22 => (1000u, 1000u),
            22 => (1001u, limits.Gid),
            _ => ((uint)Values.Hostile(ref rng), (uint)Values.Hostile(ref rng)),
        };
        BinaryPrimitives.WriteUInt32LittleEndian(_buffer.AsSpan(24), uid);
        BinaryPrimitives.WriteUInt32LittleEndian(_buffer.AsSpan(28), gid);
        BinaryPrimitives.WriteUInt32LittleEndian(_buffer.AsSpan(32), rng.OneIn(20) ? rng.Next32() : limits.Pid);
    }

    private void WriteGiven(int at, in Given given)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(_buffer.AsSpan(at), given.Value);
        Note(at, given.Source, given.Nth);
    }

    private void Note(int at, int source, int nth)
    {
        if (source >= 0 && _fixupCount < MaxFixups)
        {
            _fixups[_fixupCount++] = new Fixup(at, source, nth);
        }
    }

    private void WriteField(
        Shape shape, Field field, ref Rng rng, Pool pool, in Given handle, bool hasHandle)
    {
        int at = Shape.Header + field.Offset;
        ulong value;
        switch (field.Kind)
        {
            case FieldKind.Zero:
                return;
            case FieldKind.Node:
                WriteGiven(at, pool.AnyNode(ref rng, shape.OnDirectory && shape.Names == 2));
                return;
            case FieldKind.Handle when field.Offset == 0 && hasHandle:
                WriteGiven(at, handle);
                return;
            case FieldKind.Handle:
                if (pool.TryHandle(ref rng, shape.OnDirectory, out Given other))
                {
                    WriteGiven(at, other);
                }

                return;
            case FieldKind.Offset:
                value = rng.Below(10) switch
                {
                    < 4 => 0,
                    < 6 => (ulong)rng.Below(6000),
                    < 8 => (ulong)rng.Below(300) * 4096,
                    8 => (ulong)rng.Below(1 << 21),
                    _ => Values.Hostile(ref rng),
                };
                break;
            case FieldKind.Length:
                value = rng.OneIn(10) ? Values.Hostile(ref rng) : (ulong)rng.Below(1 << 16);
                break;
            case FieldKind.Size:
                value = (ulong)SizeOf(ref rng);
                break;
            case FieldKind.Bits:
                value = 0;
                foreach (uint bit in field.Values!)
                {
                    value |= rng.OneIn(field.Values.Length > 4 ? 5 : 3) ? bit : 0;
                }

                break;
            case FieldKind.OneOf:
                value = field.Values![rng.Below(field.Values.Length)];
                break;
            case FieldKind.OpenFlags:
                value = (ulong)(rng.OneIn(20) ? 3 : rng.Below(3));
                while (rng.OneIn(3))
                {
                    value |= s_openFlags[rng.Below(s_openFlags.Length)];
                }

                break;
            case FieldKind.Mode:
                value = s_modes[rng.Below(s_modes.Length)];
                value |= shape.Opcode == FuseOpcode.FUSE_MKNOD && field.Offset == 0 ? s_types[rng.Below(s_types.Length)] : 0;
                break;
            case FieldKind.Id:
                value = rng.Below(6) switch { 0 => 1000, 1 => uint.MaxValue, 2 => rng.Next32(), _ => limits.Uid };
                break;
            case FieldKind.Seconds:
                value = rng.OneIn(4) ? Values.Hostile(ref rng) : (ulong)rng.Below(int.MaxValue);
                break;
            case FieldKind.Nanoseconds:
                value = rng.OneIn(6) ? Values.Hostile(ref rng) : (ulong)rng.Below(1_000_000_000);
                break;
            case FieldKind.Owner:
                value = (ulong)rng.Below(4) * 0x1234567890;
                break;
            case FieldKind.Lookups:
                value = rng.OneIn(12) ? Values.Hostile(ref rng) : 1UL + (ulong)rng.Below(2);
                break;
            case FieldKind.Unique:
                value = Unique - ((ulong)rng.Below(64) * 2);
                break;
            case FieldKind.Pages:
                value = rng.OneIn(8) ? Values.Hostile(ref rng) : (ulong)rng.Below(20) * 4096;
                break;
            default:
                value = Values.Hostile(ref rng);
                break;
        }

        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        bytes[..field.Width].CopyTo(_buffer.AsSpan(at));
        if (shape.Opcode is FuseOpcode.FUSE_FALLOCATE)
        {
            Tame();
        }
    }

    private static int SizeOf(ref Rng rng) => rng.Below(64) switch
    {
        < 8 => 0,
        < 30 => rng.Below(512),
        < 58 => rng.Below(4097),
        < 61 => 4096 * rng.Below(17),
        61 => 65536 + rng.Below(3) - 1,
        62 => (int)(Values.Hostile(ref rng) & int.MaxValue),
        _ => rng.OneIn(16) ? 1 << 20 : 8192,
    };

    private int WriteTail(Shape shape, ref Rng rng, Pool pool, int length)
    {
        switch (shape.Tail)
        {
            case Tail.Target:
                ReadOnlySpan<byte> target = Values.Target(ref rng);
                target.CopyTo(_buffer.AsSpan(length));
                length += target.Length;
                _buffer[length++] = 0;
                break;
            case Tail.Data:
            case Tail.Value:
                int size = Math.Min(SizeOf(ref rng), 1 << 17);
                if (size > 0)
                {
                    // Never four bytes alike, which would be taken for poison.
                    byte first = (byte)rng.Below(0x40);
                    Span<byte> data = _buffer.AsSpan(length, size);
                    for (int i = 0; i < data.Length; i++)
                    {
                        data[i] = (byte)((first + i) & 0x7F);
                    }

                    length += size;
                }

                int at = shape.Opcode switch
                {
                    FuseOpcode.FUSE_SETXATTR => 0,
                    FuseOpcode.FUSE_IOCTL => 24,
                    _ => 16,
                };
                BinaryPrimitives.WriteUInt32LittleEndian(_buffer.AsSpan(Shape.Header + at), (uint)size);
                break;
            case Tail.Forgets:
            case Tail.Ranges:
                uint count = BinaryPrimitives.ReadUInt32LittleEndian(_buffer.AsSpan(Shape.Header));
                for (uint i = 0; i < count; i++, length += 16)
                {
                    if (shape.Tail == Tail.Forgets)
                    {
                        WriteGiven(length, pool.AnyNode(ref rng, false));
                        BinaryPrimitives.WriteUInt64LittleEndian(_buffer.AsSpan(length + 8), 1);
                    }
                    else
                    {
                        BinaryPrimitives.WriteUInt64LittleEndian(_buffer.AsSpan(length), (ulong)rng.Below(20) * 4096);
                        BinaryPrimitives.WriteUInt64LittleEndian(_buffer.AsSpan(length + 8), (ulong)rng.Below(20) * 4096);
                    }
                }

                break;
        }

        return length;
    }

    /// <summary>Supplementary groups behind the request, well formed or not.</summary>
    private void WriteExtension(ref Rng rng)
    {
        int start = (_length + 7) & ~7;
        _buffer.AsSpan(_length, start - _length).Clear();
        int groups = rng.OneIn(8) ? rng.Below(100) : rng.Below(4);
        int size = (12 + (groups * 4) + 7) & ~7;
        Span<byte> extension = _buffer.AsSpan(start, size);
        extension.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(extension, rng.OneIn(6) ? (uint)Values.Hostile(ref rng) : (uint)size);
        BinaryPrimitives.WriteUInt32LittleEndian(extension[4..], rng.OneIn(6) ? (uint)rng.Below(40) : 32);
        BinaryPrimitives.WriteUInt32LittleEndian(
            extension[8..], rng.OneIn(6) ? (uint)Values.Hostile(ref rng) : (uint)groups);
        for (int i = 0; i < groups; i++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(extension[(12 + (i * 4))..], (uint)(1000 + i));
        }

        BinaryPrimitives.WriteUInt16LittleEndian(
            _buffer.AsSpan(36), rng.OneIn(6) ? (ushort)Values.Hostile(ref rng) : (ushort)(size / 8));
        _length = start + size;
    }

    private void WriteLength()
    {
        if (_length >= 4)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(_buffer, (uint)_length);
        }
    }

    private int RoomFor(Shape shape, ref Rng rng)
    {
        if (rng.OneIn(40))
        {
            return rng.Below(600);
        }

        int room = Math.Max(shape.Info.FixedOut, 16);
        uint size = shape.Opcode switch
        {
            FuseOpcode.FUSE_READ or FuseOpcode.FUSE_READDIR or FuseOpcode.FUSE_READDIRPLUS => Size(16),
            FuseOpcode.FUSE_GETXATTR or FuseOpcode.FUSE_LISTXATTR => Math.Max(Size(0), 8),
            FuseOpcode.FUSE_IOCTL => Size(28),
            FuseOpcode.FUSE_READLINK => 4096,
            _ => 0,
        };
        return Math.Max(room, (int)Math.Min(size, (1 << 20) + 512));

        uint Size(int offset) => BinaryPrimitives.ReadUInt32LittleEndian(_buffer.AsSpan(Shape.Header + offset));
    }

    /// <summary>Without a file system of its own the fuzzer must not fill the machine's.</summary>
    private void Tame()
    {
        if (limits.MayFill || _length < Shape.Header + 24
            || BinaryPrimitives.ReadUInt32LittleEndian(_buffer.AsSpan(4)) != (uint)FuseOpcode.FUSE_FALLOCATE)
        {
            return;
        }

        Span<byte> length = _buffer.AsSpan(Shape.Header + 16);
        BinaryPrimitives.WriteUInt64LittleEndian(length, BinaryPrimitives.ReadUInt64LittleEndian(length) & 0xFFFFF);
    }
}

/// <summary>What the machine and the caller set.</summary>
/// <param name="Uid">Whom most requests come from: the server's own user.</param>
/// <param name="Gid">Its group.</param>
/// <param name="Pid">A process that is there.</param>
/// <param name="MayFill">Whether the file system is the fuzzer's own, so that a client may fill it.</param>
internal sealed record Limits(uint Uid, uint Gid, uint Pid, bool MayFill);
