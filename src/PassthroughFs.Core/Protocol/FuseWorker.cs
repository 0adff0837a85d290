using System;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using PassthroughFs.Core.Api;
using static PassthroughFs.Core.Protocol.FuseOpcode;

namespace PassthroughFs.Core.Protocol;

/// <summary>
/// Handles one request at a time: one worker for each thread or queue. Its memory is taken once, when it is made; no
/// request allocates.
/// </summary>
/// <remarks>
/// Not safe for use by two threads at once. Structures and names are copied out of the request once, and looked at
/// only then: the client may change its memory at any moment. Data of READ and WRITE stay in place.
/// </remarks>
public sealed partial class FuseWorker
{
    /// <summary>The most of a request that is copied: a SETXATTR of the largest value.</summary>
    internal const int ArgumentsSize = 16 + FuseProtocol.NameBytes + FuseProtocol.XattrBytes;

    private const int ForgetChunk = 256;

    private readonly FuseSession _session;
    private readonly IFileSystem _fs;
    private readonly FuseDirectorySink _directorySink = new();

    // Pinned, so that a file system can give their addresses to the host without pinning them each time.
    private readonly byte[] _arguments = GC.AllocateUninitializedArray<byte>(ArgumentsSize, pinned: true);
    private readonly byte[] _output = GC.AllocateUninitializedArray<byte>(FuseProtocol.XattrBytes, pinned: true);
    private readonly ForgetItem[] _forgets = GC.AllocateUninitializedArray<ForgetItem>(ForgetChunk, pinned: true);
    private readonly uint[] _groups = GC.AllocateUninitializedArray<uint>(FuseProtocol.MaxGroups, pinned: true);

    internal FuseWorker(FuseSession session)
    {
        _session = session;
        _fs = session.FileSystem;
    }

    /// <summary>Handles one request.</summary>
    /// <param name="request">
    /// The request, in any pieces. Its length is what the pieces hold, whatever its header says.
    /// </param>
    /// <param name="reply">
    /// Where the reply goes, in any pieces; at least 16 bytes where a reply is owed. May be the same memory as the
    /// request's, except that a WRITE's data must stay whole until the call returns.
    /// </param>
    /// <returns>
    /// The reply's length in bytes; 0 if none is owed, if it had no room, or if it comes later
    /// (<see cref="IFuseTransport.Reply"/>).
    /// </returns>
    public int Dispatch(ReadOnlySpan<IoSegment> request, ReadOnlySpan<IoSegment> reply)
    {
        FuseCall call = default;
        call.Body = new SegmentCursor(request, long.MaxValue);
        long total = call.Body.Remaining;
        if (call.Body.Read(MemoryMarshal.AsBytes(new Span<FuseInHeader>(ref call.Header)))
            < FuseProtocol.RequestHeaderSize)
        {
            _session.Events.BadRequest(default, 0, "shorter than a header");
            return 0;
        }

        ref readonly FuseOpcodeInfo info = ref FuseOpcodes.Find(call.Header.Opcode);
        long room = SegmentCursor.TotalLength(reply);
        bool owed = info.Reply != FuseReplyKind.None;
        if (owed && room < FuseProtocol.ReplyHeaderSize)
        {
            _session.Events.BadRequest(call.Header.Opcode, call.Header.Unique, "no room for a reply");
            return 0;
        }

        call.ReplySegments = reply;
        call.Room = (int)Math.Min(room, int.MaxValue) - FuseProtocol.ReplyHeaderSize;
        call.Connection = _session.Connection;
        int length;
        try
        {
            length = Prepare(ref call, info, total, out Errno errno) ? Handle(ref call) : call.ReplyTo(info, errno);
        }
        catch (Exception exception)
        {
            // The one barrier: whatever a file system throws ends here, and the client does not wait for ever.
            // Telling of it does not throw either.
            _session.Events.Failure(call.Header.Opcode, call.Header.Unique, exception);
            length = call.ReplyTo(info, exception is OutOfMemoryException ? Errno.ENOMEM : Errno.EIO);
        }

        if (IsAtWork(_turn))
        {
            EndTurn();
        }

        return length;
    }

