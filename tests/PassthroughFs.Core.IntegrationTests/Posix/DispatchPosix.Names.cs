using System;
using System.Text;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.IntegrationTests.Wire;

namespace PassthroughFs.Core.IntegrationTests.Posix;

internal sealed partial class DispatchPosix
{
    public Errno LStat(PosixPath path, out FileStat stat)
    {
        FileStat? found = null;
        Errno errno = With(path, false, walk => Client.GetAttr(walk.Node, null, out found));
        stat = found ?? new FileStat(0, 0, 0, 0, 0, 0, 0, 0, default, default, default);
        return errno;
    }

    public Errno Mkdir(PosixPath path, uint mode) => Making(path, walk =>
        (Client.Mkdir(walk.Parent, walk.Last, mode, Umask, out WireNode node), node.Id));

    public Errno Mknod(PosixPath path, uint mode, uint rdev) => Making(path, walk =>
        (Client.Mknod(walk.Parent, walk.Last, mode, rdev, Umask, out WireNode node), node.Id));

    public Errno Symlink(PosixPath target, PosixPath path) => Making(path, walk =>
        (Client.Symlink(walk.Parent, walk.Last, target.Bytes, out WireNode node), node.Id));

    public Errno Link(PosixPath existing, PosixPath path) => With(existing, false, from => Making(path, to =>
        (Client.Link(from.Node, to.Parent, to.Last, out WireNode node), node.Id)));

    public Errno Rmdir(PosixPath path) => InParent(path, walk => Client.Rmdir(walk.Parent, walk.Last));

    public Errno Unlink(PosixPath path) => InParent(path, walk => Client.Unlink(walk.Parent, walk.Last));

    public Errno Rename(PosixPath from, PosixPath to, uint flags) => InParent(from, source => InParent(to, target =>
        Client.Rename(source.Parent, source.Last, target.Parent, target.Last, flags)));

    public Errno ReadLink(PosixPath path, out byte[] target)
    {
        byte[] found = [];
        Errno errno = With(path, false, walk => Client.ReadLink(walk.Node, out found));
        target = found;
        return errno;
    }

    public Errno Chmod(PosixPath path, uint mode) =>
        With(path, true, walk => Client.SetAttr(walk.Node, SetAttrFields.FATTR_MODE, mode: mode));

    public Errno Chown(PosixPath path, uint uid, uint gid) => With(path, false, walk =>
    {
        SetAttrFields valid = (uid == uint.MaxValue ? 0 : SetAttrFields.FATTR_UID) |
            (gid == uint.MaxValue ? 0 : SetAttrFields.FATTR_GID);
        return Client.SetAttr(walk.Node, valid, uid: uid, gid: gid);
    });

    public Errno SetTimes(PosixPath path, PosixTime access, PosixTime modification) => With(path, false, walk =>
    {
        SetAttrFields valid =
            (access.IsOmit ? 0 : SetAttrFields.FATTR_ATIME) |
            (access.IsNow ? SetAttrFields.FATTR_ATIME_NOW : 0) |
            (modification.IsOmit ? 0 : SetAttrFields.FATTR_MTIME) |
            (modification.IsNow ? SetAttrFields.FATTR_MTIME_NOW : 0);
        return Client.SetAttr(walk.Node, valid, access: Plain(access), modification: Plain(modification));
    });

    /// <summary>A kernel sends zeros for what is not valid.</summary>
    private static PosixTime Plain(PosixTime time) => time.IsNow || time.IsOmit ? default : time;

    public Errno Truncate(PosixPath path, long size) => With(path, true, walk =>
        Linux.S_ISDIR(walk.Stat!.Mode) ? Errno.EISDIR
        : size < 0 ? Errno.EINVAL
        : Client.SetAttr(walk.Node, SetAttrFields.FATTR_SIZE, size: (ulong)size));

    public Errno Access(PosixPath path, uint mask) => With(path, true, walk => Client.Access(walk.Node, mask));

    public Errno SetXattr(PosixPath path, string name, ReadOnlySpan<byte> value, uint flags)
    {
        byte[] copy = value.ToArray();
        return With(path, false, walk => Client.SetXattr(walk.Node, Encoding.UTF8.GetBytes(name), copy, flags));
    }

    public Errno GetXattr(PosixPath path, string name, Span<byte> value, out int size)
    {
        byte[] copy = new byte[value.Length];
        int found = 0;
        Errno errno = With(
            path, false, walk => Client.GetXattr(walk.Node, Encoding.UTF8.GetBytes(name), copy, out found));
        copy.CopyTo(value);
        size = found;
        return errno;
    }

    public Errno ListXattr(PosixPath path, Span<byte> list, out int size)
    {
        byte[] copy = new byte[list.Length];
        int found = 0;
        Errno errno = With(path, false, walk => Client.ListXattr(walk.Node, copy, out found));
        copy.CopyTo(list);
        size = found;
        return errno;
    }

    public Errno RemoveXattr(PosixPath path, string name) =>
        With(path, false, walk => Client.RemoveXattr(walk.Node, Encoding.UTF8.GetBytes(name)));

    public Errno StatFs(PosixPath path, out FileSystemStat stat)
    {
        FileSystemStat? found = null;
        Errno errno = With(path, true, walk => Client.StatFs(walk.Node, out found));
        stat = found ?? new FileSystemStat(0, 0, 0, 0, 0);
        return errno;
    }
}
