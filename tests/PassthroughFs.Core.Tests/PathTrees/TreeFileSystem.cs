using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using PassthroughFs.Core.Api;
using PassthroughFs.Paths;

namespace PassthroughFs.Core.Tests.PathTrees;

/// <summary>A tree in memory, found by path in each call, that answers as Linux does.</summary>
internal class TreeFileSystem(PathFileSystemOptions? options = null) : PathFileSystem(options)
{
    private readonly Lock _lock = new();
    private readonly Item _root = new(PathAttributes.Directory());

    protected override Errno GetAttributes(string path, out NodeAttributes attributes)
    {
        using Lock.Scope scope = _lock.EnterScope();
        Item? item = Find(path);
        attributes = item?.Attributes ?? default;
        return item is null ? Errno.ENOENT : Errno.OK;
    }

    protected override Errno List(string path, PathListing listing)
    {
        using Lock.Scope scope = _lock.EnterScope();
        foreach ((string name, Item item) in Find(path)!.Names!)
        {
            if (name.Length % 2 == 0)
            {
                listing.Add(name, item.Attributes);
            }
            else
            {
                listing.Add(name, item.Attributes.Mode);
            }
        }

        return Errno.OK;
    }

    protected override Errno Open(string path, uint flags, out PathFile? file)
    {
        using Lock.Scope scope = _lock.EnterScope();
        file = Find(path) is { } item ? new OpenItem(_lock, item, flags) : null;
        return file is null ? Errno.ENOENT : Errno.OK;
    }

    protected override Errno Create(in RequestContext context, string path, uint mode, uint flags, out PathFile? file)
    {
        using Lock.Scope scope = _lock.EnterScope();
        Errno error = Add(path, new Item(PathAttributes.File(0, mode)), out Item item);
        if (error == Errno.EEXIST && (flags & Linux.O_EXCL) == 0)
        {
            error = item.Type switch
            {
                Linux.S_IFREG => Errno.OK,
                Linux.S_IFLNK => Errno.ELOOP,
                Linux.S_IFDIR => Errno.EISDIR,
                _ => Errno.EBADF,
            };
            item.Resize(error == Errno.OK && (flags & Linux.O_TRUNC) != 0 ? 0 : item.Data.Length);
        }

        file = error == Errno.OK ? new OpenItem(_lock, item, flags) : null;
        return error;
    }

    protected override Errno MakeDirectory(in RequestContext context, string path, uint mode) =>
        AddItem(path, new Item(PathAttributes.Directory(mode)));

    protected override Errno MakeNode(in RequestContext context, string path, uint mode, uint rdev) =>
        AddItem(path, new Item(new NodeAttributes { Mode = mode, Rdev = rdev }));

    protected override Errno MakeSymbolicLink(in RequestContext context, string path, string target) =>
        AddItem(path, new Item(PathAttributes.SymbolicLink(target.Length)) { Target = target });

    protected override Errno ReadLink(string path, out string target)
    {
        using Lock.Scope scope = _lock.EnterScope();
        target = Find(path)?.Target ?? "";
        return target.Length > 0 ? Errno.OK : Errno.EINVAL;
    }

    protected override Errno SetAttributes(string path, in SetAttrRequest changes)
    {
        using Lock.Scope scope = _lock.EnterScope();
        Item item = Find(path)!;
        if (changes.Valid.HasFlag(SetAttrFields.FATTR_MODE))
        {
            item.Attributes.Mode = item.Type | (changes.Mode & Linux.ModeBits);
        }

        item.Resize(changes.Valid.HasFlag(SetAttrFields.FATTR_SIZE) ? (int)changes.Size : item.Data.Length);
        return Errno.OK;
    }

    protected override Errno RemoveFile(string path) => Remove(path, isDirectory: false);

    protected override Errno RemoveDirectory(string path) => Remove(path, isDirectory: true);

