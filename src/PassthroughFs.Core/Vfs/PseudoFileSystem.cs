using System;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Vfs;

/// <summary>
/// The directories down to the mounts, to be walked and listed. Nothing can be changed in them: EBUSY for what is there,
/// EROFS otherwise. ENOSYS never comes, as the client would take it as said for all mounts.
/// </summary>
/// <param name="vfs">Whose mounts they lead to.</param>
/// <param name="tree">The directories; there is another file system for another tree.</param>
internal sealed partial class PseudoFileSystem(Vfs vfs, PseudoTree tree) : IFileSystem
{
    private const uint DirectoryMode = Linux.S_IFDIR | 0x1ED; // rwxr-xr-x
    private const uint BlockSize = 4096;
    private const ulong DotCookie = 1;
    private const ulong DotDotCookie = 2;

    public void Attach(in SessionServices services)
    {
    }

    public Errno Init(in RequestContext context, InitFlags offered, out InitFlags accepted)
    {
        accepted = offered;
        return Errno.OK;
    }

    public void Destroy(in RequestContext context)
    {
    }

    public Errno Lookup(in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, out Entry entry)
    {
        entry = default;
        if (tree.Find(parent.Value) is not { } directory)
        {
            return Errno.ESTALE;
        }

        if (name.IsEmpty || name.Contains((byte)0) || name.Contains((byte)'/'))
        {
            return Errno.EINVAL;
        }

        if (name.SequenceEqual("."u8) || name.SequenceEqual(".."u8))
        {
            return LookupDirectory(name.Length == 1 ? directory.Node : directory.Parent, out entry);
        }

        if (name.Length > Linux.NAME_MAX)
        {
            return Errno.ENAMETOOLONG;
        }

        if (directory.Find(name) is { } child)
        {
            return LookupChild(context, child, out entry);
        }

        entry.EntryTimeout = vfs.Options.NegativeTimeout;
        return entry.EntryTimeout > TimeSpan.Zero ? Errno.OK : Errno.ENOENT;
    }

    /// <summary>Looks a directory up by its number.</summary>
    public Errno LookupDirectory(ulong node, out Entry entry)
    {
        entry = default;
        if (tree.Find(node) is not { } directory)
        {
            return Errno.ESTALE;
        }

        entry.Node = new NodeId(directory.Node);
        entry.EntryTimeout = vfs.Options.EntryTimeout;
        entry.AttributesTimeout = vfs.Options.AttrTimeout;
        Describe(directory, out entry.Attributes);
        return Errno.OK;
    }

    public void Forget(in RequestContext context, NodeId node, ulong count)
    {
    }

    public void BatchForget(in RequestContext context, ReadOnlySpan<ForgetItem> items)
    {
    }

    public Errno GetAttr(in RequestContext context, NodeId node, Handle handle, out AttrReply reply)
    {
        reply = default;
        if (tree.Find(node.Value) is not { } directory)
        {
            return Errno.ESTALE;
        }

        reply.Timeout = vfs.Options.AttrTimeout;
        Describe(directory, out reply.Attributes);
        return Errno.OK;
    }

    public Errno Statx(
        in RequestContext context, NodeId node, Handle handle, uint flags, uint mask, out StatxReply reply)
    {
        reply = default;
        Errno result = GetAttr(context, node, handle, out AttrReply attributes);
        if (result == Errno.OK)
        {
            StatxFromAttributes.Fill(attributes, out reply);
        }

        return result;
    }

    public Errno Statfs(in RequestContext context, NodeId node, out StatfsReply reply)
    {
        reply = new StatfsReply { Bsize = BlockSize, Frsize = BlockSize, Namelen = Linux.NAME_MAX };
        return Check(node);
    }

    public Errno Access(in RequestContext context, NodeId node, uint mask)
    {
        Errno result = Check(node);
        return result == Errno.OK && (mask & Linux.W_OK) != 0 ? Errno.EROFS : result;
    }

    /// <summary>A client syncs all at once, by the root.</summary>
    public Errno SyncFs(in RequestContext context, NodeId node)
    {
        Errno result = Check(node);
        return result == Errno.OK ? vfs.SyncMounts(context) : result;
    }

    public Errno OpenDir(in RequestContext context, NodeId node, uint flags, out OpenReply reply)
    {
        reply = default;
        return Check(node);
    }

    public Errno ReadDir(in RequestContext context, NodeId node, Handle handle, ulong offset, DirectorySink sink) =>
        List(context, node, offset, sink, plus: false);

    public Errno ReadDirPlus(in RequestContext context, NodeId node, Handle handle, ulong offset, DirectorySink sink) =>
        List(context, node, offset, sink, plus: true);

    public Errno ReleaseDir(in RequestContext context, NodeId node, Handle handle, uint flags) => Errno.OK;

    public Errno FsyncDir(in RequestContext context, NodeId node, Handle handle, bool dataSync) => Check(node);

    private static void Describe(PseudoDirectory directory, out NodeAttributes attributes) =>
        attributes = new NodeAttributes
        {
            Ino = directory.Node,
            Mode = DirectoryMode,
            Nlink = 2 + (uint)directory.Children.Length,
            Blksize = BlockSize,
            Atime = directory.Changed,
            Mtime = directory.Changed,
            Ctime = directory.Changed,
        };

    private Errno List(in RequestContext context, NodeId node, ulong offset, DirectorySink sink, bool plus)
    {
        ArgumentNullException.ThrowIfNull(sink);
        if (tree.Find(node.Value) is not { } directory)
        {
            return Errno.ESTALE;
        }

        ulong first = offset;
        if (offset < DotCookie && sink.TryAdd(directory.Node, DotCookie, Linux.S_IFDIR >> 12, "."u8))
        {
            offset = DotCookie;
        }

        if (offset == DotCookie && sink.TryAdd(directory.Parent, DotDotCookie, Linux.S_IFDIR >> 12, ".."u8))
        {
            offset = DotDotCookie;
        }

        bool isFull = offset < DotDotCookie;
        foreach (PseudoChild child in directory.Children)
        {
            if (isFull)
            {
                break;
            }

            if (child.Serial > offset)
            {
                isFull = !Deliver(context, child, sink, plus);
                offset = isFull ? offset : child.Serial;
            }
        }

        return isFull && offset == first ? Errno.EINVAL : Errno.OK;
    }

    private bool Deliver(in RequestContext context, PseudoChild child, DirectorySink sink, bool plus)
    {
        ulong ino = child.Directory?.Node ?? child.Mount!.ShownIno(child.Mount.Mount!.Root.Attributes.Ino);
        const uint type = Linux.S_IFDIR >> 12;
        if (!plus || !sink.Fits(child.Name.Length) || LookupChild(context, child, out Entry entry) != Errno.OK)
        {
            return sink.TryAdd(ino, child.Serial, type, child.Name);
        }

        if (sink.TryAdd(ino, child.Serial, type, child.Name, entry))
        {
            return true;
        }

        child.Mount?.Return(1);
        return false;
    }

    private Errno LookupChild(in RequestContext context, PseudoChild child, out Entry entry) => child.Directory is { } inner
        ? LookupDirectory(inner.Node, out entry)
        : vfs.LookupRoot(context, child.Mount!, out entry);

    private Errno Check(NodeId node) => tree.Find(node.Value) is null ? Errno.ESTALE : Errno.OK;
}
