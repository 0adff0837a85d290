using System;
using System.Text;
using PassthroughFs.Core.Api;
using PassthroughFs.Paths.Tree;

namespace PassthroughFs.Paths;

/// <summary>Listings.</summary>
public abstract partial class PathFileSystem
{
    // "." and "..".
    private const int Own = 2;
    private const uint UnknownIno = uint.MaxValue;
    private const int TypeShift = 12;

    Errno IFileSystem.OpenDir(in RequestContext context, NodeId node, uint flags, out OpenReply reply)
    {
        reply = default;
        PathNode? known = _tree.Get(node);
        Errno error = known is null ? Errno.EBADF
            : known.Type != Linux.S_IFDIR ? Errno.ENOTDIR
            : _open.Add(new OpenedDirectory(known), out reply.Handle);
        if (error == Errno.OK)
        {
            _tree.CountOpen(known!, 1);
        }

        return error;
    }

    Errno IFileSystem.ReadDir(
        in RequestContext context, NodeId node, Handle handle, ulong offset, DirectorySink sink) =>
        ReadDirectory(node, handle, offset, sink, withEntries: false);

    Errno IFileSystem.ReadDirPlus(
        in RequestContext context, NodeId node, Handle handle, ulong offset, DirectorySink sink) =>
        ReadDirectory(node, handle, offset, sink, withEntries: true);

    Errno IFileSystem.ReleaseDir(in RequestContext context, NodeId node, Handle handle, uint flags) =>
        Release<OpenedDirectory>(node, handle);

    Errno IFileSystem.FsyncDir(in RequestContext context, NodeId node, Handle handle, bool dataSync) => Errno.OK;

    private Errno ReadDirectory(NodeId node, Handle handle, ulong offset, DirectorySink sink, bool withEntries)
    {
        if (_open.Find<OpenedDirectory>(node, handle) is not { } opened)
        {
            return Errno.EBADF;
        }

        Errno error = _tree.Pin(node, out PathPin pin);
        if (error != Errno.OK)
        {
            return error;
        }

        using (pin)
        {
            PathListing? listing = opened.Listing;
            if (listing is null || offset == 0)
            {
                listing = new PathListing();
                error = pin.Path is { } path ? List(path, listing) : Errno.OK;
                if (error != Errno.OK)
                {
                    return error;
                }

                opened.Listing = listing;
            }

            return Deliver(pin, listing, offset, sink, withEntries);
        }
    }

    private Errno Deliver(in PathPin pin, PathListing listing, ulong offset, DirectorySink sink, bool withEntries)
    {
        PathNode directory = pin.Node!;
        const uint DirectoryType = Linux.S_IFDIR >> TypeShift;
        if ((offset == 0 && !sink.TryAdd(directory.Id, 1, DirectoryType, "."u8)) ||
            (offset <= 1 && !sink.TryAdd(_tree.ParentOf(directory).Value, Own, DirectoryType, ".."u8)))
        {
            return Errno.OK;
        }

        Span<byte> bytes = stackalloc byte[PathNames.MaxBytes];
        ulong first = Math.Max(offset, Own);
        for (ulong at = first; at - Own < (ulong)listing.Items.Count; at++)
        {
            PathListing.Item item = listing.Items[(int)(at - Own)];
            ReadOnlySpan<byte> name = bytes[..Encoding.UTF8.GetBytes(item.Name, bytes)];
            if (!sink.Fits(name.Length))
            {
                break;
            }

            if (withEntries && TryEnter(pin, item, out Entry entry))
            {
                _ = sink.TryAdd(entry.Node.Value, at + 1, entry.Attributes.Mode >> TypeShift, name, entry);
                continue;
            }

            NodeId known = _tree.Find(directory, item.Name);
            _ = sink.TryAdd(known == NodeId.None ? UnknownIno : known.Value, at + 1, item.Type >> TypeShift, name);
        }

        return Errno.OK;
    }

    // What cannot be looked up is listed all the same, and the client hears why when it asks.
    private bool TryEnter(in PathPin directory, PathListing.Item item, out Entry entry)
    {
        entry = default;
        NodeAttributes attributes = item.Attributes ?? default;
        return directory.Path is { } path
            && (item.Attributes is not null ||
                GetAttributes(PathNames.Join(path, item.Name), out attributes) == Errno.OK)
            && Enter(directory, item.Name, attributes, out entry) == Errno.OK;
    }
}
