using System;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Protocol;

/// <summary>
/// Writes directory entries as FUSE records straight into the reply. One for each worker; open only while a listing
/// runs, full at any other time.
/// </summary>
internal sealed unsafe class FuseDirectorySink : DirectorySink
{
    private const int Alignment = 8;

    // Set from Open to Close; the worker keeps them pinned all that time.
    private IoSegment* _segments;
    private int _count;

    // The position in them, as a SegmentCursor has it.
    private int _index;
    private nuint _offset;
    private int _remaining;

    private bool _plus;
    private NodeAttributeFlags _allowed;

    /// <summary>How many bytes of records were written.</summary>
    public int Written { get; private set; }

    /// <summary>Starts a listing.</summary>
    /// <param name="segments">The reply's memory, pinned until <see cref="Close"/>.</param>
    /// <param name="count">How many segments.</param>
    /// <param name="limit">How many bytes may follow the reply's header; they are there.</param>
    /// <param name="plus">Whether records carry entries (READDIRPLUS).</param>
    /// <param name="allowed">Flags of attributes that the client understands.</param>
    public void Open(IoSegment* segments, int count, int limit, bool plus, NodeAttributeFlags allowed)
    {
        SegmentCursor cursor = new(
            new ReadOnlySpan<IoSegment>(segments, count), FuseProtocol.ReplyHeaderSize + (long)limit);
        cursor.Advance(FuseProtocol.ReplyHeaderSize);
        _segments = segments;
        _count = count;
        _index = cursor.Index;
        _offset = cursor.Offset;
        _remaining = (int)cursor.Remaining;
        _plus = plus;
        _allowed = allowed;
        Written = 0;
    }

    /// <summary>Ends the listing: a file system that kept the sink finds it full.</summary>
    public void Close()
    {
        _segments = null;
        _count = 0;
        _remaining = 0;
    }

    /// <inheritdoc/>
    public override int Room => _remaining;

    /// <inheritdoc/>
    public override bool Fits(int nameLength) =>
        nameLength is > 0 and <= Linux.NAME_MAX && RecordSize(nameLength) <= _remaining;

    /// <inheritdoc/>
    public override bool TryAdd(ulong ino, ulong offset, uint type, ReadOnlySpan<byte> name)
    {
        if (_plus)
        {
            return TryAdd(ino, offset, type, name, default);
        }

        if (!Fits(name.Length))
        {
            return false;
        }

        Dirent(ino, offset, type, name.Length, out FuseDirent record);
        Write(record, name);
        return true;
    }

    /// <inheritdoc/>
    /// <exception cref="InvalidOperationException">READDIR was asked for, whose entries cannot name a node.</exception>
    public override bool TryAdd(ulong ino, ulong offset, uint type, ReadOnlySpan<byte> name, in Entry entry)
    {
        if (!_plus)
        {
            if (entry.Node != NodeId.None)
            {
                throw new InvalidOperationException("An entry of READDIR names a node; its lookup would be lost.");
            }

            return TryAdd(ino, offset, type, name);
        }

        if (!Fits(name.Length))
        {
            return false;
        }

        FuseDirentPlus record;
        FuseEncode.Entry(entry, _allowed, out record.Entry);
        Dirent(ino, offset, type, name.Length, out record.Dirent);
        Write(record, name);
        return true;
    }

    private static void Dirent(ulong ino, ulong offset, uint type, int nameLength, out FuseDirent record)
    {
        record.Ino = ino;
        record.Off = offset;
        record.Namelen = (uint)nameLength;
        record.Type = type;
    }

    private int RecordSize(int nameLength) =>
        ((_plus ? sizeof(FuseDirentPlus) : sizeof(FuseDirent)) + nameLength + Alignment - 1) & ~(Alignment - 1);

    private void Write<T>(in T record, ReadOnlySpan<byte> name)
        where T : unmanaged
    {
        int size = RecordSize(name.Length);
        int padding = size - sizeof(T) - name.Length;
        IoSegment* segment = _segments + _index;
        if (segment->Length - _offset >= (nuint)size)
        {
            // Sound: the whole record lies inside this one segment, and WriteUnaligned asks for no alignment.
            byte* target = segment->Pointer + _offset;
            Unsafe.WriteUnaligned(target, record);
            name.CopyTo(new Span<byte>(target + sizeof(T), name.Length));
            new Span<byte>(target + sizeof(T) + name.Length, padding).Clear();
            _offset += (nuint)size;
        }
        else
        {
            SegmentCursor cursor = new(new ReadOnlySpan<IoSegment>(_segments, _count), _index, _offset, _remaining);
            cursor.Write(MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in record)));
            cursor.Write(name);
            ReadOnlySpan<byte> zeros = [0, 0, 0, 0, 0, 0, 0, 0];
            cursor.Write(zeros[..padding]);
            _index = cursor.Index;
            _offset = cursor.Offset;
        }

        _remaining -= size;
        Written += size;
    }
}
