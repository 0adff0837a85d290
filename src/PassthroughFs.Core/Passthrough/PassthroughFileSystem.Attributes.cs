using System;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;

namespace PassthroughFs.Core.Passthrough;

public sealed unsafe partial class PassthroughFileSystem
{
    /// <inheritdoc/>
    public Errno GetAttr(in RequestContext context, NodeId node, Handle handle, out AttrReply reply)
    {
        using OpenFile file = _handles.Get(handle, node);
        if (!file.IsNone)
        {
            return Stat(node, file.Fd, out reply);
        }

        reply = default;
        if (!handle.IsNone)
        {
            return Errno.EBADF;
        }

        Errno result = GetNode(context, node, out NodeFd fd);
        if (result != Errno.OK)
        {
            return result;
        }

        using (fd)
        {
            return Stat(node, fd.Value, out reply);
        }
    }

    /// <inheritdoc/>
    public Errno Statfs(in RequestContext context, NodeId node, out StatfsReply reply)
    {
        reply = default;
        Errno result = GetNode(context, node, out NodeFd fd);
        if (result != Errno.OK)
        {
            return result;
        }

        using (fd)
        {
            StatfsBuffer buffer;
            int status = Sys.Fstatfs(fd.Value, &buffer);
            if (status < 0)
            {
                return (Errno)(-status);
            }

            reply = new StatfsReply
            {
                Blocks = buffer.f_blocks,
                Bfree = buffer.f_bfree,
                Bavail = buffer.f_bavail,
                Files = buffer.f_files,
                Ffree = buffer.f_ffree,
                Bsize = (uint)buffer.f_bsize,
                Namelen = (uint)buffer.f_namelen,
                Frsize = (uint)buffer.f_frsize,
            };
            return Errno.OK;
        }
    }

    /// <inheritdoc/>
    /// <remarks>
    /// The host decides, as the caller: ACLs and read-only mounts count. Of the caller's supplementary groups the
    /// server knows only what the request carries, unless <see cref="PassthroughConfig.CheckPermissions"/> is on.
    /// </remarks>
    public Errno Access(in RequestContext context, NodeId node, uint mask)
    {
        if ((mask & ~(Linux.R_OK | Linux.W_OK | Linux.X_OK)) != 0)
        {
            return Errno.EINVAL;
        }

        if (Config.ReadOnly && (mask & Linux.W_OK) != 0)
        {
            return Errno.EROFS;
        }

        Errno result = GetNode(context, node, out NodeFd fd);
        if (result != Errno.OK)
        {
            return result;
        }

        using (fd)
        {
            return Check(context, fd.Value, mask);
        }
    }

    /// <inheritdoc/>
    public Errno Statx(
        in RequestContext context, NodeId node, Handle handle, uint flags, uint mask, out StatxReply reply)
    {
        reply = default;
        using OpenFile file = _handles.Get(handle, node);
        if (!handle.IsNone && file.IsNone)
        {
            return Errno.EBADF;
        }

        // Only what tells the host how fresh the answer must be; the path's flags are ours.
        const uint SyncFlags = 0x6000;
        int hostFlags = Constants.AT_EMPTY_PATH | (int)(flags & SyncFlags);
        byte empty = 0;
        StatxBuffer stat;
        int status;
        if (!file.IsNone)
        {
            status = Sys.Statx(file.Fd, &empty, hostFlags, mask, &stat);
        }
        else
        {
            Errno result = GetNode(context, node, out NodeFd fd);
            if (result != Errno.OK)
            {
                return result;
            }

            using (fd)
            {
                status = Sys.Statx(fd.Value, &empty, hostFlags, mask, &stat);
            }
        }

        if (status < 0)
        {
            return (Errno)(-status);
        }

        reply = new StatxReply
        {
            Mask = stat.stx_mask,
            Blksize = stat.stx_blksize,
            Attributes = stat.stx_attributes,
            AttributesMask = stat.stx_attributes_mask,
            Nlink = stat.stx_nlink,
            Uid = stat.stx_uid,
            Gid = stat.stx_gid,
            Mode = stat.stx_mode,
            Ino = ShownIno(stat),
            Size = stat.stx_size,
            Blocks = stat.stx_blocks,
            Atime = TimeOf(stat.stx_atime),
            Btime = TimeOf(stat.stx_btime),
            Ctime = TimeOf(stat.stx_ctime),
            Mtime = TimeOf(stat.stx_mtime),
            RdevMajor = stat.stx_rdev_major,
            RdevMinor = stat.stx_rdev_minor,
            DevMajor = stat.stx_dev_major,
            DevMinor = stat.stx_dev_minor,
            Timeout = AttrTimeoutOf(node, stat.stx_mode),
        };
        return Errno.OK;
    }

