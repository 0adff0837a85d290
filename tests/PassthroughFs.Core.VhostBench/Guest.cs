using System;
using System.Buffers.Binary;
using System.IO;
using System.Threading;
using PassthroughFs.Core.IntegrationTests.Vhost;

namespace PassthroughFs.Core.VhostBench;

/// <summary>The driver of one guest: a queue with priority that is not used, and one for requests.</summary>
internal sealed unsafe class Guest : IDisposable
{
    public const int MaxDepth = 8;
    private const int Page = 4096;
    private const int Largest = 128 << 10;
    private const int QueueSize = 128; // QEMU's default

    private readonly SharedMemory _memory = new(8L << 20);
    private readonly FrontEnd _frontEnd;
    private readonly DriverQueue _priority;
    private readonly DriverQueue _queue;
    private readonly Slot[] _slots = new Slot[MaxDepth];
    private ulong _unique;

    public Guest(string socketPath)
    {
        _frontEnd = new FrontEnd(socketPath);
        _priority = new DriverQueue(_memory, QueueSize);
        _queue = new DriverQueue(_memory, QueueSize);
        for (int i = 0; i < MaxDepth; i++)
        {
            _slots[i] = new Slot(
                _memory.Take(Page), _memory.Take(Page), _memory.Take(Largest), _memory.Take(Page),
                _memory.Take(Largest));
        }

        _frontEnd.Negotiate();
        _frontEnd.Share(_memory);
        _frontEnd.Start(0, _memory, _priority);
        _frontEnd.Start(1, _memory, _queue);
    }

    /// <summary>How often the device had to be kicked, or called back.</summary>
    public int Notifications => _queue.Kicks + _queue.Calls;

    /// <summary>Sends one request and gives what follows the header of the reply.</summary>
    public ReadOnlySpan<byte> Ask(Request request)
    {
        Prepare(request, 1);
        Run(1, 1);
        return _memory.Span(_slots[0].Reply + Request.ReplyHeaderBytes, request.Answer);
    }

    /// <summary>Lays out the requests that <see cref="Run"/> sends.</summary>
    public void Prepare(Request request, int depth)
    {
        for (int i = 0; i < depth; i++)
        {
            Slot slot = _slots[i];
            slot.Expected = request;
            Span<byte> header = _memory.Span(slot.Header, Page);
            header.Clear();
            BinaryPrimitives.WriteInt32LittleEndian(
                header, Request.HeaderBytes + request.Arguments.Length + request.DataIn);
            BinaryPrimitives.WriteUInt32LittleEndian(header[4..], request.Opcode);
            BinaryPrimitives.WriteUInt64LittleEndian(header[16..], request.Node);
            request.Arguments.CopyTo(header[Request.HeaderBytes..]);

            int count = 0;
            void Add(long at, int length, bool writable) =>
                slot.Parts[count++] = (SharedMemory.Guest(at), (uint)length, writable);
            Add(slot.Header, Request.HeaderBytes, false);
            Add(slot.Header + Request.HeaderBytes, request.Arguments.Length, false);
            for (int done = 0; done < request.DataIn; done += Page)
            {
                Add(slot.DataIn + done, Page, false);
            }

            Add(slot.Reply, Request.ReplyHeaderBytes, true);
            if (request.Answer > 0)
            {
                Add(slot.Reply + Request.ReplyHeaderBytes, request.Answer, true);
            }

            for (int done = 0; done < request.DataOut; done += Page)
            {
                Add(slot.DataOut + done, Page, true);
            }

            var table = (Desc*)_memory.At(slot.Table);
            for (int part = 0; part < count; part++)
            {
                (ulong address, uint length, bool writable) = slot.Parts[part];
                table[part] = new Desc(
                    address, length,
                    (ushort)((writable ? Desc.Writable : 0) | (part + 1 < count ? Desc.HasNext : 0)),
                    (ushort)(part + 1));
            }

            _queue.Write(i, new Desc(SharedMemory.Guest(slot.Table), (uint)(count * 16), Desc.Indirect, 0));
        }
    }

    /// <summary>Sends what was prepared that many times, so many at once. Checks each reply.</summary>
    public void Run(int depth, int count)
    {
        int sent = 0;
        while (sent < Math.Min(depth, count))
        {
            Submit(sent++);
        }

        for (int done = 0; done < count; done++)
        {
            (uint head, uint length) = _queue.AwaitUsed();
            Check(_slots[head], length);
            if (sent < count)
            {
                Submit((int)head);
                sent++;
            }
        }
    }

    public void Dispose()
    {
        _frontEnd.Dispose();
        _priority.Dispose();
        _queue.Dispose();
        _memory.Dispose();
    }

    private void Submit(int slot)
    {
        *(ulong*)(_memory.At(_slots[slot].Header) + 8) = _unique += 2;
        _slots[slot].Unique = _unique;
        _queue.Submit((ushort)slot);
    }

    private void Check(Slot slot, uint length)
    {
        byte* reply = _memory.At(slot.Reply);
        int error = Volatile.Read(ref *(int*)(reply + 4));
        if (error != slot.Expected.Error || *(ulong*)(reply + 8) != slot.Unique
            || *(uint*)reply != slot.Expected.ReplyBytes || length != slot.Expected.ReplyBytes)
        {
            throw new InvalidDataException($"{slot.Expected.Name}: error {error}, {length} bytes");
        }
    }

    /// <summary>Memory for one request under way.</summary>
    private sealed class Slot(long table, long header, long dataIn, long reply, long dataOut)
    {
        public readonly long Table = table;
        public readonly long Header = header;
        public readonly long DataIn = dataIn;
        public readonly long Reply = reply;
        public readonly long DataOut = dataOut;
        public readonly (ulong Address, uint Length, bool Writable)[] Parts = new (ulong, uint, bool)[80];
        public Request Expected = Request.GetAttr(1);
        public ulong Unique;
    }
}
