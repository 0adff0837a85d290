using System;
using System.Buffers.Binary;
using System.IO;
using System.Threading;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.IntegrationTests.Posix;

namespace PassthroughFs.Core.IntegrationTests.Wire;

/// <summary>A node as the server gave it out.</summary>
public readonly record struct WireNode(ulong Id, ulong Generation, FileStat Stat);

/// <summary>
/// A FUSE client below the level of paths: encodes each request by hand, sends it, takes the reply apart, and holds the
/// server to the rules of the envelope (length, unique number, errno's sign). Names are sent as they are, however bad.
/// </summary>
public sealed partial class FuseClient : IDisposable
{
    private const int MaxReply = (1 << 20) + 4096;

    private readonly IFuseChannel _channel;
    private readonly ThreadLocal<byte[]> _reply = new(() => new byte[MaxReply]);
    private long _unique;

    public FuseClient(IFuseChannel channel, InitFlags offer = DefaultOffer)
    {
        _channel = channel;
        Init(offer);
    }

    /// <summary>What a present-day kernel offers, as far as this client keeps its side of it.</summary>
    public const InitFlags DefaultOffer =
        InitFlags.FUSE_ASYNC_READ | InitFlags.FUSE_ATOMIC_O_TRUNC | InitFlags.FUSE_EXPORT_SUPPORT |
        InitFlags.FUSE_BIG_WRITES | InitFlags.FUSE_DONT_MASK | InitFlags.FUSE_DO_READDIRPLUS |
        InitFlags.FUSE_READDIRPLUS_AUTO | InitFlags.FUSE_PARALLEL_DIROPS | InitFlags.FUSE_MAX_PAGES |
        InitFlags.FUSE_HANDLE_KILLPRIV_V2 | InitFlags.FUSE_SETXATTR_EXT | InitFlags.FUSE_INIT_EXT |
        InitFlags.FUSE_CREATE_SUPP_GROUP | InitFlags.FUSE_NO_OPEN_SUPPORT | InitFlags.FUSE_NO_OPENDIR_SUPPORT;

    /// <summary>Who asks.</summary>
    public Caller Caller { get; set; } = Caller.Root;

    public InitFlags Accepted { get; private set; }

    public uint MaxWrite { get; private set; }

    public void Dispose()
    {
        Call(Op.Destroy, 0, default, out _);
        _channel.Dispose();
        _reply.Dispose();
    }

