using System;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Passthrough;

/// <remarks>Files in the client's window. Who has the window maps; here it is decided what.</remarks>
public sealed unsafe partial class PassthroughFileSystem
{
    /// <inheritdoc/>
    /// <remarks>
    /// A mapping cannot make a file longer, so that <see cref="PassthroughConfig.SealSize"/> has nothing to refuse.
    /// </remarks>
    public Errno SetupMapping(
        in RequestContext context, NodeId node, Handle handle, in DaxMapping mapping, IDaxWindow window)
    {
        if (mapping.Writable && Config.ReadOnly)
        {
            return Errno.EROFS;
        }

        using HostInode inode = _inodes.Get(node);
        if (inode.IsNone)
        {
            return Errno.EBADF;
        }

        if (Linux.S_ISDIR(inode.Mode))
        {
            return Errno.EISDIR;
        }

        return handle.IsNone
            ? MapNode(context, inode, mapping, window)
            : MapFile(node, handle, mapping, window);
    }

    /// <inheritdoc/>
    public Errno RemoveMapping(
        in RequestContext context, NodeId node, ReadOnlySpan<DaxRange> ranges, IDaxWindow window)
    {
        foreach (ref readonly DaxRange range in ranges)
        {
            Errno result = window.Unmap(range);
            if (result != Errno.OK)
            {
                return result;
            }
        }

        return Errno.OK;
    }

    private Errno MapNode(
        in RequestContext context, in HostInode inode, in DaxMapping mapping, IDaxWindow window)
    {
        // The host maps nothing that is open for writing alone.
        bool writable = mapping.Writable || (!window.ReplacesAtOnce && !Config.ReadOnly);
        Errno result = OpenInode(context, inode, writable ? Linux.O_RDWR : Linux.O_RDONLY, out int fd);
        if (result != Errno.OK && writable && !mapping.Writable)
        {
            writable = false;
            result = OpenInode(context, inode, Linux.O_RDONLY, out fd);
        }

        if (result != Errno.OK)
        {
            return result;
        }

        try
        {
            return window.Map(fd, mapping with { Writable = writable });
        }
        finally
        {
            // A window is not ours: what it throws is caught further up, and would leave the file open.
            _ = CloseAfter(fd, Errno.OK);
        }
    }

    private Errno MapFile(NodeId node, Handle handle, in DaxMapping mapping, IDaxWindow window)
    {
        using OpenFile file = _handles.Get(handle, node);
        if (file.IsNone)
        {
            return Errno.EBADF;
        }

        uint access = file.Flags & Linux.O_ACCMODE;
        if (access != Linux.O_RDWR && (access != Linux.O_RDONLY || mapping.Writable))
        {
            return Errno.EACCES;
        }

        bool writable = mapping.Writable || (!window.ReplacesAtOnce && access == Linux.O_RDWR);
        return window.Map(file.Fd, mapping with { Writable = writable });
    }
}
