using System;
using System.Buffers.Binary;
using System.Collections.Generic;

namespace PassthroughFs.Core.IntegrationTests.Wire;

/// <summary>Puts a request's body together, field after field.</summary>
internal sealed class Packer(int capacity = 64)
{
    private readonly List<byte> _bytes = new(capacity);

    public Packer U32(uint value)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        _bytes.AddRange(bytes);
        return this;
    }

    public Packer U64(ulong value)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        _bytes.AddRange(bytes);
        return this;
    }

    public Packer Raw(ReadOnlySpan<byte> bytes)
    {
        _bytes.AddRange(bytes);
        return this;
    }

    /// <summary>A name and its NUL.</summary>
    public Packer Name(ReadOnlySpan<byte> name)
    {
        _bytes.AddRange(name);
        _bytes.Add(0);
        return this;
    }

    public byte[] Done() => [.. _bytes];

    /// <summary>What was packed, with zeros up to a length.</summary>
    public byte[] Fill(int length)
    {
        byte[] result = new byte[length];
        _bytes.CopyTo(result);
        return result;
    }
}
