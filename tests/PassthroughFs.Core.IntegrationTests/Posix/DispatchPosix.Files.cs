using System;
using System.Collections.Generic;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.IntegrationTests.Wire;

namespace PassthroughFs.Core.IntegrationTests.Posix;

internal sealed partial class DispatchPosix
{
    public Errno Open(PosixPath path, uint flags, uint mode, out int fd)
    {
        fd = -1;
        bool follow = (flags & Linux.O_NOFOLLOW) == 0 && (flags & (Linux.O_CREAT | Linux.O_EXCL)) !=
            (Linux.O_CREAT | Linux.O_EXCL);
        Errno errno = Find(path, follow, parentOnly: false, out Walk walk);
        bool tmpFile = (flags & Linux.O_TMPFILE) == Linux.O_TMPFILE;
        ulong handle = 0;
        bool directory = false;
        if (errno == Errno.OK && tmpFile)
        {
            errno = Client.TmpFile(walk.Node, flags, Linux.S_IFREG | mode, Umask, out WireNode node, out handle);
            Take(walk, errno, node);
        }
        else if (errno == Errno.ENOENT && walk.AtLast && (flags & Linux.O_CREAT) != 0)
        {
            errno = Client.Create(
                walk.Parent, walk.Last, flags, Linux.S_IFREG | mode, Umask, out WireNode node, out handle);
            Take(walk, errno, node);
        }
        else if (errno == Errno.OK)
        {
            directory = Linux.S_ISDIR(walk.Stat!.Mode);
            errno = OpenExisting(walk, flags, directory, out handle);
        }

        if (errno != Errno.OK)
        {
            walk.Dispose();
            return errno;
        }

        fd = _nextFd++;
        _open[fd] = new OpenNode
        {
            Node = walk.Node,
            Handle = handle,
            Flags = flags,
            IsDirectory = directory,
            Walk = walk,
        };
        return Errno.OK;
    }

    private static void Take(Walk walk, Errno errno, WireNode node)
    {
        if (errno == Errno.OK)
        {
            walk.Hold(node.Id);
            walk.Node = node.Id;
        }
    }

    private Errno OpenExisting(Walk walk, uint flags, bool directory, out ulong handle)
    {
        handle = 0;
        const uint made = Linux.O_CREAT | Linux.O_EXCL;
        uint plain = flags & ~(made | 0x100u);
        bool write = (flags & Linux.O_ACCMODE) != Linux.O_RDONLY || (flags & Linux.O_TRUNC) != 0;
        if ((flags & made) == made)
        {
            return Errno.EEXIST;
        }

        if (Linux.S_ISLNK(walk.Stat!.Mode))
        {
            return Errno.ELOOP;
        }

        if (directory)
        {
            return write || (flags & Linux.O_CREAT) != 0
                ? Errno.EISDIR
                : Agreed(Client.OpenDir(walk.Node, plain, out handle), InitFlags.FUSE_NO_OPENDIR_SUPPORT);
        }

        if ((flags & Linux.O_DIRECTORY) != 0)
        {
            return Errno.ENOTDIR;
        }

        bool atomic = Client.Accepted.HasFlag(InitFlags.FUSE_ATOMIC_O_TRUNC);
        Errno errno = Agreed(
            Client.Open(walk.Node, atomic ? plain : plain & ~Linux.O_TRUNC, out handle),
            InitFlags.FUSE_NO_OPEN_SUPPORT);
        return errno == Errno.OK && !atomic && (flags & Linux.O_TRUNC) != 0
            ? Client.SetAttr(walk.Node, SetAttrFields.FATTR_SIZE)
            : errno;
    }

    /// <summary>ENOSYS means "no need to" where that was agreed on.</summary>
    private Errno Agreed(Errno errno, InitFlags flag) =>
        errno == Errno.ENOSYS && Client.Accepted.HasFlag(flag) ? Errno.OK : errno;

    private Errno OnFile(int fd, Func<OpenNode, Errno> action) =>
        _open.TryGetValue(fd, out OpenNode? open) ? action(open) : Errno.EBADF;

    public Errno Close(int fd) => OnFile(fd, open =>
    {
        _open.Remove(fd);
        using (open.Walk)
        {
            if (open.Handle == 0)
            {
                return Errno.OK;
            }

            Errno flushed = open.IsDirectory ? Errno.OK : Client.Flush(open.Node, open.Handle);
            Errno released = Client.Release(open.Node, open.Handle, open.IsDirectory);
            return released == Errno.OK ? flushed : released;
        }
    });

    public Errno Read(int fd, Span<byte> buffer, out int count)
    {
        Errno errno = PRead(fd, buffer, _open.TryGetValue(fd, out OpenNode? open) ? open.Position : 0, out count);
        if (errno == Errno.OK)
        {
            open!.Position += count;
        }

        return errno;
    }

