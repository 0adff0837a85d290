using System;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Protocol;

public sealed partial class FuseWorker
{
    private int ReadLink(ref FuseCall call)
    {
        // The file system writes into the worker's memory, here and wherever it gets a span: it may read back what it
        // has written, and in the reply's memory the client could have changed it.
        Errno errno = _fs.ReadLink(call.Context, call.Node, _output.AsSpan(0, Linux.PATH_MAX), out int length);
        if (errno != Errno.OK)
        {
            return call.Reply(errno);
        }

        if ((uint)length > Linux.PATH_MAX)
        {
            return RejectAnswer(call);
        }

        return length <= call.Room ? call.ReplyData(_output.AsSpan(0, length)) : call.Reply(Errno.ENAMETOOLONG);
    }

    private int Symlink(ref FuseCall call)
    {
        ReadOnlySpan<byte> rest = call.Arguments;
        Errno errno = TakeName(ref rest, out ReadOnlySpan<byte> name);
        if (errno != Errno.OK)
        {
            return RejectName(call, errno);
        }

        int length = rest[..Math.Min(rest.Length, Linux.PATH_MAX)].IndexOf((byte)0);
        if (length < 0)
        {
            return Reject(
                call, rest.Length >= Linux.PATH_MAX ? Errno.ENAMETOOLONG : Errno.EINVAL, "malformed target");
        }

        errno = _fs.Symlink(call.Context, call.Node, name, rest[..length], out Entry entry);
        return ReplyEntry(ref call, errno, entry);
    }

    private int Mknod(ref FuseCall call)
    {
        ref readonly FuseMknodIn arguments = ref call.Structure<FuseMknodIn>();
        ReadOnlySpan<byte> rest = call.Behind<FuseMknodIn>();
        Errno errno = TakeName(ref rest, out ReadOnlySpan<byte> name);
        if (errno != Errno.OK)
        {
            return RejectName(call, errno);
        }

        errno = _fs.Mknod(
            call.Context, call.Node, name, arguments.Mode, arguments.Rdev, arguments.Umask, out Entry entry);
        return ReplyEntry(ref call, errno, entry);
    }

    private int Mkdir(ref FuseCall call)
    {
        ref readonly FuseMkdirIn arguments = ref call.Structure<FuseMkdirIn>();
        ReadOnlySpan<byte> rest = call.Behind<FuseMkdirIn>();
        Errno errno = TakeName(ref rest, out ReadOnlySpan<byte> name);
        if (errno != Errno.OK)
        {
            return RejectName(call, errno);
        }

        errno = _fs.Mkdir(call.Context, call.Node, name, arguments.Mode, arguments.Umask, out Entry entry);
        return ReplyEntry(ref call, errno, entry);
    }

    private int Unlink(ref FuseCall call)
    {
        ReadOnlySpan<byte> rest = call.Arguments;
        Errno errno = TakeName(ref rest, out ReadOnlySpan<byte> name);
        return errno == Errno.OK
            ? call.Reply(_fs.Unlink(call.Context, call.Node, name))
            : RejectName(call, errno);
    }

    private int Rmdir(ref FuseCall call)
    {
        ReadOnlySpan<byte> rest = call.Arguments;
        Errno errno = TakeName(ref rest, out ReadOnlySpan<byte> name);
        return errno == Errno.OK
            ? call.Reply(_fs.Rmdir(call.Context, call.Node, name))
            : RejectName(call, errno);
    }

    private int Rename(ref FuseCall call) =>
        Rename(ref call, call.Structure<FuseRenameIn>().NewDir, 0, call.Behind<FuseRenameIn>());

    private int Rename2(ref FuseCall call)
    {
        ref readonly FuseRename2In arguments = ref call.Structure<FuseRename2In>();
        return Rename(ref call, arguments.NewDir, arguments.Flags, call.Behind<FuseRename2In>());
    }

    private int Rename(ref FuseCall call, ulong newParent, uint flags, ReadOnlySpan<byte> rest)
    {
        Errno errno = TakeName(ref rest, out ReadOnlySpan<byte> name);
        if (errno != Errno.OK)
        {
            return RejectName(call, errno);
        }

        errno = TakeName(ref rest, out ReadOnlySpan<byte> newName);
        return errno == Errno.OK
            ? call.Reply(_fs.Rename(call.Context, call.Node, name, new NodeId(newParent), newName, flags))
            : RejectName(call, errno);
    }

    private int Link(ref FuseCall call)
    {
        ReadOnlySpan<byte> rest = call.Behind<FuseLinkIn>();
        Errno errno = TakeName(ref rest, out ReadOnlySpan<byte> name);
        if (errno != Errno.OK)
        {
            return RejectName(call, errno);
        }

        NodeId node = new(call.Structure<FuseLinkIn>().OldNodeId);
        errno = _fs.Link(call.Context, node, call.Node, name, out Entry entry);
        return ReplyEntry(ref call, errno, entry);
    }

    private int Create(ref FuseCall call)
    {
        ReadOnlySpan<byte> rest = call.Behind<FuseCreateIn>();
        Errno errno = TakeName(ref rest, out ReadOnlySpan<byte> name);
        if (errno != Errno.OK)
        {
            return RejectName(call, errno);
        }

        errno = _fs.Create(call.Context, call.Node, name, CreateArguments(call), out Entry entry, out OpenReply open);
        return ReplyCreated(ref call, errno, entry, open);
    }

    private int TmpFile(ref FuseCall call)
    {
        Errno errno = _fs.TmpFile(call.Context, call.Node, CreateArguments(call), out Entry entry, out OpenReply open);
        return ReplyCreated(ref call, errno, entry, open);
    }

    private static CreateRequest CreateArguments(in FuseCall call)
    {
        ref readonly FuseCreateIn arguments = ref call.Structure<FuseCreateIn>();
        return new CreateRequest
        {
            Flags = arguments.Flags,
            Mode = arguments.Mode,
            Umask = arguments.Umask,
            OpenFlags = arguments.OpenFlags,
        };
    }
}
