using System;
using Microsoft.Extensions.Logging;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Protocol;
using PassthroughFs.Shared;

namespace PassthroughFs.Fuse;

/// <summary>
/// What one thread does: get a request from the device, have it answered, send the reply. All threads share one
/// descriptor, the kernel gives each request to one of them. Nothing is allocated for a request.
/// </summary>
internal sealed unsafe class DeviceLoop(
    int fd, FuseWorker worker, DeviceBuffers buffers, ServerGate gate, int rank, ServerStatus status, ILogger logger)
{
    private const int ReplyHeader = 16;
    private const int ErrorOffset = 4; // in fuse_out_header: len, error, unique
    private const int UniqueOffset = 8; // in fuse_in_header: len, opcode, unique

    private bool _serving;

    /// <summary>Serves until the file system is unmounted.</summary>
    /// <exception cref="FuseMountException">The device cannot be read.</exception>
    public void Run()
    {
        while (true)
        {
            if (gate.IsClosedFor(rank))
            {
                gate.Wait(rank);
            }

            // Sound: the buffer has the size that is named, and belongs to this thread alone.
            nint length = Libc.read(fd, buffers.Request, (nuint)buffers.RequestSize);
            if (length < 0)
            {
                Errno error = Libc.LastError;
                switch (error)
                {
                    case Errno.EINTR or Errno.EAGAIN:
                    case Errno.ENOENT: // the request was withdrawn while it was being read
                        continue;
                    case Errno.ENODEV or Libc.ECONNABORTED:
                        return;
                    default:
                        throw new FuseMountException($"reading from /dev/fuse failed: {Libc.Describe(error)}");
                }
            }

            Answer(length);
        }
    }

    private void Answer(nint length)
    {
        // Sound: native memory that stays in place; the segments live in this frame, Dispatch keeps nothing.
        var request = new IoSegment(buffers.Request, (nuint)length);
        var reply = new IoSegment(buffers.Reply, (nuint)buffers.ReplySize);
        int replyLength = worker.Dispatch(
            new ReadOnlySpan<IoSegment>(in request), new ReadOnlySpan<IoSegment>(in reply));
        if (replyLength > 0)
        {
            Send(replyLength);
        }

        // The first request is INIT: when its reply is out, the mount can be used, or never.
        if (!_serving)
        {
            _serving = status.FirstReply(replyLength >= ReplyHeader ? -*(int*)(buffers.Reply + ErrorOffset) : 0);
        }
    }

    private void Send(int length)
    {
        if (Libc.write(fd, buffers.Reply, (nuint)length) >= 0)
        {
            return;
        }

        Errno error = Libc.LastError;
        switch (error)
        {
            case Errno.ENOENT: // the request was withdrawn in the meantime
            case Errno.ENODEV or Libc.ECONNABORTED: // unmounted: the next read says so too
                return;
        }

        if (status.IsNewReplyError(error))
        {
            Log.ReplyRefused(logger, Libc.Describe(error));
        }

        // Whoever made the request still waits: an error is better than no answer. Without success, there is nothing
        // else that could be done.
        // Sound: a request that got a reply has a header, and the reply's buffer one header at least.
        *(int*)buffers.Reply = ReplyHeader;
        *(int*)(buffers.Reply + ErrorOffset) = -(int)Errno.EIO;
        *(ulong*)(buffers.Reply + UniqueOffset) = *(ulong*)(buffers.Request + UniqueOffset);
        _ = Libc.write(fd, buffers.Reply, ReplyHeader);
    }
}
