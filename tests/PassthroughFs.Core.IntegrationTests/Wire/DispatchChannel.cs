using System;
using System.Buffers.Binary;
using System.Threading;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.Protocol;

namespace PassthroughFs.Core.IntegrationTests.Wire;

/// <summary>The library in this process: each thread's requests go through a worker of its own.</summary>
internal sealed unsafe class DispatchChannel : IFuseChannel
{
    private const int Largest = (1 << 20) + 8192;
    private readonly ThreadLocal<Lane> _lane;

    public DispatchChannel(IFileSystem fs)
    {
        var session = new FuseSession(fs, new FuseSessionOptions());
        _lane = new ThreadLocal<Lane>(() => new Lane(session.CreateWorker()), trackAllValues: true);
    }

    public int Exchange(ReadOnlySpan<byte> request, Span<byte> reply) => _lane.Value!.Exchange(request, reply);

    public void Dispose()
    {
        foreach (Lane lane in _lane.Values)
        {
            lane.Dispose();
        }

        _lane.Dispose();
    }

    /// <summary>
    /// Headers and payload apart, as a virtio chain has them, and the payload at a page's start, as O_DIRECT needs it.
    /// </summary>
    private sealed class Lane(FuseWorker worker) : IDisposable
    {
        private readonly AlignedBuffer _in = new(Largest);
        private readonly AlignedBuffer _out = new(Largest);

        public int Exchange(ReadOnlySpan<byte> request, Span<byte> reply)
        {
            bool write = request.Length >= 80 &&
                BinaryPrimitives.ReadUInt32LittleEndian(request[4..]) == (uint)Op.Write;
            int head = Math.Min(write ? 80 : 40, request.Length);
            request[head..].CopyTo(_in.Span);
            int length;
            fixed (byte* input = request, body = _in.Span, output = reply, answer = _out.Span)
            {
                ReadOnlySpan<IoSegment> from = [new(input, (nuint)head), new(body, (nuint)(request.Length - head))];
                ReadOnlySpan<IoSegment> to = [new(output, 16), new(answer, (nuint)(reply.Length - 16))];
                length = worker.Dispatch(from, to);
            }

            if (length > 16)
            {
                _out.Span[..(length - 16)].CopyTo(reply[16..]);
            }

            return length;
        }

        public void Dispose()
        {
            _in.Dispose();
            _out.Dispose();
        }
    }
}
