using System;
using System.Buffers.Binary;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Protocol;
using static PassthroughFs.Core.Protocol.FuseOpcode;

namespace PassthroughFs.Core.Fuzz.Engine;

/// <summary>Gets what a reply gives the client.</summary>
internal interface IReplySink
{
    /// <summary>A node whose lookup count went up by one.</summary>
    void Node(ulong node, bool isDirectory);

    /// <summary>An open file or directory.</summary>
    void Handle(ulong handle, bool isDirectory);

    /// <summary>The host's number of a file whose attributes are told.</summary>
    void Ino(ulong ino);
}

/// <summary>Holds replies to the protocol's rules, and to what each operation may say; written apart from the library's tables.</summary>
internal static class ReplyCheck
{
    public const int Header = 16;
    private const uint MaxErrno = 511;
    private const int EntrySize = 128;

    /// <param name="request">What was sent.</param>
    /// <param name="reply">What came back.</param>
    /// <param name="room">How much could have come.</param>
    /// <param name="agreed">What INIT has agreed on; null where another thread may change it meanwhile.</param>
    /// <param name="sink">Gets what the reply gives.</param>
    /// <exception cref="FindingException">It breaks one.</exception>
    public static void Check(
        ReadOnlySpan<byte> request, ReadOnlySpan<byte> reply, int room, InitFlags? agreed, IReplySink sink)
    {
        uint opcode = U32(request, 4);
        var op = (FuseOpcode)opcode;
        Must(reply.Length >= Header && reply.Length <= room, "length", $"{reply.Length} of {room}");
        Must(U32(reply, 0) == (uint)reply.Length, "length", $"the header says {U32(reply, 0)}, sent are {reply.Length}");
        Must(U64(reply, 8) == U64(request, 8), "unique", "it belongs to another request");
        int error = (int)U32(reply, 4);
        Must(error is <= 0 and >= -(int)MaxErrno, "errno", $"{error}");
        if (error != 0)
        {
            Must(reply.Length == Header, "error with data", $"{op}: {error} and {reply.Length} bytes");
            return;
        }

        ReadOnlySpan<byte> body = reply[Header..];
        ReadOnlySpan<byte> asked = request[Shape.Header..];
        Must(opcode < 64 && Shape.Find(opcode) is not null, "success", $"of the unknown operation {opcode}");
        CheckNames(op, request, agreed);
        switch (op)
        {
            case FUSE_LOOKUP or FUSE_SYMLINK or FUSE_MKNOD or FUSE_MKDIR or FUSE_LINK:
                Exactly(op, body, EntrySize);
                Entry(op, body, sink, negative: op == FUSE_LOOKUP);
                if (op == FUSE_LOOKUP && U64(request, 16) == 1 && Name(asked).SequenceEqual(".."u8))
                {
                    Must(U64(body, 0) == 1, "root", $".. of the root is node {U64(body, 0)}");
                }

                break;
            case FUSE_CREATE or FUSE_TMPFILE:
                Exactly(op, body, EntrySize + 16);
                Entry(op, body, sink, negative: false);
                Open(op, body[EntrySize..], agreed);
                sink.Handle(U64(body, EntrySize), false);
                break;
            case FUSE_OPEN or FUSE_OPENDIR:
                Exactly(op, body, 16);
                Open(op, body, agreed);
                sink.Handle(U64(body, 0), op == FUSE_OPENDIR);
                break;
            case FUSE_GETATTR or FUSE_SETATTR:
                Exactly(op, body, 104);
                Must(U32(body, 8) < 1_000_000_000, "timeout", $"{op}: {U32(body, 8)} ns");
                Zero(op, body, 12, 4);
                Attributes(op, body[16..], sink);
                break;
            case FUSE_STATX:
                Exactly(op, body, 288);
                Zero(op, body, 16, 16);
                Zero(op, body, 32 + 30, 2);
                Zero(op, body, 32 + 144, 112);
                for (int at = 32 + 64; at < 32 + 128; at += 16)
                {
                    Zero(op, body, at + 12, 4);
                    Must(U32(body, at + 8) < 1_000_000_000, "time", $"{op}: {U32(body, at + 8)} ns");
                }

                sink.Ino(U64(body, 32 + 32));
                break;
            case FUSE_READ:
                Must((uint)body.Length <= U32(asked, 16), "size", $"READ of {U32(asked, 16)} gives {body.Length}");
                break;
            case FUSE_WRITE or FUSE_COPY_FILE_RANGE:
                Exactly(op, body, 8);
                Zero(op, body, 4, 4);
                ulong most = op == FUSE_WRITE ? U32(asked, 16) : U64(asked, 40);
                Must(U32(body, 0) <= most, "size", $"{op} of {most} did {U32(body, 0)}");
                long sent = Math.Min(U32(request, 0), (uint)request.Length) - Shape.Header - 40L;
                Must(op != FUSE_WRITE || most <= (ulong)Math.Max(sent, 0), "size", $"{op} of {most} was sent {sent}");
                break;
            case FUSE_COPY_FILE_RANGE_64:
                Exactly(op, body, 8);
                Must(U64(body, 0) <= U64(asked, 40), "size", $"{op} of {U64(asked, 40)} did {U64(body, 0)}");
                break;
            case FUSE_STATFS:
                Exactly(op, body, 80);
                Zero(op, body, 52, 28);
                break;
            case FUSE_GETXATTR or FUSE_LISTXATTR:
                CheckXattr(op, asked, body);
                break;
            case FUSE_READLINK:
                Must(body.Length is > 0 and < 4096 && !body.Contains((byte)0), "link", $"of {body.Length} bytes");
                break;
            case FUSE_READDIR or FUSE_READDIRPLUS:
                Must((uint)body.Length <= U32(asked, 16), "size", $"{op} of {U32(asked, 16)} gives {body.Length}");
                Listing(op, body, sink);
                break;
            case FUSE_GETLK:
                Exactly(op, body, 24);
                Must(U32(body, 16) <= 2 && U64(body, 0) <= U64(body, 8), "lock", "found is none");
                break;
            case FUSE_LSEEK:
                Exactly(op, body, 8);
                Must(U64(body, 0) <= long.MaxValue, "offset", $"{U64(body, 0)}");
                break;
            case FUSE_INIT:
                CheckInit(asked, body);
                break;
            case FUSE_POLL:
                // A Vfs answers for all its mounts, as a client that is refused once never asks again.
                Exactly(op, body, 8);
                Zero(op, body, 4, 4);
                break;
            case FUSE_IOCTL or FUSE_BMAP:
                Must(false, "success", $"of {op}, which nothing here has");
                break;
            case FUSE_FORGET or FUSE_BATCH_FORGET or FUSE_INTERRUPT or FUSE_NOTIFY_REPLY:
                Must(false, "reply", $"to {op}");
                break;
            default:
                Exactly(op, body, 0);
                break;
        }
    }

