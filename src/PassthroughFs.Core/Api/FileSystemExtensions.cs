using System;
using System.Text;

namespace PassthroughFs.Core.Api;

/// <summary>
/// Overloads for callers without a transport: names as text (sent as UTF-8), data as spans. They allocate; a
/// transport's path does not use them.
/// </summary>
public static class FileSystemExtensions
{
    /// <inheritdoc cref="IFileSystem.Lookup"/>
    public static Errno Lookup(
        this IFileSystem fs, in RequestContext context, NodeId parent, string name, out Entry entry) =>
        NotNull(fs).Lookup(context, parent, Bytes(name), out entry);

    /// <inheritdoc cref="IFileSystem.Mkdir"/>
    public static Errno Mkdir(
        this IFileSystem fs, in RequestContext context, NodeId parent, string name, uint mode, uint umask,
        out Entry entry) =>
        NotNull(fs).Mkdir(context, parent, Bytes(name), mode, umask, out entry);

    /// <inheritdoc cref="IFileSystem.Mknod"/>
    public static Errno Mknod(
        this IFileSystem fs, in RequestContext context, NodeId parent, string name, uint mode, uint rdev, uint umask,
        out Entry entry) => NotNull(fs).Mknod(context, parent, Bytes(name), mode, rdev, umask, out entry);

    /// <inheritdoc cref="IFileSystem.Symlink"/>
    public static Errno Symlink(
        this IFileSystem fs, in RequestContext context, NodeId parent, string name, string target, out Entry entry) =>
        NotNull(fs).Symlink(context, parent, Bytes(name), Bytes(target), out entry);

    /// <inheritdoc cref="IFileSystem.Link"/>
    public static Errno Link(
        this IFileSystem fs, in RequestContext context, NodeId node, NodeId newParent, string newName,
        out Entry entry) =>
        NotNull(fs).Link(context, node, newParent, Bytes(newName), out entry);

    /// <inheritdoc cref="IFileSystem.Unlink"/>
    public static Errno Unlink(this IFileSystem fs, in RequestContext context, NodeId parent, string name) =>
        NotNull(fs).Unlink(context, parent, Bytes(name));

    /// <inheritdoc cref="IFileSystem.Rmdir"/>
    public static Errno Rmdir(this IFileSystem fs, in RequestContext context, NodeId parent, string name) =>
        NotNull(fs).Rmdir(context, parent, Bytes(name));

    /// <inheritdoc cref="IFileSystem.Rename"/>
    public static Errno Rename(
        this IFileSystem fs, in RequestContext context, NodeId parent, string name, NodeId newParent, string newName,
        uint flags = 0) => NotNull(fs).Rename(context, parent, Bytes(name), newParent, Bytes(newName), flags);

    /// <inheritdoc cref="IFileSystem.Create"/>
    public static Errno Create(
        this IFileSystem fs, in RequestContext context, NodeId parent, string name, in CreateRequest request,
        out Entry entry, out OpenReply reply) =>
        NotNull(fs).Create(context, parent, Bytes(name), request, out entry, out reply);

    /// <summary>Walks a path of names separated by "/" from the root, with one lookup for each.</summary>
    /// <remarks>
    /// Adds 1 to the lookup count of the last node; those on the way are forgotten again. An empty path is the root,
    /// looked up by ".". Symbolic links are not followed.
    /// </remarks>
    /// <param name="fs">The file system.</param>
    /// <param name="context">Who asks.</param>
    /// <param name="path">The path; a "/" at its beginning or end does not matter.</param>
    /// <param name="entry">The last node.</param>
    /// <returns>As <see cref="IFileSystem.Lookup"/>; ENOENT for a name that is known not to exist.</returns>
    public static Errno LookupPath(this IFileSystem fs, in RequestContext context, string path, out Entry entry)
    {
        NotNull(fs);
        ArgumentNullException.ThrowIfNull(path);
        Errno result = fs.Lookup(context, NodeId.Root, "."u8, out entry);
        foreach (string name in path.Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            if (result != Errno.OK)
            {
                return result;
            }

            NodeId parent = entry.Node;
            result = fs.Lookup(context, parent, Bytes(name), out entry);
            fs.Forget(context, parent, 1);
            if (result == Errno.OK && entry.Node == NodeId.None)
            {
                return Errno.ENOENT;
            }
        }

        return result;
    }

    /// <summary>Reads from an open file into memory.</summary>
    /// <param name="fs">The file system.</param>
    /// <param name="context">Who asks.</param>
    /// <param name="node">The node.</param>
    /// <param name="handle">An open file of it.</param>
    /// <param name="offset">Byte offset in the file.</param>
    /// <param name="buffer">Gets the data.</param>
    /// <param name="read">How many bytes; fewer than asked only at the end of the file.</param>
    public static unsafe Errno Read(
        this IFileSystem fs, in RequestContext context, NodeId node, Handle handle, ulong offset, Span<byte> buffer,
        out int read)
    {
        NotNull(fs);

        // Sound: the memory is pinned for as long as the segment is used.
        fixed (byte* pointer = buffer)
        {
            var segment = new IoSegment(pointer, (nuint)buffer.Length);
            var sink = new DataSink(new ReadOnlySpan<IoSegment>(in segment), buffer.Length);
            Errno result = fs.Read(context, node, handle, new ReadRequest { Offset = offset }, ref sink);
            read = (int)sink.Written;
            return result;
        }
    }

    /// <summary>Writes memory to an open file.</summary>
    /// <param name="fs">The file system.</param>
    /// <param name="context">Who asks.</param>
    /// <param name="node">The node.</param>
    /// <param name="handle">An open file of it.</param>
    /// <param name="offset">Byte offset in the file.</param>
    /// <param name="data">The data.</param>
    /// <param name="written">How many bytes; fewer than given only where an error follows.</param>
    public static unsafe Errno Write(
        this IFileSystem fs, in RequestContext context, NodeId node, Handle handle, ulong offset,
        ReadOnlySpan<byte> data, out int written)
    {
        NotNull(fs);

        // Sound: the memory is pinned for as long as the segment is used, and a source is only read.
        fixed (byte* pointer = data)
        {
            var segment = new IoSegment(pointer, (nuint)data.Length);
            var source = new DataSource(new ReadOnlySpan<IoSegment>(in segment), data.Length);
            Errno result = fs.Write(context, node, handle, new WriteRequest { Offset = offset }, ref source);
            written = (int)source.Consumed;
            return result;
        }
    }

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    private static IFileSystem NotNull(IFileSystem fs)
    {
        ArgumentNullException.ThrowIfNull(fs);
        return fs;
    }
}
