using System;
using System.Collections.Generic;
using System.IO;
using System.Runtime.InteropServices;

namespace PassthroughFs.Core.Fuzz.Engine;

/// <summary>Tapes as files: sessions of the corpus, and findings.</summary>
internal static class TapeFile
{
    private static ReadOnlySpan<byte> Magic => "PTFSTAPE1\n"u8;

    public static void Write(Tape tape, string path)
    {
        using FileStream file = File.Create(path);
        using var writer = new BinaryWriter(file);
        writer.Write(Magic);
        writer.Write7BitEncodedInt(tape.Count);
        for (int i = 0; i < tape.Count; i++)
        {
            writer.Write7BitEncodedInt(tape[i].Room);
            writer.Write(tape[i].Cuts);
            ReadOnlySpan<Fixup> fixups = tape.Fixups(i);
            writer.Write7BitEncodedInt(fixups.Length);
            foreach (Fixup fixup in fixups)
            {
                writer.Write7BitEncodedInt(fixup.At);
                writer.Write7BitEncodedInt(fixup.Source);
                writer.Write7BitEncodedInt(fixup.Nth + 1);
            }

            writer.Write7BitEncodedInt(tape.Bytes(i).Length);
            writer.Write(tape.Bytes(i));
        }
    }

    public static Tape Read(string path)
    {
        using FileStream file = File.OpenRead(path);
        using var reader = new BinaryReader(file);
        if (!reader.ReadBytes(Magic.Length).AsSpan().SequenceEqual(Magic))
        {
            throw new InvalidDataException($"{path} is no tape");
        }

        var tape = new Tape();
        var fixups = new List<Fixup>();
        for (int left = reader.Read7BitEncodedInt(); left > 0; left--)
        {
            int room = reader.Read7BitEncodedInt();
            uint cuts = reader.ReadUInt32();
            fixups.Clear();
            for (int count = reader.Read7BitEncodedInt(); count > 0; count--)
            {
                fixups.Add(new Fixup(
                    reader.Read7BitEncodedInt(), reader.Read7BitEncodedInt(), reader.Read7BitEncodedInt() - 1));
            }

            byte[] bytes = reader.ReadBytes(reader.Read7BitEncodedInt());
            tape.Add(bytes, CollectionsMarshal.AsSpan(fixups), room, cuts);
        }

        return tape;
    }
}
