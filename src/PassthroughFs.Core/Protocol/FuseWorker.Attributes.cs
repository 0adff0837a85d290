using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Protocol;

public sealed partial class FuseWorker
{
    private const uint NanosecondsPerSecond = 1_000_000_000;

    private int GetAttr(ref FuseCall call)
    {
        ref readonly FuseGetAttrIn arguments = ref call.Structure<FuseGetAttrIn>();
        Errno errno = _fs.GetAttr(
            call.Context, call.Node, HandleIfSaid(arguments.GetAttrFlags, arguments.Fh), out AttrReply reply);
        return ReplyAttr(ref call, errno, reply);
    }

    private int SetAttr(ref FuseCall call)
    {
        ref readonly FuseSetAttrIn arguments = ref call.Structure<FuseSetAttrIn>();
        SetAttrFields valid = arguments.Valid;
        SetAttrRequest request = new() { Valid = valid };

        // Linux gives nanoseconds above a second a meaning of their own (UTIME_NOW, UTIME_OMIT), which is not for the
        // client to use: it has flags for these.
        if (!TakeTime(valid, SetAttrFields.FATTR_ATIME, arguments.Atime, arguments.AtimeNsec, out request.Atime)
            || !TakeTime(valid, SetAttrFields.FATTR_MTIME, arguments.Mtime, arguments.MtimeNsec, out request.Mtime)
            || !TakeTime(valid, SetAttrFields.FATTR_CTIME, arguments.Ctime, arguments.CtimeNsec, out request.Ctime))
        {
            return Reject(call, Errno.EINVAL, "a time's nanoseconds exceed a second");
        }

        request.Handle = (valid & SetAttrFields.FATTR_FH) != 0 ? new Handle(arguments.Fh) : Api.Handle.None;
        request.LockOwner = new LockOwner((valid & SetAttrFields.FATTR_LOCKOWNER) != 0 ? arguments.LockOwner : 0);
        request.Size = arguments.Size;
        request.Mode = arguments.Mode;
        request.Uid = arguments.Uid;
        request.Gid = arguments.Gid;
        Errno errno = _fs.SetAttr(call.Context, call.Node, request, out AttrReply reply);
        return ReplyAttr(ref call, errno, reply);
    }

    private int Statx(ref FuseCall call)
    {
        ref readonly FuseStatxIn arguments = ref call.Structure<FuseStatxIn>();
        Errno errno = _fs.Statx(
            call.Context, call.Node, HandleIfSaid(arguments.GetAttrFlags, arguments.Fh), arguments.SxFlags,
            arguments.SxMask, out StatxReply reply);
        if (errno != Errno.OK)
        {
            return call.Reply(errno);
        }

        FuseEncode.Statx(reply, out FuseStatxOut wire);
        return call.Reply(wire);
    }

    private int Statfs(ref FuseCall call)
    {
        Errno errno = _fs.Statfs(call.Context, call.Node, out StatfsReply reply);
        if (errno != Errno.OK)
        {
            return call.Reply(errno);
        }

        FuseEncode.Statfs(reply, out FuseStatfsOut wire);
        return call.Reply(wire);
    }

    private int Access(ref FuseCall call) =>
        call.Reply(_fs.Access(call.Context, call.Node, call.Structure<FuseAccessIn>().Mask));

    private static Handle HandleIfSaid(uint flags, ulong value) =>
        (flags & FuseProtocol.FUSE_GETATTR_FH) != 0 ? new Handle(value) : Api.Handle.None;

    /// <summary>A time that is to be set; false if it is none.</summary>
    private static bool TakeTime(
        SetAttrFields valid, SetAttrFields field, long seconds, uint nanoseconds, out Timestamp time)
    {
        if ((valid & field) == 0)
        {
            time = default;
            return true;
        }

        time = new Timestamp(seconds, nanoseconds);
        return nanoseconds < NanosecondsPerSecond;
    }

    private static int ReplyAttr(ref FuseCall call, Errno errno, in AttrReply reply)
    {
        if (errno != Errno.OK)
        {
            return call.Reply(errno);
        }

        FuseEncode.AttrReply(reply, call.Connection!.AttributeFlags, out FuseAttrOut wire);
        return call.Reply(wire);
    }
}
