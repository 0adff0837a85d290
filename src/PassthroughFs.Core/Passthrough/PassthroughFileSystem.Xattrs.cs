using System;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;

namespace PassthroughFs.Core.Passthrough;

/// <remarks>
/// An O_PATH fd has no extended attributes to the f*xattr calls, so the way is its link in /proc, which leads to the
/// inode itself, symbolic links included. Linux 6.13 has calls that start at the directory that is held; before, the
/// link's whole path is needed.
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
        Errno result = GetXattrNode(context, node, name, key, out NodeFd fd);
        if (result != Errno.OK)
        {
            return result;
        }

        using (fd)
        {
            result = BecomeCaller(context, out ProcessIdentity.Switched switched);
            if (result != Errno.OK)
            {
                return result;
            }

            fixed (byte* data = value)
            {
                result = SetXattrOf(fd.Value, key, data, value.Length, (int)flags);
            }

            _identity.Return(switched);

            result = result == Errno.OK && killSgid ? KillSgid(fd.Value) : result;
            return result == Errno.OK && IsGone(context, fd.Inode, fd.Value) ? Errno.ESTALE : result;
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
        Errno result = GetXattrNode(context, node, name, key, out NodeFd fd);
        if (result != Errno.OK)
        {
            return result;
        }

        using (fd)
        {
            result = BecomeCaller(context, out ProcessIdentity.Switched switched);
            if (result != Errno.OK)
            {
                return result;
            }

            long status;
            fixed (byte* data = value)
            {
                status = GetXattrOf(fd.Value, key, data, value.Length);
            }

            _identity.Return(switched);

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

        Errno result = GetNode(context, node, out NodeFd fd);
        if (result != Errno.OK)
        {
            return result;
        }

        using (fd)
        {
            byte* link = stackalloc byte[ProcSelfFd.PathSize];
            long status;
            fixed (byte* data = list)
            {
                status = CanUseAt(fd.Value, link)
                    ? Sys.ListXattrAt(_proc.Fd, link, 0, data, (nuint)list.Length)
                    : -(long)Errno.ENOSYS;
                if (MustUsePath(status, fd.Value, link))
                {
                    status = Sys.ListXattr(link, data, (nuint)list.Length);
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
        Errno result = GetXattrNode(context, node, name, key, out NodeFd fd);
        if (result != Errno.OK)
        {
            return result;
        }

        using (fd)
        {
            // The client's kernel removes this one before a write, in the name of whoever writes, who need not be allowed
            // to set it; a write would cost the file the same.
            bool isForWrite = Config.CheckPermissions && name.SequenceEqual("security.capability"u8) &&
                Check(context, fd.Value, Linux.W_OK) == Errno.OK;
            ProcessIdentity.Switched switched = ProcessIdentity.Switched.Nothing;
            result = isForWrite ? Errno.OK : BecomeCaller(context, out switched);
            if (result != Errno.OK)
            {
                return result;
            }

            byte* link = stackalloc byte[ProcSelfFd.PathSize];
            int status = CanUseAt(fd.Value, link) ? Sys.RemoveXattrAt(_proc.Fd, link, 0, key) : -(int)Errno.ENOSYS;
            if (MustUsePath(status, fd.Value, link))
            {
                status = Sys.RemoveXattr(link, key);
            }

            _identity.Return(switched);

            return status < 0 ? (Errno)(-status) : IsGone(context, fd.Inode, fd.Value) ? Errno.ESTALE : Errno.OK;
        }
    }

    private Errno GetXattrNode(
        in RequestContext context, NodeId node, ReadOnlySpan<byte> name, byte* key, out NodeFd fd)
    {
        Errno result = Names.CopyXattr(name, key);
        if (result != Errno.OK)
        {
            fd = default;
            return result;
        }

        return GetNode(context, node, out fd);
    }

    private static Errno XattrSize(long status, out int size)
    {
        size = (int)Math.Max(0, status);
        return status < 0 ? (Errno)(-status) : Errno.OK;
    }

    private Errno SetXattrOf(int fd, byte* key, byte* data, int size, int flags)
    {
        byte* link = stackalloc byte[ProcSelfFd.PathSize];
        var arguments = new XattrArguments { value = (ulong)data, size = (uint)size, flags = (uint)flags };
        int status = CanUseAt(fd, link) ? Sys.SetXattrAt(_proc.Fd, link, 0, key, &arguments) : -(int)Errno.ENOSYS;
        if (MustUsePath(status, fd, link))
        {
            status = Sys.SetXattr(link, key, data, (nuint)size, flags);
        }

        return status < 0 ? (Errno)(-status) : Errno.OK;
    }

    /// <summary>Returns the value's size, or the error negated.</summary>
    private long GetXattrOf(int fd, byte* key, byte* data, int size)
    {
        byte* link = stackalloc byte[ProcSelfFd.PathSize];
        var arguments = new XattrArguments { value = (ulong)data, size = (uint)size };
        long status = CanUseAt(fd, link) ? Sys.GetXattrAt(_proc.Fd, link, 0, key, &arguments) : -(long)Errno.ENOSYS;
        if (MustUsePath(status, fd, link))
        {
            status = Sys.GetXattr(link, key, data, (nuint)size);
        }

        return status;
    }

    /// <summary>
    /// Puts the link's name below /proc/self/fd into <paramref name="link"/>, where the kernel takes that.
    /// </summary>
    private bool CanUseAt(int fd, byte* link)
    {
        if (_xattrAt)
        {
            ProcSelfFd.Format(fd, link);
        }

        return _xattrAt;
    }

    /// <summary>Whether the kernel takes only a path; if so it is put into <paramref name="link"/>.</summary>
    private bool MustUsePath(long status, int fd, byte* link)
    {
        if (status != -(long)Errno.ENOSYS)
        {
            return false;
        }

        _xattrAt = false;
        ProcSelfFd.FormatPath(fd, link);
        return true;
    }

    /// <summary>Removes the set-group-id bit, as the client asks where a new ACL costs the file that bit.</summary>
    private Errno KillSgid(int fd)
    {
        Errno result = Stat(NodeId.None, fd, out AttrReply reply);
        uint mode = reply.Attributes.Mode;
        return result != Errno.OK || (mode & Linux.S_ISGID) == 0 ? result : SetMode(fd, default, mode & ~Linux.S_ISGID);
    }

    // Until the kernel says that it has no such calls.
    private volatile bool _xattrAt = true;
}
