using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Threading;
using PassthroughFs.Core.IntegrationTests.Wire;

namespace PassthroughFs.Core.IntegrationTests.Vhost;

/// <summary>
/// Requests through the queues of a daemon: what needs no answer by the queue with priority, the rest in turn by the
/// others; cut into pieces as a guest does it, once as a chain and once as an indirect table.
/// </summary>
internal sealed class VhostChannel : IFuseChannel
{
    private const int QueueSize = 1024;
    private const int RequestQueues = 2;
    private const int Largest = (1 << 20) + 8192;
    private const int Piece = 4096;

    private readonly SharedMemory _memory = new(16L << 20);
    private readonly FrontEnd _frontEnd;
    private readonly Lane[] _lanes;
    private int _turn;

    public VhostChannel(
        string socketPath, ulong features = FrontEnd.AllFeatures, bool bySlots = false, VmmWindow? window = null)
    {
        bool events = (features & FrontEnd.EventIndex) != 0;
        bool indirect = (features & FrontEnd.Indirect) != 0;
        _frontEnd = new FrontEnd(socketPath);
        _lanes = [.. Enumerable.Range(0, 1 + RequestQueues).Select(_ => new Lane(_memory, events, indirect))];
        try
        {
            _frontEnd.Negotiate(
                features, FrontEnd.ReplyAck | (bySlots ? FrontEnd.MemSlots : 0) | (window?.Protocol ?? 0));
            window?.Attach(_frontEnd);
            _frontEnd.Share(_memory, bySlots);
            for (int i = 0; i < _lanes.Length; i++)
            {
                _frontEnd.Start(i, _memory, _lanes[i].Queue, enable: (features & FrontEnd.Protocol) != 0);
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public FrontEnd FrontEnd => _frontEnd;

    public SharedMemory Memory => _memory;

    public DriverQueue Queue(int index) => _lanes[index].Queue;

    public int Exchange(ReadOnlySpan<byte> request, Span<byte> reply)
    {
        var op = (Op)BinaryPrimitives.ReadUInt32LittleEndian(request[4..]);
        bool priority = op is Op.Forget or Op.BatchForget;
        int lane = priority ? 0 : 1 + (int)((uint)Interlocked.Increment(ref _turn) % RequestQueues);
        return _lanes[lane].Exchange(request, priority ? default : reply);
    }

    public void Dispose()
    {
        _frontEnd.Dispose();
        foreach (Lane lane in _lanes)
        {
            lane.Queue.Dispose();
        }

        _memory.Dispose();
    }

    /// <summary>One queue, and memory for one request at a time.</summary>
    private sealed class Lane(SharedMemory memory, bool events, bool mayBeIndirect)
    {
        private readonly Lock _lock = new();
        private readonly List<(long Offset, int Length, bool Writable)> _parts = [];
        private readonly long _in = memory.Take(Largest);
        private readonly long _out = memory.Take(Largest);
        private readonly long _table = memory.Take(QueueSize * 16);
        private bool _indirect;

        public DriverQueue Queue { get; } = new(memory, QueueSize, events);

        public int Exchange(ReadOnlySpan<byte> request, Span<byte> reply)
        {
            lock (_lock)
            {
                _parts.Clear();
                bool write = BinaryPrimitives.ReadUInt32LittleEndian(request[4..]) == (uint)Op.Write;

                // Headers end where pages begin, as in a guest, so that O_DIRECT finds its data aligned.
                int head = Math.Min(request.Length, write ? 80 : 40);
                Put(_in, request, head, false);
                request.CopyTo(memory.Span(_in + Piece - head, request.Length));
                if (!reply.IsEmpty)
                {
                    Put(_out, reply, 16, true);
                }

                _indirect = mayBeIndirect && !_indirect;
                Queue.SubmitChain(_parts, _indirect ? _table : null);
                (uint used, uint length) = Queue.AwaitUsed();
                if (used != 0 || length > reply.Length)
                {
                    throw new InvalidDataException($"used entry {used} of {length} bytes");
                }

                memory.Span(_out + Piece - 16, (int)length).CopyTo(reply);
                return (int)length;
            }
        }

        // The header at the end of the first page, and page after page behind it.
        private void Put(long area, ReadOnlySpan<byte> bytes, int head, bool writable)
        {
            _parts.Add((area + Piece - head, head, writable));
            for (int done = head; done < bytes.Length; done += Piece)
            {
                _parts.Add((area + Piece + done - head, Math.Min(Piece, bytes.Length - done), writable));
            }
        }
    }
}
