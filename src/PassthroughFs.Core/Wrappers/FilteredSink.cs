using System;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Wrappers;

/// <summary>
/// Leaves hidden names out of a listing. Open only while one runs. A hidden entry takes no room, so that the listing goes
/// on behind it.
/// </summary>
internal sealed class FilteredSink : DirectorySink
{
    private FilteredFileSystem? _filter;
    private DirectorySink? _inner;
    private NodeId _directory;
    private ForgetItem[] _unseen = new ForgetItem[16];
    private int _count;

    /// <summary>What was looked up for entries that the client does not see: the lookups go back.</summary>
    public ReadOnlySpan<ForgetItem> Unseen => _unseen.AsSpan(0, _count);

    public void Open(FilteredFileSystem filter, NodeId directory, DirectorySink inner)
    {
        (_filter, _directory, _inner, _count) = (filter, directory, inner, 0);
    }

    /// <summary>Ends the listing: who kept the sink finds it full.</summary>
    public void Close() => (_filter, _inner) = (null, null);

    /// <inheritdoc/>
    public override int Room => _inner?.Room ?? 0;

    /// <inheritdoc/>
    public override bool Fits(int nameLength) => _inner is { } inner && inner.Fits(nameLength);

    /// <inheritdoc/>
    public override bool TryAdd(ulong ino, ulong offset, uint type, ReadOnlySpan<byte> name) =>
        _inner is { } inner && (_filter!.Hides(_directory, name) || inner.TryAdd(ino, offset, type, name));

    /// <inheritdoc/>
    public override bool TryAdd(ulong ino, ulong offset, uint type, ReadOnlySpan<byte> name, in Entry entry)
    {
        if (_inner is not { } inner || !_filter!.Hides(_directory, name))
        {
            return _inner?.TryAdd(ino, offset, type, name, entry) ?? false;
        }

        if (entry.Node != NodeId.None)
        {
            if (_count == _unseen.Length)
            {
                Array.Resize(ref _unseen, 2 * _count);
            }

            _unseen[_count++] = new ForgetItem(entry.Node, 1);
        }

        return true;
    }
}
