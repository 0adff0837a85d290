using System;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.IntegrationTests.Platform;

namespace PassthroughFs.Core.IntegrationTests.Posix;

internal sealed unsafe partial class HostPosix
{
    public Errno Mkdir(PosixPath path, uint mode) => As(() => Native.Mkdir(Resolve(path), mode));

    public Errno Rmdir(PosixPath path) =>
        As(() => Native.UnlinkAt(Native.AT_FDCWD, Resolve(path), Native.AT_REMOVEDIR));

    public Errno Unlink(PosixPath path) => As(() => Native.UnlinkAt(Native.AT_FDCWD, Resolve(path), 0));

    public Errno Rename(PosixPath from, PosixPath to, uint flags) =>
        As(() => Native.RenameAt2(Native.AT_FDCWD, Resolve(from), Native.AT_FDCWD, Resolve(to), flags));

    public Errno Link(PosixPath existing, PosixPath path) =>
        As(() => Native.LinkAt(Native.AT_FDCWD, Resolve(existing), Native.AT_FDCWD, Resolve(path), 0));

    public Errno Symlink(PosixPath target, PosixPath path) =>
        As(() => Native.Symlink(Bytes.Z(target.Bytes), Resolve(path)));

    public Errno ReadLink(PosixPath path, out byte[] target)
    {
        byte* buffer = stackalloc byte[Linux.PATH_MAX];
        nint length = 0;
        Errno errno = As(() => length = Native.ReadLink(Resolve(path), buffer, Linux.PATH_MAX));
        target = new ReadOnlySpan<byte>(buffer, (int)Math.Max(length, 0)).ToArray();
        return errno;
    }

    public Errno Mknod(PosixPath path, uint mode, uint rdev) => As(() => Native.Mknod(Resolve(path), mode, rdev));

    public Errno Chmod(PosixPath path, uint mode) => As(() => Native.Chmod(Resolve(path), mode));

    public Errno Chown(PosixPath path, uint uid, uint gid) => As(() => Native.LChown(Resolve(path), uid, gid));

    public Errno SetTimes(PosixPath path, PosixTime access, PosixTime modification)
    {
        long* times = stackalloc long[]
        {
            access.Seconds, access.Nanoseconds, modification.Seconds, modification.Nanoseconds,
        };
        return As(() =>
            Native.UTimensAt(Native.AT_FDCWD, Resolve(path), times, Native.AT_SYMLINK_NOFOLLOW));
    }

    public Errno Access(PosixPath path, uint mask) =>
        As(() => Native.FAccessAt(Native.AT_FDCWD, Resolve(path), (int)mask, Native.AT_EACCESS));

    public Errno SetXattr(PosixPath path, string name, ReadOnlySpan<byte> value, uint flags)
    {
        fixed (byte* pointer = value)
        {
            byte* start = pointer;
            nuint length = (nuint)value.Length;
            return As(() => Native.LSetXattr(Resolve(path), Z(name), start, length, (int)flags));
        }
    }

    public Errno GetXattr(PosixPath path, string name, Span<byte> value, out int size)
    {
        fixed (byte* pointer = value)
        {
            byte* start = pointer;
            nuint length = (nuint)value.Length;
            nint result = 0;
            Errno errno = As(() => result = Native.LGetXattr(Resolve(path), Z(name), start, length));
            size = (int)Math.Max(result, 0);
            return errno;
        }
    }

    public Errno ListXattr(PosixPath path, Span<byte> list, out int size)
    {
        fixed (byte* pointer = list)
        {
            byte* start = pointer;
            nuint length = (nuint)list.Length;
            nint result = 0;
            Errno errno = As(() => result = Native.LListXattr(Resolve(path), start, length));
            size = (int)Math.Max(result, 0);
            return errno;
        }
    }

    public Errno RemoveXattr(PosixPath path, string name) => As(() => Native.LRemoveXattr(Resolve(path), Z(name)));
}
