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
            : _open.Add(new OpenedDirectory(known, _listed), out reply.Handle);
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
            bool isNew = listing is null || offset == 0;
            if (listing is null || isNew)
            {
                listing = new PathListing();
                error = pin.Path is { } path ? List(path, listing) : Errno.OK;
                error = error == Errno.OK ? opened.SetListing(listing) : error;
                if (error != Errno.OK)
                {
                    return error;
                }
            }

            return Deliver(pin, listing, offset, sink, withEntries, isNew);
        }
    }

    private Errno Deliver(
        in PathPin pin, PathListing listing, ulong offset, DirectorySink sink, bool withEntries, bool isNew)
    {
        PathNode directory = pin.Node!;
        const uint DirectoryType = Linux.S_IFDIR >> TypeShift;

        // Nothing at all, where there is something, would be the end of the directory to the client.
        if (offset == 0 && !sink.TryAdd(directory.Id, 1, DirectoryType, "."u8))
        {
            return Errno.EINVAL;
        }

        if (offset <= 1 && !sink.TryAdd(_tree.ParentOf(directory).Value, Own, DirectoryType, ".."u8))
        {
            return offset == 1 ? Errno.EINVAL : Errno.OK;
        }

        Span<byte> bytes = stackalloc byte[PathNames.MaxBytes];
        ulong first = Math.Max(offset, Own);
        for (ulong at = first; at - Own < (ulong)listing.Items.Count; at++)
        {
            PathListing.Item item = listing.Items[(int)(at - Own)];
            ReadOnlySpan<byte> name = bytes[..Encoding.UTF8.GetBytes(item.Name, bytes)];
            if (!sink.Fits(name.Length))
            {
                return at == offset ? Errno.EINVAL : Errno.OK;
            }

            if (withEntries)
            {
                Errno error = Enter(pin, item, isNew, out Entry entry);
                if (error == Errno.OK)
                {
                    _ = sink.TryAdd(entry.Node.Value, at + 1, entry.Attributes.Mode >> TypeShift, name, entry);
                }

                if (error is Errno.OK or Errno.ENOENT)
                {
                    continue;
                }
            }

            NodeId known = _tree.Find(directory, item.Name);
            _ = sink.TryAdd(known == NodeId.None ? UnknownIno : known.Value, at + 1, item.Type >> TypeShift, name);
        }

        return Errno.OK;
    }

    // What cannot be looked up is listed all the same, and the client hears why when it asks; what is gone is not.
    // What a listing said of attributes counts in its first piece: later they may be old.
    private Errno Enter(in PathPin directory, PathListing.Item item, bool isNew, out Entry entry)
    {
        entry = default;
        if (directory.Path is not { } path)
        {
            return Errno.ESTALE;
        }

        NodeAttributes attributes = item.Attributes ?? default;
        Errno error = isNew && item.Attributes is not null
            ? Errno.OK
            : GetAttributes(PathNames.Join(path, item.Name), out attributes);
        return error == Errno.OK ? Enter(directory, item.Name, attributes, out entry) : error;
    }
}
