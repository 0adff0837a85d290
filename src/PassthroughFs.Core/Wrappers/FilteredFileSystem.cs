using System;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Wrappers;

/// <summary>
/// A file system in which some names are not there: they are not found, not listed, not removed, and cannot be made.
/// </summary>
/// <remarks>
/// <para>
/// ENOENT is the answer where a hidden name would have to be there, EPERM where it would be made. A directory that has
/// hidden names in it is not empty: removing it is ENOTEMPTY although nothing is listed.
/// </para>
/// <para>
/// Names are hidden, not files: a hard link with another name leads to the file, as does a node that the client knows
/// from before.
/// </para>
/// <para>No allocation a request.</para>
/// </remarks>
/// <param name="inner">The file system with all names. Not owned.</param>
/// <param name="hides">Says which are hidden.</param>
public class FilteredFileSystem(IFileSystem inner, NameFilter hides) : DelegatingFileSystem(inner)
{
    [ThreadStatic]
    private static FilteredSink? t_sink;

    private readonly NameFilter _hides = hides ?? throw new ArgumentNullException(nameof(hides));

    /// <inheritdoc/>
    public override Errno Lookup(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, out Entry entry)
    {
        entry = default;
        return Hides(parent, name) ? Errno.ENOENT : base.Lookup(context, parent, name, out entry);
    }

    /// <inheritdoc/>
    public override Errno Symlink(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, ReadOnlySpan<byte> target, out Entry entry)
    {
        entry = default;
        return Hides(parent, name) ? Errno.EPERM : base.Symlink(context, parent, name, target, out entry);
    }

    /// <inheritdoc/>
    public override Errno Mknod(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, uint mode, uint rdev, uint umask,
        out Entry entry)
    {
        entry = default;
        return Hides(parent, name) ? Errno.EPERM : base.Mknod(context, parent, name, mode, rdev, umask, out entry);
    }

    /// <inheritdoc/>
    public override Errno Mkdir(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, uint mode, uint umask, out Entry entry)
    {
        entry = default;
        return Hides(parent, name) ? Errno.EPERM : base.Mkdir(context, parent, name, mode, umask, out entry);
    }

    /// <inheritdoc/>
    public override Errno Create(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, in CreateRequest request, out Entry entry,
        out OpenReply reply)
    {
        entry = default;
        reply = default;
        return Hides(parent, name) ? Errno.EPERM : base.Create(context, parent, name, request, out entry, out reply);
    }

    /// <inheritdoc/>
    public override Errno Link(
        in RequestContext context, NodeId node, NodeId newParent, ReadOnlySpan<byte> newName, out Entry entry)
    {
        entry = default;
        return Hides(newParent, newName) ? Errno.EPERM : base.Link(context, node, newParent, newName, out entry);
    }

    /// <inheritdoc/>
    public override Errno Unlink(in RequestContext context, NodeId parent, ReadOnlySpan<byte> name) =>
        Hides(parent, name) ? Errno.ENOENT : base.Unlink(context, parent, name);

    /// <inheritdoc/>
    public override Errno Rmdir(in RequestContext context, NodeId parent, ReadOnlySpan<byte> name) =>
        Hides(parent, name) ? Errno.ENOENT : base.Rmdir(context, parent, name);

    /// <inheritdoc/>
    public override Errno Rename(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, NodeId newParent,
        ReadOnlySpan<byte> newName, uint flags) =>
        Hides(parent, name) ? Errno.ENOENT
            : Hides(newParent, newName) ? Errno.EPERM
            : base.Rename(context, parent, name, newParent, newName, flags);

    /// <inheritdoc/>
    public override Errno ReadDir(
        in RequestContext context, NodeId node, Handle handle, ulong offset, DirectorySink sink)
    {
        FilteredSink filtered = Open(node, sink);
        try
        {
            return base.ReadDir(context, node, handle, offset, filtered);
        }
        finally
        {
            Close(filtered, context);
        }
    }

    /// <inheritdoc/>
    public override Errno ReadDirPlus(
        in RequestContext context, NodeId node, Handle handle, ulong offset, DirectorySink sink)
    {
        FilteredSink filtered = Open(node, sink);
        try
        {
            return base.ReadDirPlus(context, node, handle, offset, filtered);
        }
        finally
        {
            Close(filtered, context);
        }
    }

    /// <summary>Whether a name is hidden; "." and ".." never are.</summary>
    internal bool Hides(NodeId directory, ReadOnlySpan<byte> name) =>
        !name.SequenceEqual("."u8) && !name.SequenceEqual(".."u8) && _hides(directory, name);

    // A filter around a filter lists with two at once.
    private FilteredSink Open(NodeId directory, DirectorySink sink)
    {
        FilteredSink filtered = t_sink ?? new FilteredSink();
        t_sink = null;
        filtered.Open(this, directory, sink);
        return filtered;
    }

    private void Close(FilteredSink filtered, in RequestContext context)
    {
        filtered.Close();
        Inner.BatchForget(context, filtered.Unseen);
        t_sink = filtered;
    }
}
