using System;
using System.IO;
using System.Runtime.InteropServices;
using System.Threading;
using PassthroughFs.Core.Api;
using PassthroughFs.VhostUser;

namespace PassthroughFs.Samples.Vmm;

/// <summary>The guest's part: a driver that has one request at a time, by the layout of virtio 1.x.</summary>
internal sealed unsafe class Driver
{
    public const int MaxData = 32 * 1024;

    // Offsets in the guest's memory: the table of descriptors, both rings, the request, the reply.
    private const int Table = 0, Available = 0x1000, Used = 0x2000, Request = 0x3000, Reply = 0x10000;
    private const int HeaderBytes = 40, ReplyHeaderBytes = 16;
    private const ushort NextFlag = 1, WriteFlag = 2;

    private readonly Machine _machine;
    private readonly byte* _ram;
    private ushort _next;

    public Driver(Machine machine)
    {
        _machine = machine;
        _ram = machine.Ram;
        machine.Rings = new RingAddresses(Address(Table), Address(Available), Address(Used));
    }

    /// <summary>Sends a request and takes its reply.</summary>
    public byte[] Ask(uint opcode, ulong node, ReadOnlySpan<uint> numbers, params ReadOnlySpan<byte> name)
    {
        // struct fuse_in_header: length, opcode, unique, node, and who asks, which is root.
        int length = HeaderBytes + (numbers.Length * sizeof(uint)) + name.Length;
        var request = new Span<byte>(_ram + Request, Reply - Request);
        request[..HeaderBytes].Clear();
        MemoryMarshal.Write(request, (uint)length);
        MemoryMarshal.Write(request[4..], opcode);
        MemoryMarshal.Write(request[8..], (ulong)(_next + 1) * 2);
        MemoryMarshal.Write(request[16..], node);
        MemoryMarshal.AsBytes(numbers).CopyTo(request[HeaderBytes..]);
        name.CopyTo(request[(length - name.Length)..]);

        // Descriptor 0 is what the device reads, and goes on with descriptor 1, which it writes.
        Describe(0, Request, length, NextFlag);
        Describe(1, Reply, ReplyHeaderBytes + MaxData, WriteFlag);

        // Both rings begin with flags and index. The entry first, then the index, by which the device sees it.
        ushort* available = (ushort*)(_ram + Available), used = (ushort*)(_ram + Used);
        available[2 + (_next % Machine.QueueSize)] = 0;
        Volatile.Write(ref available[1], ++_next);
        if (!_machine.Kick() || Volatile.Read(ref used[1]) != _next)
        {
            throw new InvalidOperationException("the device has not answered");
        }

        // struct fuse_out_header: length, errno negated, unique.
        var reply = new ReadOnlySpan<byte>(_ram + Reply, ReplyHeaderBytes + MaxData);
        var error = (Errno)(-MemoryMarshal.Read<int>(reply[4..]));
        return error == Errno.OK
            ? reply[ReplyHeaderBytes..MemoryMarshal.Read<int>(reply)].ToArray()
            : throw new IOException(error.ToString());
    }

    private static ulong Address(int offset) => Machine.MemoryStart + (ulong)offset;

    private void Describe(int index, int offset, int length, ushort flags)
    {
        ulong* descriptor = (ulong*)(_ram + Table) + (2 * index); // the address; length, flags and next
        descriptor[0] = Address(offset);
        descriptor[1] = (uint)length | ((ulong)flags << 32) | ((ulong)(index + 1) << 48);
    }
}
