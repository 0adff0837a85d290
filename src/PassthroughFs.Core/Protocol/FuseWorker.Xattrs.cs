using System;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Protocol;

public sealed partial class FuseWorker
{
    // The structure without what FUSE_SETXATTR_EXT adds.
    private const int OldSetXattrSize = 8;

    private int SetXattr(ref FuseCall call)
    {
        // The short structure is the long one's beginning, and reading the long one is safe: the worker's memory is
        // longer than both. What lies in the longer part counts only if it was sent.
        bool extended = call.Connection!.Has(InitFlags.FUSE_SETXATTR_EXT);
        int structure = extended ? Unsafe.SizeOf<FuseSetXattrIn>() : OldSetXattrSize;
        if (call.Arguments.Length < structure)
        {
            return Reject(call, Errno.EINVAL, "shorter than its structure");
        }

        ReadOnlySpan<byte> rest = call.Arguments[structure..];
        FuseSetXattrIn arguments = MemoryMarshal.Read<FuseSetXattrIn>(_arguments);
        bool killSgid = extended && (arguments.SetXattrFlags & FuseProtocol.FUSE_SETXATTR_ACL_KILL_SGID) != 0;
        if (arguments.Size > FuseProtocol.XattrBytes)
        {
            return Reject(call, Errno.E2BIG, "a value larger than any");
        }

        Errno errno = TakeName(ref rest, out ReadOnlySpan<byte> name);
        if (errno != Errno.OK)
        {
            return RejectName(call, errno);
        }

        if (arguments.Size > rest.Length)
        {
            return Reject(call, Errno.EINVAL, "more data than sent");
        }

        ReadOnlySpan<byte> value = rest[..(int)arguments.Size];
        return call.Reply(_fs.SetXattr(call.Context, call.Node, name, value, arguments.Flags, killSgid));
    }

    private int GetXattr(ref FuseCall call)
    {
        ReadOnlySpan<byte> rest = call.Behind<FuseGetXattrIn>();
        Errno errno = TakeName(ref rest, out ReadOnlySpan<byte> name);
        if (errno != Errno.OK)
        {
            return RejectName(call, errno);
        }

        if (!TakeXattrRoom(call, out int room))
        {
            return Reject(call, Errno.EINVAL, "no room for the reply");
        }

        errno = _fs.GetXattr(call.Context, call.Node, name, _output.AsSpan(0, room), out int size);
        return ReplyXattr(call, errno, room, size);
    }

    private int ListXattr(ref FuseCall call)
    {
        if (!TakeXattrRoom(call, out int room))
        {
            return Reject(call, Errno.EINVAL, "no room for the reply");
        }

        Errno errno = _fs.ListXattr(call.Context, call.Node, _output.AsSpan(0, room), out int size);
        return ReplyXattr(call, errno, room, size);
    }

    private int RemoveXattr(ref FuseCall call)
    {
        ReadOnlySpan<byte> rest = call.Arguments;
        Errno errno = TakeName(ref rest, out ReadOnlySpan<byte> name);
        return errno == Errno.OK
            ? call.Reply(_fs.RemoveXattr(call.Context, call.Node, name))
            : RejectName(call, errno);
    }

    /// <summary>
    /// How much the client asks for, no more than any value has; 0 asks for the size. False if it cannot fit.
    /// </summary>
    private static bool TakeXattrRoom(in FuseCall call, out int room)
    {
        room = (int)Math.Min(call.Structure<FuseGetXattrIn>().Size, FuseProtocol.XattrBytes);
        return call.Room >= (room == 0 ? Unsafe.SizeOf<FuseGetXattrOut>() : room);
    }

    private int ReplyXattr(in FuseCall call, Errno errno, int room, int size)
    {
        if (errno != Errno.OK)
        {
            return call.Reply(errno);
        }

        if (room == 0)
        {
            return size >= 0 ? call.Reply(new FuseGetXattrOut { Size = (uint)size }) : RejectAnswer(call);
        }

        return (uint)size <= (uint)room ? call.ReplyData(_output.AsSpan(0, size)) : RejectAnswer(call);
    }
}
