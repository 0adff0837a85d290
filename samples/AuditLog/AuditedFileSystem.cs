using System;
using System.IO;
using System.Linq;
using System.Text;
using PassthroughFs.Core.Api;

namespace AuditLog;

/// <summary>Writes a line for whatever is opened, made, removed, renamed or changed, and by whom.</summary>
/// <remarks>
/// Three things a wrapper has to know. An operation that is not overridden goes past it, so that all with a name are here.
/// A listing can carry entries (READDIRPLUS), whose files are opened without a lookup of their own: who has to see every
/// lookup overrides it too. And with backing files the kernel reads and writes by itself: Attach takes them away.
/// </remarks>
internal sealed class AuditedFileSystem(IFileSystem inner, TextWriter log) : DelegatingFileSystem(inner)
{
    private readonly TextWriter _log = TextWriter.Synchronized(log);

    public override void Attach(in SessionServices services) => base.Attach(services with { BackingFiles = null });

    public override Errno Open(
        in RequestContext context, NodeId node, uint flags, OpenRequestFlags openFlags, out OpenReply reply)
    {
        Errno error = base.Open(context, node, flags, openFlags, out reply);
        return Note(context, (flags & Linux.O_ACCMODE) == Linux.O_RDONLY ? "open" : "open to write", node, default, error);
    }

    public override Errno Write(
        in RequestContext context, NodeId node, Handle handle, in WriteRequest request, ref DataSource source)
    {
        Errno error = base.Write(context, node, handle, request, ref source);
        return Note(context, $"write {source.Consumed} bytes at {request.Offset}", node, default, error);
    }

    public override Errno SetAttr(
        in RequestContext context, NodeId node, in SetAttrRequest request, out AttrReply reply)
    {
        Errno error = base.SetAttr(context, node, request, out reply);
        return Note(context, $"change {request.Valid}", node, default, error);
    }

    public override Errno Create(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, in CreateRequest request, out Entry entry,
        out OpenReply reply)
    {
        Errno error = base.Create(context, parent, name, request, out entry, out reply);
        return Note(context, "create", parent, name, error);
    }

    public override Errno Mknod(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, uint mode, uint rdev, uint umask,
        out Entry entry)
    {
        Errno error = base.Mknod(context, parent, name, mode, rdev, umask, out entry);
        return Note(context, "mknod", parent, name, error);
    }

    public override Errno Mkdir(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, uint mode, uint umask, out Entry entry)
    {
        Errno error = base.Mkdir(context, parent, name, mode, umask, out entry);
        return Note(context, "mkdir", parent, name, error);
    }

    public override Errno Symlink(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, ReadOnlySpan<byte> target, out Entry entry)
    {
        Errno error = base.Symlink(context, parent, name, target, out entry);
        return Note(context, $"symlink to {Text(target)}", parent, name, error);
    }

    public override Errno Link(
        in RequestContext context, NodeId node, NodeId newParent, ReadOnlySpan<byte> newName, out Entry entry)
    {
        Errno error = base.Link(context, node, newParent, newName, out entry);
        return Note(context, $"link node {node.Value}", newParent, newName, error);
    }

    public override Errno Unlink(in RequestContext context, NodeId parent, ReadOnlySpan<byte> name) =>
        Note(context, "unlink", parent, name, base.Unlink(context, parent, name));

    public override Errno Rmdir(in RequestContext context, NodeId parent, ReadOnlySpan<byte> name) =>
        Note(context, "rmdir", parent, name, base.Rmdir(context, parent, name));

    public override Errno Rename(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, NodeId newParent, ReadOnlySpan<byte> newName,
        uint flags)
    {
        Errno error = base.Rename(context, parent, name, newParent, newName, flags);
        return Note(context, $"rename to {Text(newName)} in node {newParent.Value}", parent, name, error);
    }

    private Errno Note(in RequestContext context, string what, NodeId node, ReadOnlySpan<byte> name, Errno error)
    {
        string named = name.IsEmpty ? "" : $" {Text(name)} in";
        _log.WriteLine($"uid {context.Uid} pid {context.Pid} {what}{named} node {node.Value}: {error}");
        return error;
    }

    // A name is the client's, and the log goes to a terminal.
    private static string Text(ReadOnlySpan<byte> name) =>
        '"' + string.Concat(Encoding.UTF8.GetString(name).Select(c => char.IsControl(c) ? '?' : c)) + '"';
}
