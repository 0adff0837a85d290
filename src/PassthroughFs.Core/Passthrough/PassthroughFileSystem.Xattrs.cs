using System;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;

namespace PassthroughFs.Core.Passthrough;

/// <remarks>
/// An O_PATH fd has no extended attributes of its own to the f*xattr calls. Linux 6.13 has calls that take any fd; before,
/// the way is the link in /proc, which also leads to symbolic links themselves.
/// </remarks>
public sealed unsafe partial class PassthroughFileSystem
{
    /// <inheritdoc/>
    public Errno SetXattr(
        in RequestContext context, NodeId node, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, uint flags,
        bool killSgid)
    {
        if (!Config.Xattr)
        {
            return Errno.ENOSYS;
        }

        if (Config.ReadOnly)
        {
            return Errno.EROFS;
        }

        if (value.Length > Linux.XATTR_SIZE_MAX)
        {
            return Errno.E2BIG;
        }

        byte* key = stackalloc byte[Names.BufferSize];
        Errno result = GetXattrNode(node, name, key, out NodeFd fd);
        if (result != Errno.OK)
        {
            return result;
        }

        using (fd)
        {
            fixed (byte* data = value)
            {
                result = SetXattrOf(fd.Value, key, data, value.Length, (int)flags);
            }

            return result == Errno.OK && killSgid ? KillSgid(fd.Value) : result;
        }
    }

    /// <inheritdoc/>
    public Errno GetXattr(
        in RequestContext context, NodeId node, ReadOnlySpan<byte> name, Span<byte> value, out int size)
    {
        size = 0;
        if (!Config.Xattr)
        {
            return Errno.ENOSYS;
        }

        byte* key = stackalloc byte[Names.BufferSize];
        Errno result = GetXattrNode(node, name, key, out NodeFd fd);
        if (result != Errno.OK)
        {
            return result;
        }

        using (fd)
        {
            long status;
            fixed (byte* data = value)
            {
                status = GetXattrOf(fd.Value, key, data, value.Length);
            }

            return XattrSize(status, out size);
        }
    }

    /// <inheritdoc/>
    public Errno ListXattr(in RequestContext context, NodeId node, Span<byte> list, out int size)
    {
        size = 0;
        if (!Config.Xattr)
        {
            return Errno.ENOSYS;
        }

        Errno result = GetNode(node, out NodeFd fd);
        if (result != Errno.OK)
        {
            return result;
        }

        using (fd)
        {
            byte empty = 0;
            long status;
            fixed (byte* data = list)
            {
                status = _xattrAt
                    ? Sys.ListXattrAt(fd.Value, &empty, Constants.AT_EMPTY_PATH, data, (nuint)list.Length)
                    : -(long)Errno.ENOSYS;
                if (MustUseProc(status))
                {
                    byte* path = stackalloc byte[ProcSelfFd.PathSize];
                    ProcSelfFd.FormatPath(fd.Value, path);
                    status = Sys.ListXattr(path, data, (nuint)list.Length);
                }
            }

            return XattrSize(status, out size);
        }
    }

    /// <inheritdoc/>
    public Errno RemoveXattr(in RequestContext context, NodeId node, ReadOnlySpan<byte> name)
    {
        if (!Config.Xattr)
        {
            return Errno.ENOSYS;
        }

        if (Config.ReadOnly)
        {
            return Errno.EROFS;
        }

        byte* key = stackalloc byte[Names.BufferSize];
        Errno result = GetXattrNode(node, name, key, out NodeFd fd);
        if (result != Errno.OK)
        {
            return result;
        }

        using (fd)
        {
            byte empty = 0;
            int status = _xattrAt
                ? Sys.RemoveXattrAt(fd.Value, &empty, Constants.AT_EMPTY_PATH, key)
                : -(int)Errno.ENOSYS;
            if (MustUseProc(status))
            {
                byte* path = stackalloc byte[ProcSelfFd.PathSize];
                ProcSelfFd.FormatPath(fd.Value, path);
                status = Sys.RemoveXattr(path, key);
            }

            return status < 0 ? (Errno)(-status) : Errno.OK;
        }
    }

    private Errno GetXattrNode(NodeId node, ReadOnlySpan<byte> name, byte* key, out NodeFd fd)
    {
        Errno result = Names.CopyXattr(name, key);
        if (result != Errno.OK)
        {
            fd = default;
            return result;
        }

        return GetNode(node, out fd);
    }

    private static Errno XattrSize(long status, out int size)
    {
        size = (int)Math.Max(0, status);
        return status < 0 ? (Errno)(-status) : Errno.OK;
    }

    private Errno SetXattrOf(int fd, byte* key, byte* data, int size, int flags)
    {
        byte empty = 0;
        var arguments = new XattrArguments { value = (ulong)data, size = (uint)size, flags = (uint)flags };
        int status = _xattrAt
            ? Sys.SetXattrAt(fd, &empty, Constants.AT_EMPTY_PATH, key, &arguments)
            : -(int)Errno.ENOSYS;
        if (MustUseProc(status))
        {
            byte* path = stackalloc byte[ProcSelfFd.PathSize];
            ProcSelfFd.FormatPath(fd, path);
            status = Sys.SetXattr(path, key, data, (nuint)size, flags);
        }

        return status < 0 ? (Errno)(-status) : Errno.OK;
    }

    /// <summary>Returns the value's size, or the error negated.</summary>
    private long GetXattrOf(int fd, byte* key, byte* data, int size)
    {
        byte empty = 0;
        var arguments = new XattrArguments { value = (ulong)data, size = (uint)size };
        long status = _xattrAt
            ? Sys.GetXattrAt(fd, &empty, Constants.AT_EMPTY_PATH, key, &arguments)
            : -(long)Errno.ENOSYS;
        if (MustUseProc(status))
        {
            byte* path = stackalloc byte[ProcSelfFd.PathSize];
            ProcSelfFd.FormatPath(fd, path);
            status = Sys.GetXattr(path, key, data, (nuint)size);
        }

        return status;
    }

    /// <summary>Whether the kernel has no calls for any fd; asked once.</summary>
    private bool MustUseProc(long status)
    {
        if (status == -(long)Errno.ENOSYS)
        {
            _xattrAt = false;
            return true;
        }

        return false;
    }

    /// <summary>Removes the set-group-id bit, as the client asks where a new ACL costs the file that bit.</summary>
    private Errno KillSgid(int fd)
    {
        Errno result = Stat(fd, out AttrReply reply);
        uint mode = reply.Attributes.Mode;
        return result != Errno.OK || (mode & Linux.S_ISGID) == 0 ? result : SetMode(fd, default, mode & ~Linux.S_ISGID);
    }

    // Until the kernel says ENOSYS.
    private volatile bool _xattrAt = true;
}
