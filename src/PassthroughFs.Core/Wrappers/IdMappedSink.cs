using System;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Vfs;

namespace PassthroughFs.Core.Wrappers;

/// <summary>Translates the owners in a listing with attributes. Open only while one runs.</summary>
internal sealed class IdMappedSink : DirectorySink
{
    private IdMappedFileSystem _map = null!;
    private DirectorySink? _inner;

    public void Open(IdMappedFileSystem map, DirectorySink inner)
    {
        _map = map;
        _inner = inner;
    }

    /// <summary>Ends the listing: who kept the sink finds it full.</summary>
    public void Close() => _inner = null;

    /// <inheritdoc/>
    public override int Room => _inner?.Room ?? 0;

    /// <inheritdoc/>
    public override bool Fits(int nameLength) => _inner is { } inner && inner.Fits(nameLength);

    /// <inheritdoc/>
    public override bool TryAdd(ulong ino, ulong offset, uint type, ReadOnlySpan<byte> name) =>
        _inner is { } inner && inner.TryAdd(ino, offset, type, name);

    /// <inheritdoc/>
    public override bool TryAdd(ulong ino, ulong offset, uint type, ReadOnlySpan<byte> name, in Entry entry)
    {
        Entry own = entry;
        _map.Show(ref own.Attributes);
        return _inner is { } inner && inner.TryAdd(ino, offset, type, name, own);
    }
}
