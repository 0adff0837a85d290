using System;
using System.Collections.Generic;
using System.Text;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.IntegrationTests.Platform;

namespace PassthroughFs.Core.IntegrationTests.Posix;

internal sealed unsafe partial class HostPosix
{
    public Errno Open(PosixPath path, uint flags, uint mode, out int fd)
    {
        int opened = -1;
        Errno errno = As(() => opened = Native.Open(Resolve(path), (int)(flags | Linux.O_CLOEXEC), mode));
        fd = opened;
        if (fd >= 0)
        {
            _open.Add(fd);
        }

        return errno;
    }

    public Errno Close(int fd)
    {
        _open.Remove(fd);
        return Of(Native.Close(fd));
    }

    public Errno Read(int fd, Span<byte> buffer, out int count)
    {
        fixed (byte* pointer = buffer)
        {
            return Count(Native.Read(fd, pointer, (nuint)buffer.Length), out count);
        }
    }

    public Errno Write(int fd, ReadOnlySpan<byte> data, out int count)
    {
        fixed (byte* pointer = data)
        {
            byte* start = pointer;
            nuint length = (nuint)data.Length;
            nint written = 0;
            Errno errno = As(() => written = Native.Write(fd, start, length));
            count = (int)Math.Max(written, 0);
            return errno;
        }
    }

    public Errno PRead(int fd, Span<byte> buffer, long offset, out int count)
    {
        fixed (byte* pointer = buffer)
        {
            return Count(Native.PRead(fd, pointer, (nuint)buffer.Length, offset), out count);
        }
    }

    public Errno PWrite(int fd, ReadOnlySpan<byte> data, long offset, out int count)
    {
        fixed (byte* pointer = data)
        {
            byte* start = pointer;
            nuint length = (nuint)data.Length;
            nint written = 0;
            Errno errno = As(() => written = Native.PWrite(fd, start, length, offset));
            count = (int)Math.Max(written, 0);
            return errno;
        }
    }

    public Errno LSeek(int fd, long offset, uint whence, out long result)
    {
        result = Native.LSeek(fd, offset, (int)whence);
        return Of((nint)result);
    }

    public Errno FTruncate(int fd, long size) => As(() => Native.FTruncate(fd, size));

    public Errno Truncate(PosixPath path, long size) => As(() => Native.Truncate(Resolve(path), size));

    public Errno FStat(int fd, out FileStat stat) => Statx(fd, [0], Native.AT_EMPTY_PATH, out stat);

    public Errno LStat(PosixPath path, out FileStat stat) =>
        Statx(Native.AT_FDCWD, Resolve(path), Native.AT_SYMLINK_NOFOLLOW, out stat);

    public Errno FChmod(int fd, uint mode) => As(() => Native.FChmod(fd, mode));

    public Errno FSync(int fd, bool dataOnly) => Of(dataOnly ? Native.FDataSync(fd) : Native.FSync(fd));

    public Errno SyncFs(int fd) => Of(Native.SyncFs(fd));

    public Errno FAllocate(int fd, uint mode, long offset, long length) =>
        As(() => Native.FAllocate(fd, (int)mode, offset, length));

    public Errno CopyFileRange(int from, long fromOffset, int to, long toOffset, long count, out long copied)
    {
        copied = Native.CopyFileRange(from, &fromOffset, to, &toOffset, (nuint)count, 0);
        return Of((nint)copied);
    }

    public Errno ReadDir(int fd, int bufferSize, out IReadOnlyList<DirEntry> entries)
    {
        var list = new List<DirEntry>();
        entries = list;
        byte[] buffer = new byte[bufferSize];
        nint length;
        fixed (byte* pointer = buffer)
        {
            length = Native.SysCall(Native.SysGetDents64, fd, (nint)pointer, bufferSize);
        }

        for (int at = 0; at < length;)
        {
            ushort size = BitConverter.ToUInt16(buffer, at + 16);
            ReadOnlySpan<byte> name = buffer.AsSpan(at + 19, size - 19);
            list.Add(new DirEntry(
                BitConverter.ToUInt64(buffer, at), BitConverter.ToInt64(buffer, at + 8), buffer[at + 18],
                name[..name.IndexOf((byte)0)].ToArray()));
            at += size;
        }

        return Of(length);
    }

    public Errno SeekDir(int fd, long cookie) => Of((nint)Native.LSeek(fd, cookie, 0));

    public Errno StatFs(PosixPath path, out FileSystemStat stat)
    {
        // struct statfs of 64-bit machines: type, bsize, blocks, bfree, bavail, files, ffree, fsid, namelen, frsize.
        ulong* buffer = stackalloc ulong[32];
        Errno errno = As(() => Native.StatFs(Resolve(path), (byte*)buffer));
        stat = new FileSystemStat(buffer[1], buffer[2], buffer[3], buffer[5], buffer[8]);
        return errno;
    }

    private static byte[] Z(string name) => Bytes.Z(Encoding.UTF8.GetBytes(name));
}
