using System;
using System.Threading;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Protocol;

namespace PassthroughFs.Core.IntegrationTests.Wire;

/// <summary>The library in this process: each thread's requests go through a worker of its own.</summary>
internal sealed unsafe class DispatchChannel : IFuseChannel
{
    private readonly ThreadLocal<FuseWorker> _worker;

    public DispatchChannel(IFileSystem fs)
    {
        var session = new FuseSession(fs, new FuseSessionOptions());
        _worker = new ThreadLocal<FuseWorker>(session.CreateWorker);
    }

    public int Exchange(ReadOnlySpan<byte> request, Span<byte> reply)
    {
        fixed (byte* input = request, output = reply)
        {
            // Headers and payload apart, as a virtio chain has them.
            int head = Math.Min(40, request.Length);
            int replyHead = Math.Min(16, reply.Length);
            ReadOnlySpan<IoSegment> from =
            [
                new(input, (nuint)head), new(input + head, (nuint)(request.Length - head)),
            ];
            ReadOnlySpan<IoSegment> to =
            [
                new(output, (nuint)replyHead), new(output + replyHead, (nuint)(reply.Length - replyHead)),
            ];
            return _worker.Value!.Dispatch(from, to);
        }
    }

    public void Dispose() => _worker.Dispose();
}
