using System;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Benchmarks.Calls;

/// <summary>Takes as many entries as a reply of some size, and keeps only what a loop needs of them.</summary>
internal sealed class ListingSink : DirectorySink
{
    private const int RecordSize = 24;
    private const int PlusRecordSize = 152;

    private readonly ForgetItem[] _nodes = new ForgetItem[8192];
    private int _room;
    private int _nodeCount;

    public int Count { get; private set; }

    public ulong Offset { get; private set; }

    /// <summary>One lookup of each node that was delivered.</summary>
    public ReadOnlySpan<ForgetItem> Nodes => _nodes.AsSpan(0, _nodeCount);

    public override int Room => _room;

    public void Reset(int room)
    {
        _room = room;
        _nodeCount = 0;
        Count = 0;
    }

    public override bool Fits(int nameLength) => PlusRecordSize + nameLength <= _room;

    public override bool TryAdd(ulong ino, ulong offset, uint type, ReadOnlySpan<byte> name) =>
        Take(RecordSize, offset, name.Length);

    public override bool TryAdd(ulong ino, ulong offset, uint type, ReadOnlySpan<byte> name, in Entry entry)
    {
        if (!Take(PlusRecordSize, offset, name.Length))
        {
            return false;
        }

        if (entry.Node != NodeId.None)
        {
            _nodes[_nodeCount++] = new ForgetItem(entry.Node, 1);
        }

        return true;
    }

    private bool Take(int record, ulong offset, int nameLength)
    {
        int size = (record + nameLength + 7) & ~7;
        if (size > _room)
        {
            return false;
        }

        _room -= size;
        Offset = offset;
        Count++;
        return true;
    }
}