    /// <summary>Asks the host whether the caller may.</summary>
    private Errno Check(in RequestContext context, int fd, uint mask)
    {
        Errno result = _identity.Become(context, Config.CheckPermissions, out ProcessIdentity.Switched switched);
        if (result != Errno.OK)
        {
            return result;
        }

        byte empty = 0;
        int status = Sys.FaccessAt2(fd, &empty, (int)mask, Constants.AT_EMPTY_PATH | Constants.AT_EACCESS);
        _identity.Return(switched);
        return status < 0 ? (Errno)(-status) : Errno.OK;
    }

    /// <summary>How long the client may cache a node's attributes.</summary>
    private TimeSpan AttrTimeoutOf(NodeId node, uint mode)
    {
        if (Linux.S_ISDIR(mode))
        {
            return _dirAttrTimeout;
        }

        return _backed.MayChangeUnseen(node) ? TimeSpan.Zero : Config.AttrTimeout;
    }

    private Errno Stat(NodeId node, int fd, out AttrReply reply)
    {
        StatxBuffer stat;
        int status = HostStat.Of(fd, &stat);
        if (status < 0)
        {
            reply = default;
            return (Errno)(-status);
        }

        FillAttributes(stat, out reply.Attributes);
        reply.Timeout = AttrTimeoutOf(node, stat.stx_mode);
        return Errno.OK;
    }

    private void FillAttributes(in StatxBuffer stat, out NodeAttributes attributes)
    {
        attributes.Ino = ShownIno(stat);
        attributes.Size = stat.stx_size;
        attributes.Blocks = stat.stx_blocks;
        attributes.Atime = TimeOf(stat.stx_atime);
        attributes.Mtime = TimeOf(stat.stx_mtime);
        attributes.Ctime = TimeOf(stat.stx_ctime);
        attributes.Mode = stat.stx_mode;
        attributes.Nlink = stat.stx_nlink;
        attributes.Uid = stat.stx_uid;
        attributes.Gid = stat.stx_gid;

        // The 32-bit encoding of FUSE's rdev is the low half of the 64-bit one, as long as a major has 12 bits.
        attributes.Rdev = (uint)HostStat.DeviceOf(stat.stx_rdev_major, stat.stx_rdev_minor);
        attributes.Blksize = stat.stx_blksize;
        attributes.Flags = NodeAttributeFlags.None;
        Negotiated negotiated = _negotiated;
        if (negotiated.InodeDax && Linux.S_ISREG(stat.stx_mode) &&
            stat.stx_size >= (ulong)Config.DaxFileSize.GetValueOrDefault())
        {
            attributes.Flags |= NodeAttributeFlags.FUSE_ATTR_DAX;
        }

        if (negotiated.Submounts && Linux.S_ISDIR(stat.stx_mode) && BeginsSubmount(stat))
        {
            attributes.Flags |= NodeAttributeFlags.FUSE_ATTR_SUBMOUNT;
        }
    }

    /// <summary>
    /// Whether a directory is the first of a mount, or of a btrfs subvolume, which is another device and no mount.
    /// </summary>
    private bool BeginsSubmount(in StatxBuffer stat)
    {
        // BTRFS_FIRST_FREE_OBJECTID: the first directory of each subvolume, and nothing else there.
        const ulong SubvolumeRoot = 256;
        return (stat.stx_attributes & stat.stx_attributes_mask & Constants.STATX_ATTR_MOUNT_ROOT) != 0 ||
            ((stat.stx_mask & Constants.STATX_SUBVOL) != 0 && stat.stx_ino == SubvolumeRoot &&
                HostStat.DeviceOf(stat.stx_dev_major, stat.stx_dev_minor) != _shown.Root);
    }

    private ulong ShownIno(in StatxBuffer stat) =>
        _shown.Of(HostStat.DeviceOf(stat.stx_dev_major, stat.stx_dev_minor), stat.stx_ino);

    private static Timestamp TimeOf(in StatxTimestamp time) => new(time.tv_sec, time.tv_nsec);

    /// <summary>C's makedev.</summary>
    private static ulong DeviceOf(uint major, uint minor) =>
        ((ulong)(major & 0xffff_f000) << 32) | ((major & 0xfff) << 8) | ((ulong)(minor & 0xffff_ff00) << 12) |
        (minor & 0xff);
}