    /// <summary>Sends one request and takes its reply; the body is valid until this thread's next request.</summary>
    public Errno Call(
        Op op, ulong node, ReadOnlySpan<byte> body, out ReadOnlySpan<byte> answer, bool sendGroups = false)
    {
        uint[] groups = sendGroups && Accepted.HasFlag(InitFlags.FUSE_CREATE_SUPP_GROUP) ? Caller.Groups : [];
        int extension = groups.Length == 0 ? 0 : (12 + groups.Length * 4 + 7) / 8 * 8;
        int bodyEnd = 40 + body.Length;
        int start = extension == 0 ? bodyEnd : (bodyEnd + 7) / 8 * 8;
        byte[] request = new byte[start + extension];
        ulong unique = (ulong)Interlocked.Add(ref _unique, 2);
        BinaryPrimitives.WriteUInt32LittleEndian(request, (uint)request.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(request.AsSpan(4), (uint)op);
        BinaryPrimitives.WriteUInt64LittleEndian(request.AsSpan(8), unique);
        BinaryPrimitives.WriteUInt64LittleEndian(request.AsSpan(16), node);
        BinaryPrimitives.WriteUInt32LittleEndian(request.AsSpan(24), Caller.Uid);
        BinaryPrimitives.WriteUInt32LittleEndian(request.AsSpan(28), Caller.Gid);
        BinaryPrimitives.WriteUInt32LittleEndian(request.AsSpan(32), (uint)Environment.ProcessId);
        BinaryPrimitives.WriteUInt16LittleEndian(request.AsSpan(36), (ushort)(extension / 8));
        body.CopyTo(request.AsSpan(40));
        if (extension > 0)
        {
            Span<byte> at = request.AsSpan(start);
            BinaryPrimitives.WriteUInt32LittleEndian(at, (uint)extension);
            BinaryPrimitives.WriteUInt32LittleEndian(at[4..], 32);
            BinaryPrimitives.WriteUInt32LittleEndian(at[8..], (uint)groups.Length);
            for (int i = 0; i < groups.Length; i++)
            {
                BinaryPrimitives.WriteUInt32LittleEndian(at[(12 + i * 4)..], groups[i]);
            }
        }

        return Take(op, unique, _channel.Exchange(request, _reply.Value), out answer);
    }

    private Errno Take(Op op, ulong unique, int length, out ReadOnlySpan<byte> answer)
    {
        ReadOnlySpan<byte> reply = _reply.Value.AsSpan(0, length);
        answer = default;
        if (op is Op.Forget or Op.BatchForget)
        {
            return length == 0 ? Errno.OK : throw new InvalidDataException($"{op} got a reply of {length} bytes");
        }

        if (length < 16 || BinaryPrimitives.ReadUInt32LittleEndian(reply) != length)
        {
            throw new InvalidDataException($"{op}: a reply of {length} bytes with another length in it");
        }

        if (BinaryPrimitives.ReadUInt64LittleEndian(reply[8..]) != unique)
        {
            throw new InvalidDataException($"{op}: the reply belongs to another request");
        }

        int error = BinaryPrimitives.ReadInt32LittleEndian(reply[4..]);
        if (error is > 0 or < -4095 || (error != 0 && length != 16))
        {
            throw new InvalidDataException($"{op}: error {error} in a reply of {length} bytes");
        }

        answer = reply[16..];
        return (Errno)(-error);
    }

    private void Init(InitFlags offer)
    {
        var body = new Packer(64).U32(7).U32(45).U32(1 << 20).U32((uint)offer).U32((uint)((ulong)offer >> 32));
        Errno errno = Call(Op.Init, 0, body.Fill(64), out ReadOnlySpan<byte> answer);
        if (errno != Errno.OK || answer.Length != 64 || BinaryPrimitives.ReadUInt32LittleEndian(answer) != 7)
        {
            throw new InvalidDataException($"INIT: {errno}, {answer.Length} bytes");
        }

        Accepted = (InitFlags)(BinaryPrimitives.ReadUInt32LittleEndian(answer[12..]) |
            ((ulong)BinaryPrimitives.ReadUInt32LittleEndian(answer[32..]) << 32));
        MaxWrite = BinaryPrimitives.ReadUInt32LittleEndian(answer[20..]);
        if ((Accepted & ~offer) != 0)
        {
            throw new InvalidDataException($"INIT: accepted {Accepted & ~offer}, which was not offered");
        }
    }

    private static FileStat ParseAttr(ReadOnlySpan<byte> a)
    {
        static PosixTime Time(ReadOnlySpan<byte> a, int at, int nanosecondsAt) => new(
            BinaryPrimitives.ReadInt64LittleEndian(a[at..]),
            BinaryPrimitives.ReadUInt32LittleEndian(a[nanosecondsAt..]));
        return new FileStat(
            BinaryPrimitives.ReadUInt64LittleEndian(a),
            BinaryPrimitives.ReadUInt32LittleEndian(a[60..]), BinaryPrimitives.ReadUInt32LittleEndian(a[64..]),
            BinaryPrimitives.ReadUInt32LittleEndian(a[68..]), BinaryPrimitives.ReadUInt32LittleEndian(a[72..]),
            BinaryPrimitives.ReadUInt64LittleEndian(a[8..]), BinaryPrimitives.ReadUInt64LittleEndian(a[16..]),
            BinaryPrimitives.ReadUInt32LittleEndian(a[76..]), Time(a, 24, 48), Time(a, 32, 52), Time(a, 40, 56));
    }

    private static Errno Entry(Errno errno, ReadOnlySpan<byte> answer, out WireNode node, int exact = 128)
    {
        node = default;
        if (errno != Errno.OK)
        {
            return errno;
        }

        if (answer.Length != exact)
        {
            throw new InvalidDataException($"an entry of {answer.Length} bytes");
        }

        node = new WireNode(
            BinaryPrimitives.ReadUInt64LittleEndian(answer), BinaryPrimitives.ReadUInt64LittleEndian(answer[8..]),
            ParseAttr(answer[40..]));
        return node.Id == 0 ? Errno.ENOENT : Errno.OK;
    }

    private static Errno Exactly(Errno errno, ReadOnlySpan<byte> answer, int length) =>
        errno == Errno.OK && answer.Length != length
            ? throw new InvalidDataException($"{answer.Length} bytes where {length} are due")
            : errno;
}
