using System;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Protocol;

public sealed partial class FuseWorker
{
    private int Lookup(ref FuseCall call)
    {
        ReadOnlySpan<byte> rest = call.Arguments;
        Errno errno = TakeName(ref rest, out ReadOnlySpan<byte> name);
        if (errno != Errno.OK)
        {
            return RejectName(call, errno);
        }

        errno = _fs.Lookup(call.Context, call.Node, name, out Entry entry);
        return ReplyEntry(ref call, errno, entry);
    }

    private int Forget(ref FuseCall call)
    {
        _fs.Forget(call.Context, call.Node, call.Structure<FuseForgetIn>().Nlookup);
        return 0;
    }

    private int BatchForget(ref FuseCall call)
    {
        // The items' layout is the wire's. They pass through in chunks, as their number is the client's choice; it
        // counts no further than the request goes.
        long count = Math.Min(
            call.Structure<FuseBatchForgetIn>().Count, call.Body.Remaining / Unsafe.SizeOf<ForgetItem>());
        while (count > 0)
        {
            Span<ForgetItem> items = _forgets.AsSpan(0, (int)Math.Min(count, ForgetChunk));
            call.Body.Read(MemoryMarshal.AsBytes(items));
            _fs.BatchForget(call.Context, items);
            count -= items.Length;
        }

        return 0;
    }

    private static int ReplyEntry(ref FuseCall call, Errno errno, in Entry entry)
    {
        if (errno != Errno.OK)
        {
            return call.Reply(errno);
        }

        FuseEncode.Entry(entry, call.Connection!.AttributeFlags, out FuseEntryOut reply);
        return call.Reply(reply);
    }

    private static int ReplyCreated(ref FuseCall call, Errno errno, in Entry entry, in OpenReply open)
    {
        if (errno != Errno.OK)
        {
            return call.Reply(errno);
        }

        FuseCreateOut reply;
        FuseEncode.Entry(entry, call.Connection!.AttributeFlags, out reply.Entry);
        FuseEncode.Open(open, call.Connection.OpenFlags, out reply.Open);
        return call.Reply(reply);
    }
}
