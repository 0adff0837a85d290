using System;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Protocol;

public sealed partial class FuseWorker
{
    // What COPY_FILE_RANGE's 32-bit answer can say, in whole pages.
    private const ulong MaxCopy = uint.MaxValue & ~(FuseProtocol.PageSize - 1UL);

    private int Open(ref FuseCall call)
    {
        ref readonly FuseOpenIn arguments = ref call.Structure<FuseOpenIn>();
        Errno errno = _fs.Open(call.Context, call.Node, arguments.Flags, arguments.OpenFlags, out OpenReply reply);
        return ReplyOpen(ref call, errno, reply);
    }

    private static int ReplyOpen(ref FuseCall call, Errno errno, in OpenReply reply)
    {
        if (errno != Errno.OK)
        {
            return call.Reply(errno);
        }

        FuseEncode.Open(reply, call.Connection!.OpenFlags, out FuseOpenOut wire);
        return call.Reply(wire);
    }

    private int Read(ref FuseCall call)
    {
        ref readonly FuseReadIn arguments = ref call.Structure<FuseReadIn>();
        ReadRequest request = new()
        {
            Offset = arguments.Offset,
            Flags = arguments.Flags,
            LockOwner = new LockOwner(
                (arguments.ReadFlags & FuseProtocol.FUSE_READ_LOCKOWNER) != 0 ? arguments.LockOwner : 0),
        };
        DataSink sink = new(call.BodyCursor((int)Math.Min(arguments.Size, (uint)call.Connection!.MaxRead)));
        long limit = sink.Remaining;
        Errno errno = _fs.Read(call.Context, call.Node, new Handle(arguments.Fh), request, ref sink);
        if (errno != Errno.OK)
        {
            return call.Reply(errno);
        }

        // A sink that the file system has put in the other's place may claim anything.
        return sink.Written <= limit ? call.Finish((int)sink.Written, 0) : RejectAnswer(call);
    }

    private int Write(ref FuseCall call)
    {
        ref readonly FuseWriteIn arguments = ref call.Structure<FuseWriteIn>();
        uint size = arguments.Size;
        if (size > call.Body.Remaining || size > (uint)call.Connection!.MaxWrite)
        {
            return Reject(call, Errno.EINVAL, "more data than sent or agreed on");
        }

        WriteRequest request = new()
        {
            Offset = arguments.Offset,
            Flags = arguments.Flags,
            WriteFlags = arguments.WriteFlags,
            LockOwner = new LockOwner(
                (arguments.WriteFlags & WriteFlags.FUSE_WRITE_LOCKOWNER) != 0 ? arguments.LockOwner : 0),
        };
        call.Body.Limit(size);
        DataSource source = new(call.Body);
        Errno errno = _fs.Write(call.Context, call.Node, new Handle(arguments.Fh), request, ref source);
        if (errno != Errno.OK)
        {
            return call.Reply(errno);
        }

        return source.Consumed <= size
            ? call.Reply(new FuseWriteOut { Size = (uint)source.Consumed })
            : RejectAnswer(call);
    }

    private int Flush(ref FuseCall call)
    {
        ref readonly FuseFlushIn arguments = ref call.Structure<FuseFlushIn>();
        Errno errno = _fs.Flush(
            call.Context, call.Node, new Handle(arguments.Fh), new LockOwner(arguments.LockOwner));
        _session.LockWaiters.TryAgain();
        return call.Reply(errno);
    }

    private int Release(ref FuseCall call)
    {
        ref readonly FuseReleaseIn arguments = ref call.Structure<FuseReleaseIn>();
        ReleaseRequest request = new()
        {
            Flags = arguments.Flags,
            ReleaseFlags = arguments.ReleaseFlags,
            LockOwner = new LockOwner(arguments.LockOwner),
        };
        Errno errno = _fs.Release(call.Context, call.Node, new Handle(arguments.Fh), request);
        _session.LockWaiters.TryAgain();
        return call.Reply(errno);
    }

    private int Fsync(ref FuseCall call)
    {
        ref readonly FuseFsyncIn arguments = ref call.Structure<FuseFsyncIn>();
        bool dataSync = (arguments.FsyncFlags & FuseProtocol.FUSE_FSYNC_FDATASYNC) != 0;
        return call.Reply(_fs.Fsync(call.Context, call.Node, new Handle(arguments.Fh), dataSync));
    }

    private int Fallocate(ref FuseCall call)
    {
        ref readonly FuseFallocateIn arguments = ref call.Structure<FuseFallocateIn>();
        return call.Reply(_fs.Fallocate(
            call.Context, call.Node, new Handle(arguments.Fh), arguments.Mode, arguments.Offset, arguments.Length));
    }

