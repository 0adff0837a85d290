using System;
using System.Threading;
using PassthroughFs.Core.Api;
using PassthroughFs.Paths;

namespace Hello;

/// <summary>A file or a directory, and the open file for everybody who has it open.</summary>
internal sealed class Item(NodeAttributes attributes) : PathFile
{
    private const long MostBytes = 1 << 28;

    private readonly Lock _lock = new();
    private NodeAttributes _attributes = attributes;
    private byte[] _data = [];

    public override Errno GetAttributes(out NodeAttributes attributes)
    {
        using Lock.Scope scope = _lock.EnterScope();
        attributes = _attributes;
        return Errno.OK;
    }

    public override Errno Read(long offset, Span<byte> buffer, out int count)
    {
        using Lock.Scope scope = _lock.EnterScope();
        ReadOnlySpan<byte> rest = _data.AsSpan((int)Math.Min(offset, _data.Length));
        count = Math.Min(rest.Length, buffer.Length);
        rest[..count].CopyTo(buffer);
        return Errno.OK;
    }

    public override Errno Write(long offset, ReadOnlySpan<byte> data, out int count)
    {
        using Lock.Scope scope = _lock.EnterScope();
        Errno error = offset + data.Length > _data.Length ? Resize(offset + data.Length) : Errno.OK;
        count = error == Errno.OK ? data.Length : 0;
        data[..count].CopyTo(_data.AsSpan((int)Math.Min(offset, _data.Length)));
        _attributes.Mtime = PathAttributes.Time(DateTimeOffset.UtcNow);
        return error;
    }

    public override Errno SetSize(long size)
    {
        using Lock.Scope scope = _lock.EnterScope();
        return Resize(size);
    }

    /// <summary>Changes what is asked for.</summary>
    public Errno Change(in SetAttrRequest changes)
    {
        using Lock.Scope scope = _lock.EnterScope();
        SetAttrFields valid = changes.Valid;
        ref NodeAttributes now = ref _attributes;
        now.Mode = valid.HasFlag(SetAttrFields.FATTR_MODE) ? changes.Mode | (now.Mode & Linux.S_IFMT) : now.Mode;
        now.Uid = valid.HasFlag(SetAttrFields.FATTR_UID) ? changes.Uid : now.Uid;
        now.Gid = valid.HasFlag(SetAttrFields.FATTR_GID) ? changes.Gid : now.Gid;
        now.Mtime = valid.HasFlag(SetAttrFields.FATTR_MTIME_NOW) ? PathAttributes.Time(DateTimeOffset.UtcNow)
            : valid.HasFlag(SetAttrFields.FATTR_MTIME) ? changes.Mtime : now.Mtime;
        return valid.HasFlag(SetAttrFields.FATTR_SIZE) ? Resize((long)changes.Size) : Errno.OK;
    }

    private Errno Resize(long size)
    {
        if (size > MostBytes)
        {
            return Errno.EFBIG;
        }

        Array.Resize(ref _data, (int)size);
        _attributes.Size = (ulong)size;
        return Errno.OK;
    }
}
