using System;
using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace PassthroughFs.Core.IntegrationTests.TwoSides;

/// <summary>What a block says of itself.</summary>
internal readonly record struct BlockId(long File, int Index, long Value);

/// <summary>
/// Blocks and records that tell what they are: which file, which place in it, which change wrote them. Every word follows
/// from that, so that a block of two halves, another file's, or one with foreign bytes is not taken for whole.
/// </summary>
internal static class Content
{
    public const int BlockSize = 512;

    private const ulong Magic = 0x7477_6f73_6964_6573;
    private const int Words = BlockSize / 8;

    public static void Fill(Span<byte> block, BlockId id)
    {
        Span<ulong> words = MemoryMarshal.Cast<byte, ulong>(block);
        (words[0], words[1], words[2], words[3]) = (Magic, (ulong)id.File, (ulong)id.Index, (ulong)id.Value);
        for (int i = 4; i < Words; i++)
        {
            words[i] = Word(id, i);
        }
    }

    /// <summary>Whether it is a whole block; one of zeros has value 0.</summary>
    public static bool TryRead(ReadOnlySpan<byte> block, out BlockId id)
    {
        ReadOnlySpan<ulong> words = MemoryMarshal.Cast<byte, ulong>(block);
        id = default;
        if (!block.ContainsAnyExcept((byte)0))
        {
            return true;
        }

        id = new BlockId((long)words[1], (int)words[2], (long)words[3]);
        bool isWhole = words[0] == Magic;
        for (int i = 4; i < Words && isWhole; i++)
        {
            isWhole = words[i] == Word(id, i);
        }

        return isWhole;
    }

    /// <summary>A block that is none, for a message: the values of its parts.</summary>
    public static string Describe(ReadOnlySpan<byte> block)
    {
        ReadOnlySpan<ulong> words = MemoryMarshal.Cast<byte, ulong>(block);
        int zeros = 0;
        int own = 0;
        var id = new BlockId((long)words[1], (int)words[2], (long)words[3]);
        for (int i = 4; i < Words; i++)
        {
            zeros += words[i] == 0 ? 1 : 0;
            own += words[i] == Word(id, i) ? 1 : 0;
        }

        return $"a torn block: head {id}, {own} of {Words - 4} words its own, {zeros} zero";
    }

    /// <summary>A record of a log: its length, who wrote it, its number, its log, and bytes that follow from these.</summary>
    public static void FillRecord(Span<byte> record, long log, int actor, int number)
    {
        var id = new BlockId(log, actor, number);
        BinaryPrimitives.WriteInt32LittleEndian(record, record.Length);
        BinaryPrimitives.WriteInt32LittleEndian(record[4..], actor);
        BinaryPrimitives.WriteInt32LittleEndian(record[8..], number);
        BinaryPrimitives.WriteInt32LittleEndian(record[12..], unchecked((int)Magic));
        Span<ulong> words = MemoryMarshal.Cast<byte, ulong>(record);
        for (int i = 2; i < words.Length; i++)
        {
            words[i] = Word(id, i);
        }
    }

    /// <summary>Reads the record at the beginning; its length, 0 where there is more to come, -1 where there is none.</summary>
    public static int ReadRecord(ReadOnlySpan<byte> bytes, long log, out int actor, out int number)
    {
        (actor, number) = (0, 0);
        if (bytes.Length < 16)
        {
            return 0;
        }

        int length = BinaryPrimitives.ReadInt32LittleEndian(bytes);
        actor = BinaryPrimitives.ReadInt32LittleEndian(bytes[4..]);
        number = BinaryPrimitives.ReadInt32LittleEndian(bytes[8..]);
        if (BinaryPrimitives.ReadInt32LittleEndian(bytes[12..]) != unchecked((int)Magic) || length < 16 || length % 8 != 0)
        {
            return -1;
        }

        var id = new BlockId(log, actor, number);
        ReadOnlySpan<ulong> words = MemoryMarshal.Cast<byte, ulong>(bytes[..Math.Min(length, bytes.Length & ~7)]);
        for (int i = 2; i < words.Length; i++)
        {
            if (words[i] != Word(id, i))
            {
                return -1;
            }
        }

        return length <= bytes.Length ? length : 0;
    }

    private static ulong Word(BlockId id, int i)
    {
        ulong x = ((ulong)id.File * 0x9E37_79B9_7F4A_7C15) ^ ((ulong)id.Value * 0xC2B2_AE3D_27D4_EB4F) ^
            ((ulong)(uint)id.Index << 32) ^ (uint)i;
        x = (x ^ (x >> 30)) * 0xBF58_476D_1CE4_E5B9;
        x = (x ^ (x >> 27)) * 0x94D0_49BB_1331_11EB;

        // Never zero: zeros are what was not written.
        return (x ^ (x >> 31)) | 1;
    }
}
