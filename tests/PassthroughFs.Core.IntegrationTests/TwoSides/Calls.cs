using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using System.Text;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.IntegrationTests.Platform;

namespace PassthroughFs.Core.IntegrationTests.TwoSides;

/// <summary>What stat(2) says.</summary>
internal readonly record struct Status(uint Mode, uint Links, ulong Ino, long Size, long Modified, ulong Device)
{
    public uint Kind => Mode & 0xF000;

    public bool IsDirectory => Kind == 0x4000;

    public bool IsLink => Kind == 0xA000;
}

/// <summary>System calls: a result, or the error negated.</summary>
internal static unsafe partial class Calls
{
    private const int F_OFD_SETLK = 37, F_OFD_SETLKW = 38, F_SETLK = 6, F_SETLKW = 7;

    public static int Open(string path, uint flags)
    {
        byte[] name = Bytes.Z(path);
        int fd;
        do
        {
            fd = Native.Open(name, (int)(flags | Linux.O_CLOEXEC), 0x1A4);
        }
        while (fd < 0 && IsInterrupted());
        return Result(fd);
    }

    public static int Write(int fd, ReadOnlySpan<byte> bytes)
    {
        fixed (byte* first = bytes)
        {
            return Result((int)Native.Write(fd, first, (nuint)bytes.Length));
        }
    }

    public static int PWrite(int fd, ReadOnlySpan<byte> bytes, long offset)
    {
        fixed (byte* first = bytes)
        {
            return Result((int)Native.PWrite(fd, first, (nuint)bytes.Length, offset));
        }
    }

    public static int PRead(int fd, Span<byte> bytes, long offset)
    {
        fixed (byte* first = bytes)
        {
            return Result((int)Native.PRead(fd, first, (nuint)bytes.Length, offset));
        }
    }

    public static int Truncate(string path, long length) => Result(Native.Truncate(Bytes.Z(path), length));

    public static int FTruncate(int fd, long length) => Result(Native.FTruncate(fd, length));

    /// <summary>fallocate(2) with FALLOC_FL_PUNCH_HOLE and FALLOC_FL_KEEP_SIZE.</summary>
    public static int PunchHole(int fd, long offset, long length) => Result(Native.FAllocate(fd, 3, offset, length));

    public static int Sync(int fd, bool dataOnly) => Result(dataOnly ? Native.FDataSync(fd) : Native.FSync(fd));

    public static int Mkdir(string path) => Result(Native.Mkdir(Bytes.Z(path), 0x1ED));

    public static int Unlink(string path) => Result(Native.UnlinkAt(Native.AT_FDCWD, Bytes.Z(path), 0));

    public static int Rmdir(string path) =>
        Result(Native.UnlinkAt(Native.AT_FDCWD, Bytes.Z(path), Native.AT_REMOVEDIR));

    public static int Rename(string from, string to, uint flags = 0) =>
        Result(Native.RenameAt2(Native.AT_FDCWD, Bytes.Z(from), Native.AT_FDCWD, Bytes.Z(to), flags));

    public static int Link(string from, string to) =>
        Result(Native.LinkAt(Native.AT_FDCWD, Bytes.Z(from), Native.AT_FDCWD, Bytes.Z(to), 0));

    public static int Symlink(string target, string path) => Result(Native.Symlink(Bytes.Z(target), Bytes.Z(path)));

    public static int ReadLink(string path, out string target)
    {
        byte* buffer = stackalloc byte[256];
        int length = Result((int)Native.ReadLink(Bytes.Z(path), buffer, 256));
        target = length < 0 ? "" : Encoding.UTF8.GetString(buffer, length);
        return length;
    }

    /// <summary>Sets the time of modification, in whole seconds.</summary>
    public static int SetModified(string path, long seconds)
    {
        long* times = stackalloc long[] { 0, Native.UTIME_OMIT, seconds, 0 };
        return Result(Native.UTimensAt(Native.AT_FDCWD, Bytes.Z(path), times, 0));
    }

    public static int Stat(string path, out Status status) => Stat(Native.AT_FDCWD, path, out status);

    public static int Stat(int fd, out Status status) => Stat(fd, "", out status);

    /// <summary>The names in a directory, read from its beginning by as many calls as a small buffer makes.</summary>
    public static int List(int fd, int bufferSize, List<string> names)
    {
        names.Clear();
        if (Native.LSeek(fd, 0, 0) < 0)
        {
            return Result(-1);
        }

        byte* buffer = stackalloc byte[bufferSize];
        while (true)
        {
            int count = Result((int)Native.SysCall(Native.SysGetDents64, fd, (nint)buffer, bufferSize));
            if (count <= 0)
            {
                return count;
            }

            for (int at = 0; at < count; at += *(ushort*)(buffer + at + 16))
            {
                string name = Marshal.PtrToStringUTF8((nint)(buffer + at + 19))!;
                if (name is not ("." or ".."))
                {
                    names.Add(name);
                }
            }
        }
    }

    public static int FLock(int fd, int operation) => Result(FlockCall(fd, operation));

    /// <summary>Locks (1) or unlocks (2) the whole file, for the open file or for the process.</summary>
    public static int RecordLock(int fd, bool ofOpenFile, bool wait, bool unlock = false)
    {
        // struct flock: type and whence (16 bits each), start and length (64 each), the process (32).
        long* fields = stackalloc long[4];
        new Span<long>(fields, 4).Clear();
        *(short*)fields = (short)(unlock ? 2 : 1);
        int command = ofOpenFile ? (wait ? F_OFD_SETLKW : F_OFD_SETLK) : wait ? F_SETLKW : F_SETLK;
        int result;
        do
        {
            result = FcntlCall(fd, command, fields);
        }
        while (result < 0 && IsInterrupted());
        return Result(result);
    }

    public static void Close(int fd) => _ = Native.Close(fd);

    private static int Stat(int fd, string path, out Status status)
    {
        byte* buffer = stackalloc byte[256];
        int flags = Native.AT_SYMLINK_NOFOLLOW | (path.Length == 0 ? Native.AT_EMPTY_PATH : 0);
        int result = Result(Native.Statx(fd, Bytes.Z(path), flags, 0x7FF, buffer));
        status = result < 0 ? default : new Status(
            *(ushort*)(buffer + 28), *(uint*)(buffer + 16), *(ulong*)(buffer + 32), *(long*)(buffer + 40),
            *(long*)(buffer + 112), ((ulong)*(uint*)(buffer + 136) << 32) | *(uint*)(buffer + 140));
        return result;
    }

    private static bool IsInterrupted() => Marshal.GetLastPInvokeError() == (int)Errno.EINTR;

    private static int Result(int result) => result < 0 ? -Marshal.GetLastPInvokeError() : result;

    [LibraryImport("libc", EntryPoint = "flock", SetLastError = true)]
    private static partial int FlockCall(int fd, int operation);

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    private static partial int FcntlCall(int fd, int command, long* argument);
}
