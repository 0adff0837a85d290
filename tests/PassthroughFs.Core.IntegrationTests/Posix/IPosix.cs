using System;
using System.Collections.Generic;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.IntegrationTests.Posix;

/// <summary>
/// A directory tree by the calls a program has: paths and descriptors, and the errno of each call. Every way into the
/// file system implements it, so that one suite runs over all of them. Paths are relative to the tree's root; symbolic
/// links are not followed in the last component unless a member says so.
/// </summary>
public interface IPosix : IDisposable
{
    /// <summary>Who makes the calls that follow.</summary>
    Caller Caller { get; set; }

    /// <summary>The mask for what is created.</summary>
    uint Umask { get; set; }

    /// <summary>Follows a symbolic link in the last component unless O_NOFOLLOW is set.</summary>
    Errno Open(PosixPath path, uint flags, uint mode, out int fd);

    Errno Close(int fd);

    Errno Read(int fd, Span<byte> buffer, out int count);

    Errno Write(int fd, ReadOnlySpan<byte> data, out int count);

    Errno PRead(int fd, Span<byte> buffer, long offset, out int count);

    Errno PWrite(int fd, ReadOnlySpan<byte> data, long offset, out int count);

    Errno LSeek(int fd, long offset, uint whence, out long result);

    Errno FTruncate(int fd, long size);

    Errno Truncate(PosixPath path, long size);

    Errno FStat(int fd, out FileStat stat);

    Errno LStat(PosixPath path, out FileStat stat);

    Errno Mkdir(PosixPath path, uint mode);

    Errno Rmdir(PosixPath path);

    Errno Unlink(PosixPath path);

    Errno Rename(PosixPath from, PosixPath to, uint flags);

    Errno Link(PosixPath existing, PosixPath path);

    Errno Symlink(PosixPath target, PosixPath path);

    Errno ReadLink(PosixPath path, out byte[] target);

    Errno Mknod(PosixPath path, uint mode, uint rdev);

    /// <summary>Follows symbolic links.</summary>
    Errno Chmod(PosixPath path, uint mode);

    Errno FChmod(int fd, uint mode);

    /// <summary>uint.MaxValue leaves an id as it is.</summary>
    Errno Chown(PosixPath path, uint uid, uint gid);

    Errno SetTimes(PosixPath path, PosixTime access, PosixTime modification);

    /// <summary>Asks with the effective ids; follows symbolic links.</summary>
    Errno Access(PosixPath path, uint mask);

    Errno FSync(int fd, bool dataOnly);

    Errno SyncFs(int fd);

    /// <summary>Reads on in an open directory; an empty list at its end.</summary>
    Errno ReadDir(int fd, int bufferSize, out IReadOnlyList<DirEntry> entries);

    Errno SeekDir(int fd, long cookie);

    Errno SetXattr(PosixPath path, string name, ReadOnlySpan<byte> value, uint flags);

    /// <summary>An empty buffer asks for the size.</summary>
    Errno GetXattr(PosixPath path, string name, Span<byte> value, out int size);

    /// <summary>An empty buffer asks for the size.</summary>
    Errno ListXattr(PosixPath path, Span<byte> list, out int size);

    Errno RemoveXattr(PosixPath path, string name);

    Errno StatFs(PosixPath path, out FileSystemStat stat);

    Errno FAllocate(int fd, uint mode, long offset, long length);

    Errno CopyFileRange(int from, long fromOffset, int to, long toOffset, long count, out long copied);
}
