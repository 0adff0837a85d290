using System;
using System.Buffers.Binary;
using System.Linq;
using PassthroughFs.Core.IntegrationTests.Wire;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Vhost;

/// <summary>Memory for several GETATTR at once, on the first queue for requests.</summary>
internal sealed class GetAttrSlots
{
    private const int RequestBytes = 56;
    private const int ReplyBytes = 120;

    private readonly VhostChannel _channel;
    private readonly long[] _memory;
    private readonly ulong[] _unique;
    private ulong _last = 1UL << 32;

    public GetAttrSlots(VhostChannel channel, int count)
    {
        _channel = channel;
        _memory = [.. Enumerable.Range(0, count).Select(_ => channel.Memory.Take(4096))];
        _unique = new ulong[count];
    }

    public void GetAttr(int slot, ulong node) => _channel.Queue(1).Submit(Prepare(slot, node));

    /// <summary>Lays a request out; gives the descriptor it begins with.</summary>
    public ushort Prepare(int slot, ulong node)
    {
        Assert.Equal(0u, _unique[slot]);
        _unique[slot] = _last += 2;
        Span<byte> request = _channel.Memory.Span(_memory[slot], RequestBytes);
        request.Clear();
        BinaryPrimitives.WriteInt32LittleEndian(request, RequestBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(request[4..], (uint)Op.GetAttr);
        BinaryPrimitives.WriteUInt64LittleEndian(request[8..], _unique[slot]);
        BinaryPrimitives.WriteUInt64LittleEndian(request[16..], node);

        ushort head = (ushort)(slot * 2);
        ulong at = SharedMemory.Guest(_memory[slot]);
        _channel.Queue(1).Write(head, new Desc(at, RequestBytes, Desc.HasNext, (ushort)(head + 1)));
        _channel.Queue(1).Write(head + 1, new Desc(at + 1024, ReplyBytes, Desc.Writable, 0));
        return head;
    }

    /// <summary>Waits for the next answer, whichever it is; gives its slot.</summary>
    public int Await()
    {
        (uint head, uint length) = _channel.Queue(1).AwaitUsed();
        int slot = (int)head / 2;
        Span<byte> reply = _channel.Memory.Span(_memory[slot] + 1024, ReplyBytes);
        Assert.Equal(ReplyBytes, (int)length);
        Assert.Equal(0, BinaryPrimitives.ReadInt32LittleEndian(reply[4..]));
        Assert.NotEqual(0u, _unique[slot]);
        Assert.Equal(_unique[slot], BinaryPrimitives.ReadUInt64LittleEndian(reply[8..]));
        _unique[slot] = 0;
        return slot;
    }
}
