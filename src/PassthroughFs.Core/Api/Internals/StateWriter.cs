using System;
using System.Buffers;
using System.Buffers.Binary;
using System.IO;

namespace PassthroughFs.Core.Api;

/// <summary>Writes a saved state: collects a section, and sends it with its tag and length before it.</summary>
/// <remarks>
/// Eight letters that say what it is, the version (32 bits), then sections: a tag of four letters, the length (64 bits),
/// the content. The last one, "END ", has the CRC-32C of all bytes before its content. All numbers are little-endian.
/// </remarks>
internal sealed class StateWriter
{
    public const int TagAndLength = 12;
    public const int ChunkSize = 1 << 16;

    private readonly Stream _stream;
    private readonly ArrayBufferWriter<byte> _buffer = new(ChunkSize);
    private uint _crc;

    public StateWriter(Stream stream, ReadOnlySpan<byte> magic, uint version)
    {
        _stream = stream;
        Raw(magic);
        U32(version);
        Flush();
    }

    public void U8(byte value) => Raw([value]);

    public void Bool(bool value) => U8(value ? (byte)1 : (byte)0);

    public void U16(ushort value)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(_buffer.GetSpan(sizeof(ushort)), value);
        _buffer.Advance(sizeof(ushort));
    }

    public void U32(uint value)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(_buffer.GetSpan(sizeof(uint)), value);
        _buffer.Advance(sizeof(uint));
    }

    public void U64(ulong value)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(_buffer.GetSpan(sizeof(ulong)), value);
        _buffer.Advance(sizeof(ulong));
    }

    public void Raw(ReadOnlySpan<byte> bytes) => _buffer.Write(bytes);

    /// <summary>Ends a section: what was written since the last.</summary>
    public void Section(ReadOnlySpan<byte> tag)
    {
        SendStart(tag, (ulong)_buffer.WrittenCount);
        Flush();
    }

    /// <summary>Ends the state.</summary>
    public void End()
    {
        SendStart("END "u8, sizeof(uint));
        U32(_crc);
        Flush();
    }

    private void Flush()
    {
        _crc = StateReader.Crc(_crc, _buffer.WrittenSpan);
        _stream.Write(_buffer.WrittenSpan);
        _buffer.ResetWrittenCount();
    }

    private void SendStart(ReadOnlySpan<byte> tag, ulong length)
    {
        Span<byte> start = stackalloc byte[TagAndLength];
        tag.CopyTo(start);
        BinaryPrimitives.WriteUInt64LittleEndian(start[4..], length);
        _crc = StateReader.Crc(_crc, start);
        _stream.Write(start);
    }
}
