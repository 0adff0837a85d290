using System;
using System.Buffers.Binary;

namespace PassthroughFs.Core.VhostBench;

/// <summary>
/// One kind of request, laid out as a Linux guest does it: header, arguments and pages, each in pieces of its own.
/// </summary>
/// <param name="Name">What the table calls it.</param>
/// <param name="Opcode">FUSE's number.</param>
/// <param name="Node">The node it is about.</param>
/// <param name="Arguments">What follows the header.</param>
/// <param name="DataIn">How many bytes of pages the guest sends.</param>
/// <param name="Answer">How many bytes follow the header of the reply.</param>
/// <param name="DataOut">How many bytes of pages the guest wants.</param>
/// <param name="Error">The answer's errno, negated as on the wire.</param>
internal sealed record Request(
    string Name, uint Opcode, ulong Node, byte[] Arguments, int DataIn, int Answer, int DataOut, int Error = 0)
{
    public const int HeaderBytes = 40;
    public const int ReplyHeaderBytes = 16;

    /// <summary>The bytes of the reply if it is as it should be.</summary>
    public int ReplyBytes => Error != 0 ? ReplyHeaderBytes : ReplyHeaderBytes + Answer + DataOut;

    public static Request GetAttr(ulong node) => new("getattr", 3, node, new byte[16], 0, 104, 0);

    public static Request Lookup(string title, byte[] name, bool exists) =>
        new(title, 1, 1, name, 0, 128, 0, exists ? 0 : -2);

    public static Request Open(ulong node) => new("open", 14, node, [2, 0, 0, 0, 0, 0, 0, 0], 0, 16, 0);

    public static Request Read(string title, ulong node, ulong handle, int size) =>
        new(title, 15, node, ReadWrite(handle, size), 0, 0, size);

    public static Request Write(string title, ulong node, ulong handle, int size) =>
        new(title, 16, node, ReadWrite(handle, size), size, 8, 0);

    public static Request Init(ulong flags)
    {
        byte[] body = new byte[64];
        BinaryPrimitives.WriteUInt32LittleEndian(body, 7);
        BinaryPrimitives.WriteUInt32LittleEndian(body.AsSpan(4), 38);
        BinaryPrimitives.WriteUInt32LittleEndian(body.AsSpan(8), 1 << 20);
        BinaryPrimitives.WriteUInt32LittleEndian(body.AsSpan(12), (uint)flags);
        BinaryPrimitives.WriteUInt32LittleEndian(body.AsSpan(16), (uint)(flags >> 32));
        return new("init", 26, 0, body, 0, 64, 0);
    }

    // fh, offset 0, size, flags, lock owner, flags: 40 bytes for both.
    private static byte[] ReadWrite(ulong handle, int size)
    {
        byte[] body = new byte[40];
        BinaryPrimitives.WriteUInt64LittleEndian(body, handle);
        BinaryPrimitives.WriteInt32LittleEndian(body.AsSpan(16), size);
        return body;
    }
}
