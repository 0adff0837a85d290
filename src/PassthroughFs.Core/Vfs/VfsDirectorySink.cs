using System;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Vfs;

/// <summary>
/// Between a mounted file system and the client's sink: gives the numbers in a listing their index. One for each thread;
/// open only while a listing runs.
/// </summary>
internal sealed class VfsDirectorySink : DirectorySink
{
    private Vfs _vfs = null!;
    private DirectorySink? _inner;
    private MountSlot _slot = null!;
    private ulong _parent;

    /// <summary>Starts a listing.</summary>
    /// <param name="vfs">Whose mount is listed.</param>
    /// <param name="inner">The client's.</param>
    /// <param name="slot">The mount that is listed.</param>
    /// <param name="parent">What ".." is there, if it is not the file system's own; 0 if it is.</param>
    public void Open(Vfs vfs, DirectorySink inner, MountSlot slot, ulong parent)
    {
        _vfs = vfs;
        _inner = inner;
        _slot = slot;
        _parent = parent;
    }

    /// <summary>Ends the listing: who kept the sink finds it full.</summary>
    public void Close() => _inner = null;

    /// <inheritdoc/>
    public override int Room => _inner?.Room ?? 0;

    /// <inheritdoc/>
    public override bool Fits(int nameLength) => _inner is { } inner && inner.Fits(nameLength);

    /// <inheritdoc/>
    public override bool TryAdd(ulong ino, ulong offset, uint type, ReadOnlySpan<byte> name) =>
        _inner is { } inner && inner.TryAdd(Shown(ino, name), offset, type, name);

    /// <inheritdoc/>
    public override bool TryAdd(ulong ino, ulong offset, uint type, ReadOnlySpan<byte> name, in Entry entry)
    {
        if (_inner is not { } inner)
        {
            return false;
        }

        Entry own = entry;
        if (!_slot.TryPublish(ref own))
        {
            // The name alone; a lookup of it says what is wrong.
            _vfs.NodeTooLarge(_slot, entry.Node);
            _slot.FileSystem.Forget(default, entry.Node, 1);
            own = default;
        }

        if (inner.TryAdd(Shown(ino, name), offset, type, name, own))
        {
            return true;
        }

        if (own.Node != NodeId.None)
        {
            _slot.Return(1);
        }

        return false;
    }

    private ulong Shown(ulong ino, ReadOnlySpan<byte> name) =>
        _parent != 0 && name.SequenceEqual(".."u8) ? _parent : _slot.ShownIno(ino);
}
