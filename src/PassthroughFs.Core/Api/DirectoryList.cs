using System;
using System.Collections.Generic;
using System.Text;

namespace PassthroughFs.Core.Api;

/// <summary>Collects directory entries in a list: the sink for callers without a transport.</summary>
/// <param name="capacity">How many entries one call delivers at most.</param>
public sealed class DirectoryList(int capacity = int.MaxValue) : DirectorySink
{
    private readonly List<Item> _items = [];

    /// <summary>What was delivered, in order.</summary>
    public IReadOnlyList<Item> Items => _items;

    /// <summary>The cookie from which the next call goes on; 0 before the first entry.</summary>
    public ulong Offset => _items.Count == 0 ? 0 : _items[^1].Offset;

    /// <inheritdoc/>
    public override int Room => Fits(0) ? int.MaxValue : 0;

    /// <inheritdoc/>
    public override bool Fits(int nameLength) => _items.Count < capacity;

    /// <inheritdoc/>
    public override bool TryAdd(ulong ino, ulong offset, uint type, ReadOnlySpan<byte> name) =>
        TryAdd(ino, offset, type, name, default);

    /// <inheritdoc/>
    public override bool TryAdd(ulong ino, ulong offset, uint type, ReadOnlySpan<byte> name, in Entry entry)
    {
        if (!Fits(name.Length))
        {
            return false;
        }

        _items.Add(new Item(name.ToArray(), ino, offset, type, entry));
        return true;
    }

    /// <summary>One directory entry.</summary>
    /// <param name="NameBytes">The name as the host has it.</param>
    /// <param name="Ino">The number the client shows as <c>d_ino</c>.</param>
    /// <param name="Offset">The cookie behind the entry.</param>
    /// <param name="Type">The file's type as in <c>d_type</c>.</param>
    /// <param name="Entry">The node and its attributes, where READDIRPLUS gave them.</param>
    public sealed record Item(ReadOnlyMemory<byte> NameBytes, ulong Ino, ulong Offset, uint Type, Entry Entry)
    {
        /// <summary>The name as text (UTF-8; what is none is replaced).</summary>
        public string Name => Encoding.UTF8.GetString(NameBytes.Span);
    }
}