    public Errno Write(int fd, ReadOnlySpan<byte> data, out int count)
    {
        count = 0;
        if (!_open.TryGetValue(fd, out OpenNode? open))
        {
            return Errno.EBADF;
        }

        if ((open.Flags & Linux.O_APPEND) != 0)
        {
            Client.GetAttr(open.Node, null, out FileStat stat);
            open.Position = (long)stat.Size;
        }

        Errno errno = PWrite(fd, data, open.Position, out count);
        open.Position += count;
        return errno;
    }

    public Errno PRead(int fd, Span<byte> buffer, long offset, out int count)
    {
        count = 0;
        if (!_open.TryGetValue(fd, out OpenNode? open))
        {
            return Errno.EBADF;
        }

        if (open.IsDirectory)
        {
            return Errno.EISDIR;
        }

        while (count < buffer.Length)
        {
            Errno errno = Client.Read(
                open.Node, open.Handle, (ulong)(offset + count), buffer[count..], out int got, open.Flags);
            if (errno != Errno.OK)
            {
                return errno;
            }

            count += got;
            if (got == 0)
            {
                break;
            }
        }

        return Errno.OK;
    }

    public Errno PWrite(int fd, ReadOnlySpan<byte> data, long offset, out int count)
    {
        count = 0;
        if (!_open.TryGetValue(fd, out OpenNode? open))
        {
            return Errno.EBADF;
        }

        while (count < data.Length)
        {
            int part = (int)Math.Min(data.Length - count, Client.MaxWrite);
            Errno errno = Client.Write(
                open.Node, open.Handle, (ulong)(offset + count), data.Slice(count, part), out int put, open.Flags);
            if (errno != Errno.OK)
            {
                return errno;
            }

            count += put;
        }

        return Errno.OK;
    }

    public Errno LSeek(int fd, long offset, uint whence, out long result)
    {
        ulong found = 0;
        Errno errno = OnFile(fd, open =>
        {
            if (whence == 0)
            {
                open.Position = offset;
                found = (ulong)offset;
                return offset < 0 ? Errno.EINVAL : Errno.OK;
            }

            Errno seek = Client.LSeek(open.Node, open.Handle, (ulong)offset, whence, out found);
            open.Position = seek == Errno.OK ? (long)found : open.Position;
            return seek;
        });
        result = (long)found;
        return errno;
    }

    public Errno FTruncate(int fd, long size) => OnFile(fd, open =>
        size < 0 || (open.Flags & Linux.O_ACCMODE) == Linux.O_RDONLY
            ? Errno.EINVAL
            : Client.SetAttr(
                open.Node, SetAttrFields.FATTR_SIZE | (open.Handle == 0 ? 0 : SetAttrFields.FATTR_FH), open.Handle,
                (ulong)size));

    public Errno FStat(int fd, out FileStat stat)
    {
        FileStat? found = null;
        Errno errno = OnFile(fd, open => Client.GetAttr(
            open.Node, open.IsDirectory || open.Handle == 0 ? null : open.Handle, out found));
        stat = found ?? new FileStat(0, 0, 0, 0, 0, 0, 0, 0, default, default, default);
        return errno;
    }

    public Errno FChmod(int fd, uint mode) =>
        OnFile(fd, open => Client.SetAttr(open.Node, SetAttrFields.FATTR_MODE, mode: mode));

    public Errno FSync(int fd, bool dataOnly) =>
        OnFile(fd, open => Client.FSync(open.Node, open.Handle, dataOnly, open.IsDirectory));

    public Errno SyncFs(int fd) => OnFile(fd, open => Client.SyncFs(open.Node));

    public Errno FAllocate(int fd, uint mode, long offset, long length) =>
        offset < 0 || length <= 0
            ? Errno.EINVAL
            : OnFile(fd, open => Client.FAllocate(open.Node, open.Handle, mode, (ulong)offset, (ulong)length));

    public Errno CopyFileRange(int from, long fromOffset, int to, long toOffset, long count, out long copied)
    {
        ulong done = 0;
        Errno errno = OnFile(from, source => OnFile(to, target => Client.CopyFileRange(
            source.Node, source.Handle, (ulong)fromOffset, target.Node, target.Handle, (ulong)toOffset, (ulong)count,
            out done)));
        copied = (long)done;
        return errno;
    }

    public Errno ReadDir(int fd, int bufferSize, out IReadOnlyList<DirEntry> entries)
    {
        List<DirEntry> found = [];
        Errno errno = OnFile(fd, open =>
        {
            if (!open.IsDirectory)
            {
                return Errno.ENOTDIR;
            }

            Errno read = Client.ReadDir(open.Node, open.Handle, (ulong)open.Position, bufferSize, out found);
            open.Position = found.Count > 0 ? found[^1].Cookie : open.Position;
            return read;
        });
        entries = found;
        return errno;
    }

    public Errno SeekDir(int fd, long cookie) => OnFile(fd, open =>
    {
        open.Position = cookie;
        return Errno.OK;
    });
}
