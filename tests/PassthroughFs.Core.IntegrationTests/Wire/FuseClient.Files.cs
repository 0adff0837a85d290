using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.IO;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.IntegrationTests.Posix;

namespace PassthroughFs.Core.IntegrationTests.Wire;

public sealed partial class FuseClient
{
    private const uint KillSuidGid = 1;
    private const uint WriteKillSuidGid = 4;

    private uint KillOnOpen(uint flags) =>
        (flags & Linux.O_TRUNC) != 0 && Caller.Uid != 0 && Accepted.HasFlag(InitFlags.FUSE_HANDLE_KILLPRIV_V2)
            ? KillSuidGid
            : 0;

    public Errno Open(ulong node, uint flags, out ulong handle) =>
        Opened(
            Call(Op.Open, node, new Packer().U32(flags).U32(KillOnOpen(flags)).Done(), out ReadOnlySpan<byte> answer),
            answer, out handle);

    public Errno OpenDir(ulong node, uint flags, out ulong handle) =>
        Opened(
            Call(Op.OpenDir, node, new Packer().U32(flags).U32(0).Done(), out ReadOnlySpan<byte> answer),
            answer, out handle);

    public Errno Create(
        ulong parent, ReadOnlySpan<byte> name, uint flags, uint mode, uint umask, out WireNode node,
        out ulong handle) =>
        Creating(Op.Create, parent, name, flags, mode, umask, out node, out handle);

    public Errno TmpFile(ulong parent, uint flags, uint mode, uint umask, out WireNode node, out ulong handle) =>
        Creating(Op.TmpFile, parent, default, flags, mode, umask, out node, out handle);

    public Errno Release(ulong node, ulong handle, bool directory = false)
    {
        byte[] body = new Packer().U64(handle).U32(0).U32(0).U64(0).Done();
        return Call(directory ? Op.ReleaseDir : Op.Release, node, body, out _);
    }

    public Errno Flush(ulong node, ulong handle) =>
        Call(Op.Flush, node, new Packer().U64(handle).U32(0).U32(0).U64(0).Done(), out _);

    public Errno FSync(ulong node, ulong handle, bool dataOnly, bool directory = false)
    {
        byte[] body = new Packer().U64(handle).U32(dataOnly ? 1u : 0).U32(0).Done();
        return Call(directory ? Op.FSyncDir : Op.FSync, node, body, out _);
    }

    public Errno SyncFs(ulong node) => Call(Op.SyncFs, node, new Packer().U64(0).Done(), out _);

    public Errno Read(ulong node, ulong handle, ulong offset, Span<byte> buffer, out int count, uint flags = 0)
    {
        int size = Math.Min(buffer.Length, 1 << 20);
        byte[] body = new Packer().U64(handle).U64(offset).U32((uint)size).U32(0).U64(0).U32(flags).U32(0).Done();
        Errno errno = Call(Op.Read, node, body, out ReadOnlySpan<byte> answer);
        count = answer.Length;
        answer.CopyTo(buffer);
        return errno;
    }

    public Errno Write(
        ulong node, ulong handle, ulong offset, ReadOnlySpan<byte> data, out int count, uint flags = 0)
    {
        uint kill = Caller.Uid != 0 && Accepted.HasFlag(InitFlags.FUSE_HANDLE_KILLPRIV_V2) ? WriteKillSuidGid : 0;
        byte[] body = new Packer(40 + data.Length).U64(handle).U64(offset).U32((uint)data.Length).U32(kill).U64(0)
            .U32(flags).U32(0).Raw(data).Done();
        Errno errno = Exactly(Call(Op.Write, node, body, out ReadOnlySpan<byte> answer), answer, 8);
        count = errno == Errno.OK ? (int)BinaryPrimitives.ReadUInt32LittleEndian(answer) : 0;
        return errno;
    }

    public Errno FAllocate(ulong node, ulong handle, uint mode, ulong offset, ulong length) =>
        Call(Op.FAllocate, node, new Packer().U64(handle).U64(offset).U64(length).U32(mode).U32(0).Done(), out _);

    public Errno LSeek(ulong node, ulong handle, ulong offset, uint whence, out ulong result)
    {
        byte[] body = new Packer().U64(handle).U64(offset).U32(whence).U32(0).Done();
        Errno errno = Exactly(Call(Op.LSeek, node, body, out ReadOnlySpan<byte> answer), answer, 8);
        result = errno == Errno.OK ? BinaryPrimitives.ReadUInt64LittleEndian(answer) : 0;
        return errno;
    }

