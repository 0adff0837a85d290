using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Fuzz.Targets;
using PassthroughFs.Core.Protocol;

namespace PassthroughFs.Core.Fuzz.Engine;

/// <summary>One worker of a session under test: sends requests and holds what comes back to every rule there is.</summary>
internal sealed class Session : IReplySink
{
    private const int StackDepth = 12 * 1024;

    // The most that one request may make the server take, however large the numbers in it.
    private const long MostAllocated = 1 << 20;

    private readonly Served _served;
    private readonly FuzzLogger _logger;
    private readonly ulong[] _outside;
    private readonly FuseWorker _worker;
    private readonly byte[][] _scratch;
    private readonly SegmentedMemory _request;
    private readonly SegmentedMemory _reply;
    private readonly byte[] _copy;
    private readonly bool _isAlone;
    private readonly List<(int First, int Count, ulong Handle, bool IsDirectory)> _results = [];
    private readonly List<(ulong Node, bool IsDirectory)> _nodes = [];
    private readonly Dictionary<(ulong Handle, ulong Mount), ulong> _open = [];
    private int _count;
    private ulong _handle;
    private bool _handleIsDirectory;

    public Session(Served served, FuzzLogger logger, ulong[] outside, SessionMemory memory, Poison poison, bool isAlone)
    {
        _served = served;
        _logger = logger;
        _outside = outside;
        _request = memory.Request;
        _reply = memory.Reply;
        _copy = memory.Copy;
        _worker = served.Session.CreateWorker();
        _isAlone = isAlone;
        Poison = poison;

        // Its memory is not cleared when it is taken: nothing of what it happened to hold may get out.
        _scratch = [Field<byte[]>("_arguments"), Field<byte[]>("_output")];
    }

    public Poison Poison { get; }

    public Model Model { get; } = new();

    /// <summary>How many requests have been sent.</summary>
    public int Count => _count;

    /// <summary>The error of the last reply, above 0; 0 for success, -1 where none was owed.</summary>
    public int LastErrno { get; private set; }

    /// <summary>How long the last reply was.</summary>
    public int LastLength { get; private set; }

    /// <summary>What the last request was given.</summary>
    public ReadOnlySpan<(ulong Node, bool IsDirectory)> LastNodes =>
        CollectionsMarshal.AsSpan(_nodes)[_results[^1].First..];

    public (ulong Handle, bool IsDirectory) LastHandle => (_results[^1].Handle, _results[^1].IsDirectory);

    /// <summary>What request <paramref name="source"/> was given as a fixup says; null for nothing.</summary>
    public ulong? Result(int source, int nth)
    {
        if ((uint)source >= (uint)_results.Count)
        {
            return null;
        }

        (int first, int count, ulong handle, bool _) = _results[source];
        return nth < 0 ? (handle == 0 ? null : handle) : nth < count ? _nodes[first + nth].Node : null;
    }

    /// <summary>Sends one request.</summary>
    /// <exception cref="FindingException">What came of it must not be.</exception>
    public void Send(ReadOnlySpan<byte> request, int room, uint cuts)
    {
        InitFlags agreed = _served.Session.NegotiatedFlags;
        bool wasInitialized = _served.Session.IsInitialized;
        uint opcode = request.Length >= 8 ? BinaryPrimitives.ReadUInt32LittleEndian(request[4..]) : 0;
        _request.Cut(request.Length, cuts, opcode == (uint)FuseOpcode.FUSE_WRITE ? 80 : 40, Poison.Guard);
        _request.Write(request);
        _reply.Cut(room, cuts >> 7, ReplyCheck.Header, Poison.Guard);
        _reply.Fill(Poison.Reply);
        PoisonScratch((FuseOpcode)opcode, cuts);
        int length;
        long allocated = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            length = _worker.Dispatch(_request.Segments, _reply.Segments);
        }
        catch (Exception e) when (e is not FindingException)
        {
            throw new FindingException("exception out of Dispatch", e.ToString());
        }

