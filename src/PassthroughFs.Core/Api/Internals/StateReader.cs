using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.IO;
using System.Numerics;
using System.Text;

namespace PassthroughFs.Core.Api;

/// <summary>Reads what <see cref="StateWriter"/> has written, as a whole, and checks it before anything is used.</summary>
/// <remarks>
/// A reader passes over sections that it does not know; a change that it must not pass over is another version.
/// </remarks>
internal sealed class StateReader
{
    private readonly Dictionary<string, byte[]> _sections = new(StringComparer.Ordinal);

    /// <summary>Reads a state to its end and no further.</summary>
    /// <param name="stream">Where it comes from.</param>
    /// <param name="magic">Its first eight letters.</param>
    /// <param name="version">The one version that is understood.</param>
    /// <param name="what">What it is, for the message if it is not.</param>
    /// <exception cref="InvalidDataException">It is not such a state, or damaged; the message says what.</exception>
    public StateReader(Stream stream, ReadOnlySpan<byte> magic, uint version, string what)
    {
        uint crc = 0;
        byte[] header = ReadExactly(stream, (ulong)magic.Length + sizeof(uint), ref crc, $"it is no {what}");
        if (!header.AsSpan().StartsWith(magic))
        {
            throw new InvalidDataException($"it is no {what}");
        }

        uint found = BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(magic.Length));
        if (found != version)
        {
            throw new InvalidDataException($"it is of version {found}, and this program reads version {version}");
        }

        const string CutOff = "it is cut off";
        while (true)
        {
            byte[] start = ReadExactly(stream, StateWriter.TagAndLength, ref crc, CutOff);
            string tag = Encoding.Latin1.GetString(start, 0, 4);
            ulong length = BinaryPrimitives.ReadUInt64LittleEndian(start.AsSpan(4));
            uint expected = crc;
            byte[] content = ReadExactly(stream, length, ref crc, CutOff);
            if (tag == "END ")
            {
                if (length != sizeof(uint) || BinaryPrimitives.ReadUInt32LittleEndian(content) != expected)
                {
                    throw Damaged();
                }

                return;
            }

            _sections[tag] = content;
        }
    }

    public static InvalidDataException Damaged() => new("it is damaged");

    /// <summary>Whether there is a section, where it may be missing.</summary>
    public bool Has(string tag) => _sections.ContainsKey(tag);

    /// <summary>A section by its tag.</summary>
    /// <exception cref="InvalidDataException">It is not there.</exception>
    public SectionReader this[string tag] =>
        new(_sections.TryGetValue(tag, out byte[]? content) ? content : throw Damaged());

    internal static uint Crc(uint crc, ReadOnlySpan<byte> bytes)
    {
        for (; bytes.Length >= sizeof(ulong); bytes = bytes[sizeof(ulong)..])
        {
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
        }

        foreach (byte value in bytes)
        {
            crc = BitOperations.Crc32C(crc, value);
        }

        return crc;
    }

    /// <summary>Reads bytes into memory that grows as they come, whatever length is claimed.</summary>
    private static byte[] ReadExactly(Stream stream, ulong length, ref uint crc, string fault)
    {
        byte[] bytes = [];
        int filled = 0;
        while ((ulong)filled < length)
        {
            if (filled == bytes.Length)
            {
                ulong most = Math.Min(length, (ulong)Array.MaxLength);
                ulong size = Math.Min(most, Math.Max(2ul * (uint)filled, StateWriter.ChunkSize));
                if (size == (uint)filled)
                {
                    throw Damaged();
                }

                Array.Resize(ref bytes, (int)size);
            }

            int read = stream.Read(bytes, filled, bytes.Length - filled);
            if (read == 0)
            {
                throw new InvalidDataException(fault);
            }

            filled += read;
        }

        crc = Crc(crc, bytes);
        return bytes;
    }
}

/// <summary>What is left of a section.</summary>
internal ref struct SectionReader(byte[] section)
{
    private ReadOnlySpan<byte> _left = section;

    public byte U8() => Raw(1)[0];

    public bool Bool() => U8() switch
    {
        0 => false,
        1 => true,
        _ => throw StateReader.Damaged(),
    };

    public ushort U16() => BinaryPrimitives.ReadUInt16LittleEndian(Raw(sizeof(ushort)));

    public uint U32() => BinaryPrimitives.ReadUInt32LittleEndian(Raw(sizeof(uint)));

    public ulong U64() => BinaryPrimitives.ReadUInt64LittleEndian(Raw(sizeof(ulong)));

    /// <exception cref="InvalidDataException">So many are not left.</exception>
    public ReadOnlySpan<byte> Raw(int length)
    {
        if ((uint)length > (uint)_left.Length)
        {
            throw StateReader.Damaged();
        }

        ReadOnlySpan<byte> taken = _left[..length];
        _left = _left[length..];
        return taken;
    }
}