    private int Lseek(ref FuseCall call)
    {
        ref readonly FuseLseekIn arguments = ref call.Structure<FuseLseekIn>();
        Errno errno = _fs.Lseek(
            call.Context, call.Node, new Handle(arguments.Fh), arguments.Offset, arguments.Whence, out ulong result);
        return errno == Errno.OK ? call.Reply(new FuseLseekOut { Offset = result }) : call.Reply(errno);
    }

    private int CopyFileRange(ref FuseCall call)
    {
        CopyFileRangeRequest request = CopyArguments(call);
        request.Length = Math.Min(request.Length, MaxCopy);
        Errno errno = _fs.CopyFileRange(call.Context, request, out ulong copied);
        if (errno != Errno.OK)
        {
            return call.Reply(errno);
        }

        return copied <= request.Length
            ? call.Reply(new FuseWriteOut { Size = (uint)copied })
            : RejectAnswer(call);
    }

    private int CopyFileRange64(ref FuseCall call)
    {
        CopyFileRangeRequest request = CopyArguments(call);
        Errno errno = _fs.CopyFileRange(call.Context, request, out ulong copied);
        if (errno != Errno.OK)
        {
            return call.Reply(errno);
        }

        return copied <= request.Length
            ? call.Reply(new FuseCopyFileRangeOut { BytesCopied = copied })
            : RejectAnswer(call);
    }

    private static CopyFileRangeRequest CopyArguments(in FuseCall call)
    {
        ref readonly FuseCopyFileRangeIn arguments = ref call.Structure<FuseCopyFileRangeIn>();
        return new CopyFileRangeRequest
        {
            NodeIn = call.Node,
            HandleIn = new Handle(arguments.FhIn),
            OffsetIn = arguments.OffIn,
            NodeOut = new NodeId(arguments.NodeIdOut),
            HandleOut = new Handle(arguments.FhOut),
            OffsetOut = arguments.OffOut,
            Length = arguments.Len,
            Flags = arguments.Flags,
        };
    }

    private int SyncFs(ref FuseCall call) => call.Reply(_fs.SyncFs(call.Context, call.Node));

    private int Ioctl(ref FuseCall call)
    {
        FuseIoctlIn arguments = call.Structure<FuseIoctlIn>();
        if ((arguments.Flags & FuseProtocol.FUSE_IOCTL_UNRESTRICTED) != 0)
        {
            // The client would have to be told where in the caller's memory to read and write; only CUSE may do that.
            return Reject(call, Errno.ENOSYS, "an unrestricted ioctl");
        }

        int room = call.Room - FuseOpcodes.Find(call.Header.Opcode).FixedOut;
        if (arguments.InSize > call.Body.Remaining || arguments.OutSize > room)
        {
            return Reject(call, Errno.EINVAL, "more data than sent, or than there is room for");
        }

        if (arguments.InSize > FuseProtocol.IoctlBytes || arguments.OutSize > FuseProtocol.IoctlBytes)
        {
            return Reject(call, Errno.E2BIG, "more data than an ioctl passes");
        }

        Span<byte> input = _arguments.AsSpan(0, (int)arguments.InSize);
        call.Body.Read(input);
        Span<byte> output = _output.AsSpan(0, (int)arguments.OutSize);
        Errno errno = _fs.Ioctl(
            call.Context, call.Node, new Handle(arguments.Fh), arguments.Cmd, arguments.Arg, input, output,
            out int written, out int result);
        if (errno != Errno.OK)
        {
            return call.Reply(errno);
        }

        return (uint)written <= (uint)output.Length
            ? call.ReplyData(new FuseIoctlOut { Result = result }, output[..written])
            : RejectAnswer(call);
    }

    private int Bmap(ref FuseCall call)
    {
        ref readonly FuseBmapIn arguments = ref call.Structure<FuseBmapIn>();
        Errno errno = _fs.Bmap(call.Context, call.Node, arguments.Block, arguments.BlockSize, out ulong result);
        return errno == Errno.OK ? call.Reply(new FuseBmapOut { Block = result }) : call.Reply(errno);
    }

    private int Poll(ref FuseCall call)
    {
        ref readonly FusePollIn arguments = ref call.Structure<FusePollIn>();
        Errno errno = _fs.Poll(
            call.Context, call.Node, new Handle(arguments.Fh), arguments.Events, out uint ready);
        return errno == Errno.OK ? call.Reply(new FusePollOut { Revents = ready }) : call.Reply(errno);
    }
}