        allocated = GC.GetAllocatedBytesForCurrentThread() - allocated;
        if (allocated > MostAllocated)
        {
            throw new FindingException("allocation", $"{allocated} bytes for one {(FuseOpcode)opcode}");
        }

        _results.Add((_nodes.Count, 0, 0, false));
        _handle = 0;
        try
        {
            CheckMemory(request, cuts);
            CheckReply(request, opcode, length, room, agreed, wasInitialized);
        }
        finally
        {
            (int first, _, _, _) = _results[^1];
            _results[^1] = (first, _nodes.Count - first, _handle, _handleIsDirectory);
            _count++;
        }

        if (_isAlone && opcode == (uint)FuseOpcode.FUSE_WRITE && LastErrno == 0)
        {
            CheckWritten(request);
        }
    }

    /// <summary>What was written is there, as far as a page goes: it is read by the same handle, if that may.</summary>
    private void CheckWritten(ReadOnlySpan<byte> request)
    {
        ReadOnlySpan<byte> asked = request[Shape.Header..];
        int length = (int)Math.Min(BinaryPrimitives.ReadUInt32LittleEndian(LastReply[ReplyCheck.Header..]), 4096);
        const uint append = 0x400;
        if (length == 0 || (BinaryPrimitives.ReadUInt32LittleEndian(asked[32..]) & append) != 0)
        {
            return;
        }

        (int errno, int replied) = (LastErrno, LastLength);
        Span<byte> body = stackalloc byte[40];
        body.Clear();
        asked[..16].CopyTo(body);
        BinaryPrimitives.WriteInt32LittleEndian(body[16..], length);
        ulong node = BinaryPrimitives.ReadUInt64LittleEndian(request[16..]);
        int result = Ask(FuseOpcode.FUSE_READ, node, body, length);
        ReadOnlySpan<byte> found = result == 0 ? LastReply[ReplyCheck.Header..] : default;
        if (result == 0 && !found.SequenceEqual(asked.Slice(40, length)))
        {
            throw new FindingException(
                "written", $"{length} bytes were written to node {node}, and {found.Length} others are there");
        }

        (LastErrno, LastLength) = (errno, replied);
    }

    /// <summary>A plain request that a client could send at any time, with no mischief.</summary>
    /// <returns>The error, above 0.</returns>
    public int Ask(FuseOpcode opcode, ulong node, ReadOnlySpan<byte> body, int room)
    {
        Span<byte> request = stackalloc byte[Shape.Header + 64];
        request.Clear();
        int length = Shape.Header + body.Length;
        BinaryPrimitives.WriteUInt32LittleEndian(request, (uint)length);
        BinaryPrimitives.WriteUInt32LittleEndian(request[4..], (uint)opcode);
        BinaryPrimitives.WriteUInt64LittleEndian(request[8..], 0x7000000000000000 + ((ulong)_count * 2));
        BinaryPrimitives.WriteUInt64LittleEndian(request[16..], node);
        (uint uid, uint gid) = Native.Self;
        BinaryPrimitives.WriteUInt32LittleEndian(request[24..], uid);
        BinaryPrimitives.WriteUInt32LittleEndian(request[28..], gid);
        body.CopyTo(request[Shape.Header..]);
        try
        {
            Send(request[..length], ReplyCheck.Header + room, 0);
        }
        finally
        {
            // It is on no tape, by whose places results are found.
            _nodes.RemoveRange(_results[^1].First, _nodes.Count - _results[^1].First);
            _results.RemoveAt(_results.Count - 1);
        }

        return LastErrno;
    }

    public int Init(InitFlags offer)
    {
        Span<byte> body = stackalloc byte[64];
        body.Clear();
        body[0] = 7;
        body[4] = 45;
        BinaryPrimitives.WriteUInt32LittleEndian(body[8..], 1 << 17);
        BinaryPrimitives.WriteUInt32LittleEndian(body[12..], (uint)offer);
        BinaryPrimitives.WriteUInt32LittleEndian(body[16..], (uint)((ulong)offer >> 32));
        return Ask(FuseOpcode.FUSE_INIT, 0, body, 64);
    }

    public int GetAttr(ulong node) => Ask(FuseOpcode.FUSE_GETATTR, node, stackalloc byte[16], 104);

    void IReplySink.Node(ulong node, bool isDirectory)
    {
        _nodes.Add((node, isDirectory));
        if (_isAlone)
        {
            Model.LookedUp(node);
        }
    }

    void IReplySink.Handle(ulong handle, bool isDirectory)
    {
        _handle = handle;
        _handleIsDirectory = isDirectory;
    }

    void IReplySink.Ino(ulong ino)
    {
        if (_outside.AsSpan().Contains(ino))
        {
            throw new FindingException("escape", $"the attributes of file {ino} outside of the root are told");
        }
    }

    private ReadOnlySpan<byte> LastReply => _reply.Read(LastLength, _copy);

    private T Field<T>(string name) =>
        (T)typeof(FuseWorker).GetField(name, BindingFlags.NonPublic | BindingFlags.Instance)!.GetValue(_worker)!;

    /// <summary>Fills what the library has taken without clearing it, where the request may come to use it.</summary>
    private void PoisonScratch(FuseOpcode opcode, uint cuts)
    {
        if (opcode is FuseOpcode.FUSE_GETXATTR or FuseOpcode.FUSE_LISTXATTR or FuseOpcode.FUSE_READLINK or FuseOpcode.FUSE_IOCTL)
        {
            _scratch[1].AsSpan(0, 8192).Fill(Poison.Scratch);
        }

        if ((cuts & 0x30) == 0)
        {
            _scratch[0].AsSpan(0, 1024).Fill(Poison.Scratch);
            PoisonStack(Poison.Scratch);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void PoisonStack(byte value)
    {
        Span<byte> stack = stackalloc byte[StackDepth];
        stack.Fill(value);
    }

    private void CheckMemory(ReadOnlySpan<byte> request, uint cuts)
    {
        if (_reply.IsGuardBroken(Poison.Guard, out int segment))
        {
            throw new FindingException("write outside of the reply", $"behind segment {segment}");
        }

        if ((cuts & 0x300) == 0 && (_request.IsGuardBroken(Poison.Guard, out segment) || !_request.Holds(request)))
        {
            throw new FindingException("write to the request", $"behind or in segment {segment}");
        }
    }

    private void CheckReply(
        ReadOnlySpan<byte> request, uint opcode, int length, int room, InitFlags agreed, bool wasInitialized)
    {
        if (_logger.TakeFailure() is { } failure)
        {
            throw new FindingException("failure inside", failure);
        }

        if (_served.Transport?.TakeFailure() is { } fault)
        {
            throw new FindingException("transport", fault);
        }

        LastErrno = -1;
        LastLength = length;
        if (length == 0)
        {
            CheckNoReply(request, opcode, room);
            return;
        }

        if (length < 0 || length > room)
        {
            throw new FindingException("length", $"Dispatch returns {length} of {room}");
        }

        ReadOnlySpan<byte> reply = _reply.Read(length, _copy);
        ReplyCheck.Check(request, reply, room, _isAlone ? agreed : null, this);
        LastErrno = -(int)BinaryPrimitives.ReadUInt32LittleEndian(reply[4..]);
        if (_isAlone && LastErrno == 0)
        {
            CheckHandle(request, (FuseOpcode)opcode, agreed);
        }

        if (Poison.Find(reply, out int at) is { } what)
        {
            throw new FindingException(
                "leak", $"{(FuseOpcode)opcode}'s reply of {length} bytes has {what} from {at}: " +
                Convert.ToHexString(reply[at..Math.Min(length, at + 16)]));
        }

        if ((opcode == (uint)FuseOpcode.FUSE_INIT && LastErrno != (int)Errno.EINVAL)
            || (opcode == (uint)FuseOpcode.FUSE_DESTROY && LastErrno == 0))
        {
            // An INIT that was understood ends what was before it, whatever comes of it.
            Model.Clear();
            _open.Clear();
        }
        else if (LastErrno == (int)Errno.EIO && wasInitialized && _isAlone)
        {
            throw new FindingException("EIO", $"of {(FuseOpcode)opcode}, from a host that has no errors");
        }
    }

    /// <summary>An open file is its node's alone, and of nobody's use once it was given back.</summary>
    private void CheckHandle(ReadOnlySpan<byte> request, FuseOpcode opcode, InitFlags agreed)
    {
        ulong node = BinaryPrimitives.ReadUInt64LittleEndian(request[16..]);
        if (_handle != 0)
        {
            ulong owner = opcode is FuseOpcode.FUSE_CREATE or FuseOpcode.FUSE_TMPFILE ? _nodes[^1].Node : node;
            _open[(_handle, owner >> 56)] = owner;
            return;
        }

        if (opcode is not (FuseOpcode.FUSE_READ or FuseOpcode.FUSE_WRITE or FuseOpcode.FUSE_LSEEK or FuseOpcode.FUSE_FALLOCATE
            or FuseOpcode.FUSE_FSYNC or FuseOpcode.FUSE_READDIR or FuseOpcode.FUSE_READDIRPLUS or FuseOpcode.FUSE_RELEASE
            or FuseOpcode.FUSE_RELEASEDIR)
            || (agreed & (InitFlags.FUSE_NO_OPEN_SUPPORT | InitFlags.FUSE_NO_OPENDIR_SUPPORT)) != 0)
        {
            return;
        }

        ulong handle = BinaryPrimitives.ReadUInt64LittleEndian(request[Shape.Header..]);
        if (!_open.TryGetValue((handle, node >> 56), out ulong of))
        {
            return;
        }

        if (opcode is FuseOpcode.FUSE_RELEASE or FuseOpcode.FUSE_RELEASEDIR)
        {
            // From here on it is nobody's.
            _open[(handle, node >> 56)] = of == node ? 0 : of;
        }
        else if (of != node)
        {
            throw new FindingException(
                "handle", of == 0
                    ? $"{opcode} with handle {handle}, which was given back, succeeds"
                    : $"{opcode} of node {node} with handle {handle} of node {of} succeeds");
        }
    }

    private void CheckNoReply(ReadOnlySpan<byte> request, uint opcode, int room)
    {
        if (request.Length < Shape.Header || room < ReplyCheck.Header)
        {
            // Too short to be answered; FORGET needs no room.
            if (request.Length < Shape.Header || opcode is not ((uint)FuseOpcode.FUSE_FORGET or (uint)FuseOpcode.FUSE_BATCH_FORGET))
            {
                return;
            }
        }

        switch ((FuseOpcode)opcode)
        {
            case FuseOpcode.FUSE_FORGET or FuseOpcode.FUSE_BATCH_FORGET:
                if (_isAlone)
                {
                    Model.Forgotten(request);
                }

                break;
            case FuseOpcode.FUSE_INTERRUPT or FuseOpcode.FUSE_NOTIFY_REPLY:
                break;
            case FuseOpcode.FUSE_SETLKW when _served.Transport is { CanReplyLater: true } transport:
                ulong unique = BinaryPrimitives.ReadUInt64LittleEndian(request[8..]);
                if (!transport.Waiting.TryRemove(unique, out _))
                {
                    transport.Waiting[unique] = false;
                }

                break;
            default:
                throw new FindingException("no reply", $"to {(FuseOpcode)opcode} with room for {room}");
        }
    }
}

/// <summary>Memory of a session, used again by the next one.</summary>
internal sealed class SessionMemory : IDisposable
{
    private const int Largest = RequestMaker.Largest + 8192;

    public SegmentedMemory Request { get; } = new(Largest);

    public SegmentedMemory Reply { get; } = new(Largest);

    public byte[] Copy { get; } = new byte[Largest];

    /// <summary>What the session that runs was sent.</summary>
    public Tape Tape { get; } = new();

    public void Dispose()
    {
        Request.Dispose();
        Reply.Dispose();
    }
}
