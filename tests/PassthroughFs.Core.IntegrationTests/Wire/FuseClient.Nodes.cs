using System;
using System.Buffers.Binary;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.IntegrationTests.Posix;

namespace PassthroughFs.Core.IntegrationTests.Wire;

public sealed partial class FuseClient
{
    public const ulong Root = 1;

    public Errno Lookup(ulong parent, ReadOnlySpan<byte> name, out WireNode node)
    {
        Errno errno = Call(Op.Lookup, parent, new Packer().Name(name).Done(), out ReadOnlySpan<byte> answer);
        return Entry(errno, answer, out node);
    }

    public void Forget(ulong node, ulong count = 1) => Call(Op.Forget, node, new Packer().U64(count).Done(), out _);

    public Errno GetAttr(ulong node, ulong? handle, out FileStat stat)
    {
        byte[] body = new Packer().U32(handle is null ? 0u : 1).U32(0).U64(handle ?? 0).Done();
        Errno errno = Exactly(Call(Op.GetAttr, node, body, out ReadOnlySpan<byte> answer), answer, 104);
        stat = errno == Errno.OK ? ParseAttr(answer[16..]) : Nothing;
        return errno;
    }

    public Errno SetAttr(
        ulong node, SetAttrFields valid, ulong handle = 0, ulong size = 0, uint mode = 0, uint uid = 0, uint gid = 0,
        PosixTime access = default, PosixTime modification = default)
    {
        byte[] body = new Packer(88).U32((uint)valid).U32(0).U64(handle).U64(size).U64(0)
            .U64((ulong)access.Seconds).U64((ulong)modification.Seconds).U64(0)
            .U32(access.Nanoseconds).U32(modification.Nanoseconds).U32(0)
            .U32(mode).U32(0).U32(uid).U32(gid).U32(0).Done();
        return Exactly(Call(Op.SetAttr, node, body, out ReadOnlySpan<byte> answer), answer, 104);
    }

    public Errno ReadLink(ulong node, out byte[] target)
    {
        Errno errno = Call(Op.ReadLink, node, default, out ReadOnlySpan<byte> answer);
        target = answer.ToArray();
        return errno;
    }

    public Errno Symlink(ulong parent, ReadOnlySpan<byte> name, ReadOnlySpan<byte> target, out WireNode node) =>
        Entry(
            Call(Op.Symlink, parent, new Packer().Name(name).Name(target).Done(), out ReadOnlySpan<byte> answer, true),
            answer, out node);

    public Errno Mknod(
        ulong parent, ReadOnlySpan<byte> name, uint mode, uint rdev, uint umask, out WireNode node)
    {
        byte[] body = new Packer().U32(Masked(mode, umask)).U32(rdev).U32(umask).U32(0).Name(name).Done();
        return Entry(Call(Op.Mknod, parent, body, out ReadOnlySpan<byte> answer, true), answer, out node);
    }

    public Errno Mkdir(ulong parent, ReadOnlySpan<byte> name, uint mode, uint umask, out WireNode node)
    {
        byte[] body = new Packer().U32(Masked(mode, umask)).U32(umask).Name(name).Done();
        return Entry(Call(Op.Mkdir, parent, body, out ReadOnlySpan<byte> answer, true), answer, out node);
    }

    public Errno Unlink(ulong parent, ReadOnlySpan<byte> name) =>
        Call(Op.Unlink, parent, new Packer().Name(name).Done(), out _);

    public Errno Rmdir(ulong parent, ReadOnlySpan<byte> name) =>
        Call(Op.Rmdir, parent, new Packer().Name(name).Done(), out _);

    /// <summary>RENAME where there are no flags and RENAME2 where there are, as the kernel does.</summary>
    public Errno Rename(ulong parent, ReadOnlySpan<byte> name, ulong newParent, ReadOnlySpan<byte> newName, uint flags)
    {
        Packer body = new Packer().U64(newParent);
        if (flags != 0)
        {
            body.U32(flags).U32(0);
        }

        return Call(flags == 0 ? Op.Rename : Op.Rename2, parent, body.Name(name).Name(newName).Done(), out _);
    }

    public Errno Link(ulong node, ulong newParent, ReadOnlySpan<byte> newName, out WireNode linked)
    {
        byte[] body = new Packer().U64(node).Name(newName).Done();
        return Entry(Call(Op.Link, newParent, body, out ReadOnlySpan<byte> answer), answer, out linked);
    }

    public Errno Access(ulong node, uint mask) =>
        Call(Op.Access, node, new Packer().U32(mask).U32(0).Done(), out _);

    public Errno StatFs(ulong node, out FileSystemStat stat)
    {
        Errno errno = Exactly(Call(Op.StatFs, node, default, out ReadOnlySpan<byte> answer), answer, 80);
        stat = errno != Errno.OK
            ? new FileSystemStat(0, 0, 0, 0, 0)
            : new FileSystemStat(
                BinaryPrimitives.ReadUInt32LittleEndian(answer[40..]), BinaryPrimitives.ReadUInt64LittleEndian(answer),
                BinaryPrimitives.ReadUInt64LittleEndian(answer[8..]),
                BinaryPrimitives.ReadUInt64LittleEndian(answer[24..]),
                BinaryPrimitives.ReadUInt32LittleEndian(answer[44..]));
        return errno;
    }

    public Errno SetXattr(ulong node, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, uint flags)
    {
        Packer body = new Packer().U32((uint)value.Length).U32(flags);
        if (Accepted.HasFlag(InitFlags.FUSE_SETXATTR_EXT))
        {
            body.U32(0).U32(0);
        }

        return Call(Op.SetXattr, node, body.Name(name).Raw(value).Done(), out _);
    }

    public Errno GetXattr(ulong node, ReadOnlySpan<byte> name, Span<byte> value, out int size)
    {
        byte[] body = new Packer().U32((uint)value.Length).U32(0).Name(name).Done();
        return Sized(Call(Op.GetXattr, node, body, out ReadOnlySpan<byte> answer), answer, value, out size);
    }

    public Errno ListXattr(ulong node, Span<byte> list, out int size)
    {
        byte[] body = new Packer().U32((uint)list.Length).U32(0).Done();
        return Sized(Call(Op.ListXattr, node, body, out ReadOnlySpan<byte> answer), answer, list, out size);
    }

    public Errno RemoveXattr(ulong node, ReadOnlySpan<byte> name) =>
        Call(Op.RemoveXattr, node, new Packer().Name(name).Done(), out _);

    private static FileStat Nothing { get; } = new(0, 0, 0, 0, 0, 0, 0, 0, default, default, default);

    /// <summary>A server that did not ask for unmasked modes gets masked ones.</summary>
    private uint Masked(uint mode, uint umask) =>
        Accepted.HasFlag(InitFlags.FUSE_DONT_MASK) ? mode : mode & ~umask;

    private static Errno Sized(Errno errno, ReadOnlySpan<byte> answer, Span<byte> buffer, out int size)
    {
        size = 0;
        if (errno != Errno.OK)
        {
            return errno;
        }

        if (buffer.IsEmpty)
        {
            size = (int)BinaryPrimitives.ReadUInt32LittleEndian(answer);
            return Exactly(errno, answer, 8);
        }

        size = answer.Length;
        answer.CopyTo(buffer);
        return errno;
    }
}