    /// <summary>Checks a request's frame and copies its structure and names.</summary>
    private bool Prepare(ref FuseCall call, in FuseOpcodeInfo info, long total, out Errno errno)
    {
        ref FuseInHeader header = ref call.Header;
        if (header.Len < FuseProtocol.RequestHeaderSize || header.Len > total)
        {
            return Refuse(call, Errno.EINVAL, "wrong length in the header", out errno);
        }

        if (call.Connection is null && header.Opcode != FUSE_INIT)
        {
            errno = Errno.EIO;
            if (info.Reply != FuseReplyKind.None)
            {
                _session.Events.BadRequest(header.Opcode, header.Unique, "no INIT before it");
            }

            return false;
        }

        if (info.Name is null)
        {
            return Refuse(call, Errno.ENOSYS, "unknown operation", out errno);
        }

        call.Body.Limit(header.Len - FuseProtocol.RequestHeaderSize);
        int groups = 0;
        if (header.TotalExtlen != 0 && call.Connection is { HasExtensions: true } connection)
        {
            groups = TakeExtensions(ref call, connection);
            if (groups < 0)
            {
                return Refuse(call, Errno.EINVAL, "malformed extension", out errno);
            }
        }

        Span<byte> arguments = _arguments.AsSpan(0, (int)Math.Min(info.MaxIn, call.Body.Remaining));
        if (arguments.Length < info.FixedIn)
        {
            return Refuse(call, Errno.EINVAL, "shorter than its structure", out errno);
        }

        if (info.FixedOut > call.Room && info.Reply != FuseReplyKind.None)
        {
            return Refuse(call, Errno.EINVAL, "no room for the reply's structure", out errno);
        }

        call.Body.Read(arguments);
        call.Arguments = arguments;
        call.Context = new RequestContext
        {
            Uid = header.Uid,
            Gid = header.Gid,
            Pid = header.Pid,
            Id = new RequestId(header.Unique),
            SupplementaryGroups = groups == 0 ? default : new ReadOnlyMemory<uint>(_groups, 0, groups),
        };
        BeginTurn(header);
        errno = Errno.OK;
        return true;
    }

    private int Handle(ref FuseCall call) => call.Header.Opcode switch
    {
        FUSE_LOOKUP => Lookup(ref call),
        FUSE_FORGET => Forget(ref call),
        FUSE_BATCH_FORGET => BatchForget(ref call),
        FUSE_GETATTR => GetAttr(ref call),
        FUSE_SETATTR => SetAttr(ref call),
        FUSE_STATX => Statx(ref call),
        FUSE_STATFS => Statfs(ref call),
        FUSE_ACCESS => Access(ref call),
        FUSE_READLINK => ReadLink(ref call),
        FUSE_SYMLINK => Symlink(ref call),
        FUSE_MKNOD => Mknod(ref call),
        FUSE_MKDIR => Mkdir(ref call),
        FUSE_UNLINK => Unlink(ref call),
        FUSE_RMDIR => Rmdir(ref call),
        FUSE_RENAME => Rename(ref call),
        FUSE_RENAME2 => Rename2(ref call),
        FUSE_LINK => Link(ref call),
        FUSE_CREATE => Create(ref call),
        FUSE_TMPFILE => TmpFile(ref call),
        FUSE_OPEN => Open(ref call),
        FUSE_READ => Read(ref call),
        FUSE_WRITE => Write(ref call),
        FUSE_FLUSH => Flush(ref call),
        FUSE_RELEASE => Release(ref call),
        FUSE_FSYNC => Fsync(ref call),
        FUSE_FALLOCATE => Fallocate(ref call),
        FUSE_LSEEK => Lseek(ref call),
        FUSE_COPY_FILE_RANGE => CopyFileRange(ref call),
        FUSE_COPY_FILE_RANGE_64 => CopyFileRange64(ref call),
        FUSE_SYNCFS => SyncFs(ref call),
        FUSE_IOCTL => Ioctl(ref call),
        FUSE_BMAP => Bmap(ref call),
        FUSE_POLL => Poll(ref call),
        FUSE_SETUPMAPPING => SetupMapping(ref call),
        FUSE_REMOVEMAPPING => RemoveMapping(ref call),
        FUSE_OPENDIR => OpenDir(ref call),
        FUSE_READDIR => ReadDir(ref call, plus: false),
        FUSE_READDIRPLUS => ReadDir(ref call, plus: true),
        FUSE_RELEASEDIR => ReleaseDir(ref call),
        FUSE_FSYNCDIR => FsyncDir(ref call),
        FUSE_GETLK => GetLk(ref call),
        FUSE_SETLK => SetLk(ref call, mayWait: false),
        FUSE_SETLKW => SetLk(ref call, mayWait: true),
        FUSE_INTERRUPT => Interrupt(ref call),
        FUSE_SETXATTR => SetXattr(ref call),
        FUSE_GETXATTR => GetXattr(ref call),
        FUSE_LISTXATTR => ListXattr(ref call),
        FUSE_REMOVEXATTR => RemoveXattr(ref call),
        FUSE_INIT => Init(ref call),
        FUSE_DESTROY => Destroy(ref call),

        // Nothing asks for data.
        FUSE_NOTIFY_REPLY => 0,
        _ => call.Reply(Errno.ENOSYS),
    };

