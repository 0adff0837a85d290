using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using PassthroughFs.Core.Api;
using PassthroughFs.Paths;

namespace Hello;

/// <summary>
/// Files and directories in memory, by their paths. What is not here, as renaming and extended attributes, is answered
/// by the base class.
/// </summary>
internal sealed class MemoryFileSystem : PathFileSystem
{
    private readonly Lock _lock = new();
    private readonly SortedDictionary<string, Item> _items = new(StringComparer.Ordinal);

    public MemoryFileSystem()
    {
        _items["/"] = new Item(PathAttributes.Directory(modified: DateTimeOffset.UtcNow));
        _items["/hello.txt"] = new Item(PathAttributes.File(0, modified: DateTimeOffset.UtcNow));
        _items["/hello.txt"].Write(0, "Hello, world\n"u8, out _);
    }

    protected override Errno GetAttributes(string path, out NodeAttributes attributes)
    {
        attributes = default;
        return Find(path)?.GetAttributes(out attributes) ?? Errno.ENOENT;
    }

    protected override Errno List(string path, PathListing listing)
    {
        using Lock.Scope scope = _lock.EnterScope();
        foreach ((string name, Item item) in In(path))
        {
            item.GetAttributes(out NodeAttributes attributes);
            listing.Add(name, attributes);
        }

        return Errno.OK;
    }

    protected override Errno Open(string path, uint flags, out PathFile? file)
    {
        file = Find(path);
        return file is null ? Errno.ENOENT : Errno.OK;
    }

    protected override Errno Create(in RequestContext context, string path, uint mode, uint flags, out PathFile? file)
    {
        Errno error = Add(context, path, PathAttributes.File(0, mode, DateTimeOffset.UtcNow));
        file = Find(path);
        return error != Errno.EEXIST || (flags & Linux.O_EXCL) != 0 || file is null ? error
            : (flags & Linux.O_TRUNC) != 0 ? file.SetSize(0)
            : Errno.OK;
    }

    protected override Errno MakeDirectory(in RequestContext context, string path, uint mode) =>
        Add(context, path, PathAttributes.Directory(mode, DateTimeOffset.UtcNow));

    protected override Errno SetAttributes(string path, in SetAttrRequest changes) =>
        Find(path)?.Change(changes) ?? Errno.ENOENT;

    protected override Errno RemoveFile(string path) => Remove(path);

    protected override Errno RemoveDirectory(string path) => Remove(path);

    private Item? Find(string path)
    {
        using Lock.Scope scope = _lock.EnterScope();
        return _items.GetValueOrDefault(path);
    }

    private Errno Add(in RequestContext context, string path, NodeAttributes attributes)
    {
        attributes.Uid = context.Uid;
        attributes.Gid = context.Gid;
        using Lock.Scope scope = _lock.EnterScope();
        return _items.TryAdd(path, new Item(attributes)) ? Errno.OK : Errno.EEXIST;
    }

    private Errno Remove(string path)
    {
        using Lock.Scope scope = _lock.EnterScope();
        return In(path).Any() ? Errno.ENOTEMPTY : _items.Remove(path) ? Errno.OK : Errno.ENOENT;
    }

    private IEnumerable<(string Name, Item Item)> In(string directory)
    {
        string prefix = directory.TrimEnd('/') + "/";
        return _items
            .Where(pair => pair.Key.StartsWith(prefix, StringComparison.Ordinal) && pair.Key.Length > prefix.Length)
            .Where(pair => !pair.Key.AsSpan(prefix.Length).Contains('/'))
            .Select(pair => (pair.Key[prefix.Length..], pair.Value));
    }
}
