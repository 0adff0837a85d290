using System;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Protocol;

public sealed partial class FuseWorker
{
    private int OpenDir(ref FuseCall call)
    {
        uint flags = call.Structure<FuseOpenIn>().Flags;
        Errno errno = _fs.OpenDir(call.Context, call.Node, flags, out OpenReply reply);
        return ReplyOpen(ref call, errno, reply);
    }

    private unsafe int ReadDir(ref FuseCall call, bool plus)
    {
        ref readonly FuseReadIn arguments = ref call.Structure<FuseReadIn>();
        int limit = (int)Math.Min(arguments.Size, (uint)call.Room);
        Handle handle = new(arguments.Fh);
        FuseDirectorySink sink = _directorySink;
        Errno errno;

        // Sound: the sink forgets the pointer before the list of segments is unpinned.
        fixed (IoSegment* segments = call.ReplySegments)
        {
            sink.Open(segments, call.ReplySegments.Length, limit, plus, call.Connection!.AttributeFlags);
            try
            {
                errno = plus
                    ? _fs.ReadDirPlus(call.Context, call.Node, handle, arguments.Offset, sink)
                    : _fs.ReadDir(call.Context, call.Node, handle, arguments.Offset, sink);
            }
            finally
            {
                sink.Close();
            }
        }

        // As with reads, what was delivered counts, lookups included; an error comes again with the next call.
        return errno == Errno.OK || sink.Written > 0 ? call.Finish(sink.Written, 0) : call.Reply(errno);
    }

    private int ReleaseDir(ref FuseCall call)
    {
        ref readonly FuseReleaseIn arguments = ref call.Structure<FuseReleaseIn>();
        return call.Reply(_fs.ReleaseDir(call.Context, call.Node, new Handle(arguments.Fh), arguments.Flags));
    }

    private int FsyncDir(ref FuseCall call)
    {
        ref readonly FuseFsyncIn arguments = ref call.Structure<FuseFsyncIn>();
        bool dataSync = (arguments.FsyncFlags & FuseProtocol.FUSE_FSYNC_FDATASYNC) != 0;
        return call.Reply(_fs.FsyncDir(call.Context, call.Node, new Handle(arguments.Fh), dataSync));
    }
}