    private static void CheckXattr(FuseOpcode op, ReadOnlySpan<byte> asked, ReadOnlySpan<byte> body)
    {
        uint size = U32(asked, 0);
        if (size == 0)
        {
            Exactly(op, body, 8);
            Zero(op, body, 4, 4);
            Must(U32(body, 0) <= 65536, "size", $"{op}: {U32(body, 0)}");
            return;
        }

        Must((uint)body.Length <= Math.Min(size, 65536), "size", $"{op} of {size} gives {body.Length}");
        Must(op != FUSE_LISTXATTR || body.IsEmpty || body[^1] == 0, "names", "the last has no NUL");
    }

    private static void CheckInit(ReadOnlySpan<byte> asked, ReadOnlySpan<byte> body)
    {
        Exactly(FUSE_INIT, body, 64);
        Must(U32(body, 0) == 7, "version", $"{U32(body, 0)}");
        Zero(FUSE_INIT, body, 42, 22);
        if (U32(asked, 0) != 7)
        {
            return;
        }

        ulong offered = U32(asked, 12);
        if ((offered & (ulong)InitFlags.FUSE_INIT_EXT) != 0 && asked.Length >= 20)
        {
            offered |= (ulong)U32(asked, 16) << 32;
        }

        ulong agreed = U32(body, 12) | ((ulong)U32(body, 32) << 32);
        Must((agreed & ~offered) == 0, "flags", $"{(InitFlags)(agreed & ~offered)} was not offered");
        Must(U32(body, 20) is >= 4096 and <= (1 << 20), "size", $"max_write {U32(body, 20)}");
    }

    /// <summary>What succeeded had names that are names.</summary>
    private static void CheckNames(FuseOpcode op, ReadOnlySpan<byte> request, InitFlags? agreed)
    {
        Shape shape = Shape.Find((uint)op)!;
        if (shape.Names == 0 || op == FUSE_TMPFILE || (op == FUSE_SETXATTR && agreed is null))
        {
            return;
        }

        // What a header leaves out of the request does not belong to it.
        int end = (int)Math.Min(U32(request, 0), (uint)request.Length);
        int at = Shape.Header + shape.Fixed;
        if (op == FUSE_SETXATTR && (agreed & InitFlags.FUSE_SETXATTR_EXT) != 0)
        {
            at += 8;
        }

        ReadOnlySpan<byte> rest = at <= end ? request[at..end] : default;
        bool isXattr = op is FUSE_SETXATTR or FUSE_GETXATTR or FUSE_REMOVEXATTR;
        for (int i = 0; i < shape.Names; i++)
        {
            int length = rest.IndexOf((byte)0);
            Must(length is > 0 and <= 255, "name", $"{op} succeeded with a name of {length} bytes");
            ReadOnlySpan<byte> name = rest[..length];
            Must(isXattr || !name.Contains((byte)'/'), "name", $"{op} succeeded with a path");
            Must(
                isXattr || op == FUSE_LOOKUP || !(name.SequenceEqual("."u8) || name.SequenceEqual(".."u8)), "name",
                $"{op} succeeded with dots");
            rest = rest[(length + 1)..];
        }
    }