    private int Init(ref FuseCall call)
    {
        // An older client sends less; what it did not send is 0.
        FuseInitIn init = default;
        call.Arguments.CopyTo(MemoryMarshal.AsBytes(new Span<FuseInitIn>(ref init)));
        Errno errno = _session.Initialize(call.Context, init, call.Arguments.Length, out FuseInitOut reply);
        return errno == Errno.OK ? call.Reply(reply) : call.Reply(errno);
    }

    private int Destroy(ref FuseCall call)
    {
        _session.Destroy(call.Context);
        return call.Reply(Errno.OK);
    }

    /// <summary>Takes the extensions off the body's end and keeps the supplementary groups.</summary>
    /// <returns>How many groups there are in <see cref="_groups"/>; negative if the extensions are malformed.</returns>
    private int TakeExtensions(ref FuseCall call, FuseConnection connection)
    {
        const int Unit = 8;
        long length = (long)call.Header.TotalExtlen * Unit;
        long arguments = call.Body.Remaining - length;
        if (arguments < 0)
        {
            return -1;
        }

        SegmentCursor cursor = call.Body;
        cursor.Advance(arguments);
        call.Body.Limit(arguments);
        int groups = 0;
        while (cursor.Remaining > 0)
        {
            // What is left is a multiple of 8, so a header is there.
            FuseExtHeader header = default;
            cursor.Read(MemoryMarshal.AsBytes(new Span<FuseExtHeader>(ref header)));
            long left = (((long)header.Size + Unit - 1) & ~(Unit - 1L)) - Unsafe.SizeOf<FuseExtHeader>();
            if (header.Size < Unsafe.SizeOf<FuseExtHeader>() || left > cursor.Remaining)
            {
                return -1;
            }

            if (header.Type == FuseProtocol.FUSE_EXT_GROUPS)
            {
                uint count = 0;
                long body = header.Size - Unsafe.SizeOf<FuseExtHeader>();
                if (body < sizeof(uint))
                {
                    return -1;
                }

                left -= cursor.Read(MemoryMarshal.AsBytes(new Span<uint>(ref count)));
                if (count > (body - sizeof(uint)) / sizeof(uint))
                {
                    return -1;
                }

                if (connection.Has(InitFlags.FUSE_CREATE_SUPP_GROUP))
                {
                    groups = (int)Math.Min(count, FuseProtocol.MaxGroups);
                    left -= cursor.Read(MemoryMarshal.AsBytes(_groups.AsSpan(0, groups)));
                }
            }

            // Security contexts and what is not known yet.
            cursor.Advance(left);
        }

        return groups;
    }

    /// <summary>Takes a name and its NUL off the front of <paramref name="rest"/>.</summary>
    private static Errno TakeName(ref ReadOnlySpan<byte> rest, out ReadOnlySpan<byte> name)
    {
        int length = rest[..Math.Min(rest.Length, FuseProtocol.NameBytes)].IndexOf((byte)0);
        if (length <= 0)
        {
            name = default;
            return length < 0 && rest.Length >= FuseProtocol.NameBytes ? Errno.ENAMETOOLONG : Errno.EINVAL;
        }

        name = rest[..length];
        rest = rest[(length + 1)..];
        return Errno.OK;
    }

    private bool Refuse(in FuseCall call, Errno answer, string reason, out Errno errno)
    {
        _session.Events.BadRequest(call.Header.Opcode, call.Header.Unique, reason);
        errno = answer;
        return false;
    }

    /// <summary>Answers a request that breaks the protocol's rules.</summary>
    private int Reject(in FuseCall call, Errno errno, string reason)
    {
        _session.Events.BadRequest(call.Header.Opcode, call.Header.Unique, reason);
        return call.Reply(errno);
    }

    // Too long a name is an ordinary mistake of a user's, which clients pass on; no end or nothing in it is no name at
    // all.
    private int RejectName(in FuseCall call, Errno errno) =>
        errno == Errno.ENAMETOOLONG ? call.Reply(errno) : Reject(call, errno, "malformed name");

    /// <summary>Answers for a file system that gave more than it was asked for.</summary>
    private int RejectAnswer(in FuseCall call)
    {
        _session.Events.BadAnswer(call.Header.Opcode, call.Header.Unique, "a count is out of range");
        return call.Reply(Errno.EIO);
    }
}