    protected override Errno Rename(string path, string newPath, uint flags)
    {
        using Lock.Scope scope = _lock.EnterScope();
        bool exchange = flags == Linux.RENAME_EXCHANGE;
        if (Find(path) is not { } item)
        {
            return Errno.ENOENT;
        }

        Item? target = Find(newPath);
        if (target is null ? exchange : flags == Linux.RENAME_NOREPLACE)
        {
            return target is null ? Errno.ENOENT : Errno.EEXIST;
        }

        if (item == target)
        {
            return Errno.OK;
        }

        if (target is not null && !exchange && (item.Names is null != target.Names is null || target.Names?.Count > 0))
        {
            return item.Names is null == target.Names is null ? Errno.ENOTEMPTY
                : item.Names is null ? Errno.EISDIR
                : Errno.ENOTDIR;
        }

        Parent(path)!.Names!.Remove(Name(path));
        Parent(newPath)!.Names![Name(newPath)] = item;
        if (exchange)
        {
            Parent(path)!.Names![Name(path)] = target!;
        }

        return Errno.OK;
    }

    private static string Name(string path) => path[(path.LastIndexOf('/') + 1)..];

    private Item? Parent(string path) => Find(path[..path.LastIndexOf('/')]);

    private Item? Find(string path) => path.Split('/', StringSplitOptions.RemoveEmptyEntries)
        .Aggregate<string, Item?>(_root, (item, name) => item?.Names?.GetValueOrDefault(name));

    private Errno AddItem(string path, Item made)
    {
        using Lock.Scope scope = _lock.EnterScope();
        return Add(path, made, out _);
    }

    private Errno Add(string path, Item made, out Item item)
    {
        item = made;
        Dictionary<string, Item> names = Parent(path)!.Names!;
        if (names.TryAdd(Name(path), made))
        {
            return Errno.OK;
        }

        item = names[Name(path)];
        return Errno.EEXIST;
    }

    private Errno Remove(string path, bool isDirectory)
    {
        using Lock.Scope scope = _lock.EnterScope();
        Item? item = Find(path);
        Errno error = item is null ? Errno.ENOENT
            : item.Names is null && isDirectory ? Errno.ENOTDIR
            : item.Names is not null && !isDirectory ? Errno.EISDIR
            : item.Names?.Count > 0 ? Errno.ENOTEMPTY
            : Errno.OK;
        _ = error == Errno.OK && Parent(path)!.Names!.Remove(Name(path));
        return error;
    }

    private sealed class Item(NodeAttributes attributes)
    {
        public NodeAttributes Attributes = attributes;

        public uint Type => Attributes.Mode & Linux.S_IFMT;

        public Dictionary<string, Item>? Names { get; } = Linux.S_ISDIR(attributes.Mode) ? [] : null;

        public string Target { get; init; } = "";

        public byte[] Data { get; private set; } = [];

        public void Resize(int size)
        {
            byte[] data = Data;
            Array.Resize(ref data, size);
            Data = data;
            Attributes.Size = Type == Linux.S_IFREG ? (ulong)size : Attributes.Size;
        }
    }

    private sealed class OpenItem(Lock gate, Item item, uint flags) : PathFile
    {
        public override Errno Read(long offset, Span<byte> buffer, out int count)
        {
            using Lock.Scope scope = gate.EnterScope();
            ReadOnlySpan<byte> rest = item.Data.AsSpan((int)Math.Min(offset, item.Data.Length));
            count = Math.Min(rest.Length, buffer.Length);
            rest[..count].CopyTo(buffer);
            return Errno.OK;
        }

        public override Errno Write(long offset, ReadOnlySpan<byte> data, out int count)
        {
            using Lock.Scope scope = gate.EnterScope();
            int at = (flags & Linux.O_APPEND) != 0 ? item.Data.Length : (int)offset;
            item.Resize(Math.Max(item.Data.Length, at + data.Length));
            data.CopyTo(item.Data.AsSpan(at));
            count = data.Length;
            return Errno.OK;
        }

        public override Errno GetAttributes(out NodeAttributes attributes)
        {
            using Lock.Scope scope = gate.EnterScope();
            attributes = item.Attributes;
            return Errno.OK;
        }

        public override Errno SetSize(long size)
        {
            using Lock.Scope scope = gate.EnterScope();
            item.Resize((int)size);
            return Errno.OK;
        }
    }
}