    private static ReadOnlySpan<byte> Name(ReadOnlySpan<byte> rest) =>
        rest.IndexOf((byte)0) is >= 0 and int length ? rest[..length] : default;

    private static void Entry(FuseOpcode op, ReadOnlySpan<byte> entry, IReplySink sink, bool negative)
    {
        ulong node = U64(entry, 0);
        Must(U32(entry, 32) < 1_000_000_000 && U32(entry, 36) < 1_000_000_000, "timeout", $"{op}: nanoseconds");
        if (node == 0)
        {
            Must(negative, "entry", $"{op} succeeded without a node");
            return;
        }

        Attributes(op, entry[40..], sink);
        sink.Node(node, (U32(entry, 40 + 60) & 0xF000) == 0x4000);
    }

    private static void Attributes(FuseOpcode op, ReadOnlySpan<byte> attr, IReplySink sink)
    {
        uint type = U32(attr, 60) >> 12;
        Must(type is 1 or 2 or 4 or 6 or 8 or 10 or 12 && U32(attr, 60) <= 0xFFFF, "mode", $"{op}: {U32(attr, 60):X}");
        Must(
            U32(attr, 48) < 1_000_000_000 && U32(attr, 52) < 1_000_000_000 && U32(attr, 56) < 1_000_000_000, "time",
            $"{op}: nanoseconds");
        Must(U32(attr, 84) <= 3, "flags", $"{op}: attribute flags {U32(attr, 84):X}");
        sink.Ino(U64(attr, 0));
    }

    private static void Open(FuseOpcode op, ReadOnlySpan<byte> open, InitFlags? agreed)
    {
        Must(U32(open, 8) <= 0xFF, "flags", $"{op}: open flags {U32(open, 8):X}");
        Must(agreed is null || (agreed & InitFlags.FUSE_PASSTHROUGH) != 0 || U32(open, 12) == 0, "backing", $"{op}: {U32(open, 12)}");
    }

    private static void Listing(FuseOpcode op, ReadOnlySpan<byte> body, IReplySink sink)
    {
        int head = op == FUSE_READDIRPLUS ? EntrySize : 0;
        while (!body.IsEmpty)
        {
            Must(body.Length >= head + 24, "listing", $"{op}: {body.Length} bytes are no record");
            int length = (int)Math.Min(U32(body, head + 16), 4096);
            int record = (head + 24 + length + 7) & ~7;
            Must(length is > 0 and <= 255 && record <= body.Length, "listing", $"{op}: a name of {length} bytes");
            ReadOnlySpan<byte> name = body.Slice(head + 24, length);
            Must(!name.ContainsAny((byte)0, (byte)'/'), "listing", $"{op}: a name that is none");
            Zero(op, body, head + 24 + length, record - head - 24 - length);
            Must(U32(body, head + 20) <= 15, "listing", $"{op}: type {U32(body, head + 20)}");
            if (head > 0)
            {
                bool isDots = name.SequenceEqual("."u8) || name.SequenceEqual(".."u8);
                Must(!isDots || U64(body, 0) == 0, "listing", $"{op}: a lookup of dots");
                if (U64(body, 0) != 0)
                {
                    Entry(op, body[..EntrySize], sink, negative: false);
                }
                else
                {
                    Zero(op, body, 0, 40);
                }
            }

            body = body[record..];
        }
    }

    private static void Exactly(FuseOpcode op, ReadOnlySpan<byte> body, int length) =>
        Must(body.Length == length, "size", $"{op} is answered with {body.Length} bytes, and {length} are due");

    private static void Zero(FuseOpcode op, ReadOnlySpan<byte> body, int at, int length)
    {
        if (body.Slice(at, length).ContainsAnyExcept((byte)0))
        {
            throw new FindingException(
                "padding", $"{op}: bytes {at} to {at + length} are {Convert.ToHexString(body.Slice(at, length))}");
        }
    }

    private static void Must(bool isSo, string rule, [System.Runtime.CompilerServices.InterpolatedStringHandlerArgument(
        nameof(isSo))] FailureText text)
    {
        if (!isSo)
        {
            throw new FindingException(rule, text.ToString());
        }
    }

    private static uint U32(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]);

    private static ulong U64(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt64LittleEndian(bytes[at..]);
}
