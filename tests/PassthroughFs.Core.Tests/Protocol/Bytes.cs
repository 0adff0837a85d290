using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Text;

namespace PassthroughFs.Core.Tests.Protocol;

/// <summary>Writes messages field by field, knowing nothing of the library's structures.</summary>
internal sealed class Bytes
{
    private readonly List<byte> _bytes = [];

    public int Length => _bytes.Count;

    public Bytes U16(ushort value)
    {
        Span<byte> buffer = stackalloc byte[2];
        BinaryPrimitives.WriteUInt16LittleEndian(buffer, value);
        return Raw(buffer);
    }

    public Bytes U32(uint value)
    {
        Span<byte> buffer = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(buffer, value);
        return Raw(buffer);
    }

    public Bytes U64(ulong value)
    {
        Span<byte> buffer = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(buffer, value);
        return Raw(buffer);
    }

    public Bytes S64(long value) => U64((ulong)value);

    public Bytes Zeros(int count) => Raw(new byte[count]);

    /// <summary>Text and a NUL.</summary>
    public Bytes Name(string name) => Text(name).Zeros(1);

    public Bytes Text(string text) => Raw(Encoding.UTF8.GetBytes(text));

    public Bytes Raw(ReadOnlySpan<byte> bytes)
    {
        _bytes.AddRange(bytes);
        return this;
    }

    public Bytes Append(Bytes other)
    {
        _bytes.AddRange(other._bytes);
        return this;
    }

    public byte[] ToArray() => [.. _bytes];
}