    /// <summary>As Linux does it: by node, without an open file.</summary>
    public Errno SetupMapping(
        ulong node, ulong fileOffset, ulong windowOffset, ulong length, bool writable, ulong handle = ulong.MaxValue)
    {
        byte[] body = new Packer().U64(handle).U64(fileOffset).U64(length).U64(writable ? 3u : 2u).U64(windowOffset)
            .Done();
        return Call(Op.SetupMapping, node, body, out _);
    }

    public Errno RemoveMapping(ulong node, params (ulong WindowOffset, ulong Length)[] ranges)
    {
        Packer body = new Packer().U32((uint)ranges.Length);
        foreach ((ulong offset, ulong length) in ranges)
        {
            body.U64(offset).U64(length);
        }

        return Call(Op.RemoveMapping, node, body.Done(), out _);
    }

    public Errno CopyFileRange(
        ulong from, ulong fromHandle, ulong fromOffset, ulong to, ulong toHandle, ulong toOffset, ulong length,
        out ulong copied, bool wide = true)
    {
        byte[] body = new Packer().U64(fromHandle).U64(fromOffset).U64(to).U64(toHandle).U64(toOffset).U64(length)
            .U64(0).Done();
        Errno errno = Exactly(
            Call(wide ? Op.CopyFileRange64 : Op.CopyFileRange, from, body, out ReadOnlySpan<byte> answer), answer, 8);
        copied = errno != Errno.OK ? 0
            : wide ? BinaryPrimitives.ReadUInt64LittleEndian(answer)
            : BinaryPrimitives.ReadUInt32LittleEndian(answer);
        return errno;
    }

    /// <summary>One READDIR reply.</summary>
    public Errno ReadDir(ulong node, ulong handle, ulong offset, int size, out List<DirEntry> entries)
    {
        byte[] body = new Packer().U64(handle).U64(offset).U32((uint)size).U32(0).U64(0).U32(0).U32(0).Done();
        Errno errno = Call(Op.ReadDir, node, body, out ReadOnlySpan<byte> answer);
        entries = [];
        while (!answer.IsEmpty)
        {
            entries.Add(TakeEntry(ref answer));
        }

        return errno;
    }

    /// <summary>One READDIRPLUS reply; the node of "." and ".." has number 0.</summary>
    public Errno ReadDirPlus(
        ulong node, ulong handle, ulong offset, int size, out List<(DirEntry Entry, WireNode Node)> entries)
    {
        byte[] body = new Packer().U64(handle).U64(offset).U32((uint)size).U32(0).U64(0).U32(0).U32(0).Done();
        Errno errno = Call(Op.ReadDirPlus, node, body, out ReadOnlySpan<byte> answer);
        entries = [];
        while (!answer.IsEmpty)
        {
            Entry(Errno.OK, answer[..128], out WireNode found);
            answer = answer[128..];
            entries.Add((TakeEntry(ref answer), found));
        }

        return errno;
    }

    private static DirEntry TakeEntry(ref ReadOnlySpan<byte> answer)
    {
        int length = (int)BinaryPrimitives.ReadUInt32LittleEndian(answer[16..]);
        if (length is 0 or > 255)
        {
            throw new InvalidDataException($"an entry with a name of {length} bytes");
        }

        var entry = new DirEntry(
            BinaryPrimitives.ReadUInt64LittleEndian(answer), BinaryPrimitives.ReadInt64LittleEndian(answer[8..]),
            answer[20], answer.Slice(24, length).ToArray());
        answer = answer[((24 + length + 7) / 8 * 8)..];
        return entry;
    }

    private static Errno Opened(Errno errno, ReadOnlySpan<byte> answer, out ulong handle)
    {
        errno = Exactly(errno, answer, 16);
        handle = errno == Errno.OK ? BinaryPrimitives.ReadUInt64LittleEndian(answer) : 0;
        return errno;
    }

    private Errno Creating(
        Op op, ulong parent, ReadOnlySpan<byte> name, uint flags, uint mode, uint umask, out WireNode node,
        out ulong handle)
    {
        Packer body = new Packer().U32(flags).U32(Masked(mode, umask)).U32(umask).U32(KillOnOpen(flags));
        if (op == Op.TmpFile)
        {
            // The kernel sends a name for it that means nothing.
            name = "#1"u8;
        }

        Errno errno = Call(op, parent, body.Name(name).Done(), out ReadOnlySpan<byte> answer, true);
        handle = errno == Errno.OK && answer.Length == 144 ? BinaryPrimitives.ReadUInt64LittleEndian(answer[128..]) : 0;
        return Entry(errno, answer, out node, 144);
    }
}
