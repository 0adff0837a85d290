using System;
using System.Text;
using PassthroughFs.Core.Api;
using PassthroughFs.Paths.Tree;

namespace PassthroughFs.Paths;

/// <summary>What is known of nodes.</summary>
public abstract partial class PathFileSystem
{
    Errno IFileSystem.GetAttr(in RequestContext context, NodeId node, Handle handle, out AttrReply reply)
    {
        reply = default;
        Errno error = _tree.Pin(node, out PathPin pin);
        if (error != Errno.OK)
        {
            return error;
        }

        using (pin)
        {
            return Answer(pin, handle, out reply);
        }
    }

    Errno IFileSystem.SetAttr(in RequestContext context, NodeId node, in SetAttrRequest request, out AttrReply reply)
    {
        const SetAttrFields First = SetAttrFields.FATTR_MODE | SetAttrFields.FATTR_UID | SetAttrFields.FATTR_GID;
        const SetAttrFields Times = SetAttrFields.FATTR_ATIME | SetAttrFields.FATTR_ATIME_NOW |
            SetAttrFields.FATTR_MTIME | SetAttrFields.FATTR_MTIME_NOW | SetAttrFields.FATTR_CTIME;
        reply = default;
        Errno error = _tree.Pin(node, out PathPin pin);
        if (error != Errno.OK)
        {
            return error;
        }

        using (pin)
        {
            Handle handle = (request.Valid & SetAttrFields.FATTR_FH) != 0 ? request.Handle : Handle.None;
            error = Change(pin, request, request.Valid & First);
            error = error == Errno.OK && (request.Valid & SetAttrFields.FATTR_SIZE) != 0
                ? SetSize(pin, handle, request)
                : error;
            error = error == Errno.OK ? Change(pin, request, request.Valid & Times) : error;
            return error == Errno.OK ? Answer(pin, handle, out reply) : error;
        }
    }

    Errno IFileSystem.ReadLink(in RequestContext context, NodeId node, Span<byte> target, out int length)
    {
        length = 0;
        Errno error = PinPath(node, out PathPin pin);
        if (error != Errno.OK)
        {
            return error;
        }

        using (pin)
        {
            error = ReadLink(pin.Path!, out string text);
            return error != Errno.OK ? error
                : Encoding.UTF8.TryGetBytes(text, target, out length) ? Errno.OK
                : Errno.ENAMETOOLONG;
        }
    }

    Errno IFileSystem.Statfs(in RequestContext context, NodeId node, out StatfsReply reply) => GetStatistics(out reply);

    private Errno Answer(in PathPin pin, Handle handle, out AttrReply reply)
    {
        reply = default;
        var node = new NodeId(pin.Node!.Id);
        using FileUse use = Use(pin, handle);
        Errno error = use.File?.GetAttributes(out reply.Attributes) ?? Errno.ENOSYS;
        if (error == Errno.ENOSYS)
        {
            error = pin.Path is { } path ? GetAttributes(path, out reply.Attributes) : Errno.ESTALE;
        }

        if (error == Errno.OK)
        {
            CheckType(reply.Attributes);
        }

        if (error == Errno.OK && (reply.Attributes.Mode & Linux.S_IFMT) != pin.Node.Type)
        {
            // Something else is there now: the client looks the name up again.
            error = Errno.ESTALE;
        }

        Complete(node, ref reply.Attributes);
        reply.Attributes.Nlink = pin.Path is null ? 0 : reply.Attributes.Nlink;
        reply.Timeout = _options.AttributesTimeout;
        return error == Errno.ENOENT ? Errno.ESTALE : error;
    }

    private Errno SetSize(in PathPin pin, Handle handle, in SetAttrRequest request)
    {
        if (pin.Node!.Type != Linux.S_IFREG || request.Size > long.MaxValue)
        {
            return pin.Node.Type == Linux.S_IFREG ? Errno.EFBIG
                : pin.Node.Type == Linux.S_IFDIR ? Errno.EISDIR
                : Errno.EINVAL;
        }

        using FileUse use = Use(pin, handle);
        Errno error = use.Opened is { MayWrite: true } opened
            ? opened.File.SetSize((long)request.Size)
            : Errno.ENOSYS;
        return error == Errno.ENOSYS ? Change(pin, request, SetAttrFields.FATTR_SIZE) : error;
    }

    private Errno Change(in PathPin pin, in SetAttrRequest request, SetAttrFields fields)
    {
        SetAttrRequest changes = request;
        changes.Valid = fields;
        return fields == SetAttrFields.None ? Errno.OK
            : pin.Path is { } path ? SetAttributes(path, changes)
            : Errno.ESTALE;
    }
}
