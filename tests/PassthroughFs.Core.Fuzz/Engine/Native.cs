using System;
using System.IO;
using System.Runtime.InteropServices;

namespace PassthroughFs.Core.Fuzz.Engine;

/// <summary>The fuzzer's own calls, apart from the library's.</summary>
internal static unsafe partial class Native
{
    public const int O_RDONLY_DIRECTORY = 0x10000 | 0x80000 | 0x20000; // O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW
    public const int AT_REMOVEDIR = 0x200;
    public const int AT_FDCWD = -100;
    private const int AT_SYMLINK_NOFOLLOW = 0x100;
    private const int EINTR = 4;
    private const int MNT_DETACH = 2;
    private const int Nodev = 4;
    private const int Nosuid = 2;
    private const int Noexec = 8;
    private const uint BasicStats = 0x7FF;
    private const int F_DUPFD_CLOEXEC = 1030;
    private const int O_CLOEXEC = 0x80000;
    private const int MAP_PRIVATE = 2;
    private const int MAP_ANONYMOUS = 0x20;
    private const int PROT_READ = 1;
    private const int PROT_WRITE = 2;

    public static bool IsRoot => geteuid() == 0;

    public static (uint Uid, uint Gid) Self => (geteuid(), getegid());

    public static bool TryMountTmpfs(string path, string options)
    {
        fixed (byte* type = "tmpfs\0"u8, target = Z(path), data = Z(options))
        {
            return mount(type, target, type, Nodev | Nosuid | Noexec, data) == 0;
        }
    }

    public static void Unmount(string path)
    {
        fixed (byte* target = Z(path))
        {
            _ = umount2(target, MNT_DETACH);
        }
    }

    public static int OpenDirectory(int at, ReadOnlySpan<byte> nameAndNul)
    {
        fixed (byte* name = nameAndNul)
        {
            return openat(at, name, O_RDONLY_DIRECTORY);
        }
    }

    public static int OpenDirectory(string path) => OpenDirectory(AT_FDCWD, Z(path));

    public static int ListDirectory(int fd, Span<byte> buffer)
    {
        fixed (byte* bytes = buffer)
        {
            return (int)getdents64(fd, bytes, (nuint)buffer.Length);
        }
    }

    public static int Remove(int at, ReadOnlySpan<byte> nameAndNul, int flags)
    {
        fixed (byte* name = nameAndNul)
        {
            return unlinkat(at, name, flags) == 0 ? 0 : Marshal.GetLastSystemError();
        }
    }

    public static void Make(string path, uint mode, ulong device = 0)
    {
        fixed (byte* name = Z(path))
        {
            Check(mknod(name, mode, device), path);
        }
    }

    public static void Chmod(string path, uint mode)
    {
        fixed (byte* name = Z(path))
        {
            Check(chmod(name, mode), path);
        }
    }

    public static void Chmod(int at, ReadOnlySpan<byte> nameAndNul, uint mode)
    {
        fixed (byte* name = nameAndNul)
        {
            _ = fchmodat(at, name, mode, 0);
        }
    }

    public static void Chown(string path, uint uid, uint gid)
    {
        fixed (byte* name = Z(path))
        {
            _ = lchown(name, uid, gid);
        }
    }

    public static void HardLink(string from, string to)
    {
        fixed (byte* old = Z(from), name = Z(to))
        {
            Check(link(old, name), to);
        }
    }

    public static void TrySetXattr(string path, string attribute, ReadOnlySpan<byte> value)
    {
        fixed (byte* file = Z(path), name = Z(attribute), bytes = value)
        {
            _ = setxattr(file, name, bytes, (nuint)value.Length, 0);
        }
    }

    public static FileState StateOf(int at, ReadOnlySpan<byte> nameAndNul)
    {
        StatxData data;
        fixed (byte* name = nameAndNul)
        {
            int result;
            do
            {
                result = statx(at, name, AT_SYMLINK_NOFOLLOW, BasicStats, &data);
            }
            while (result != 0 && Marshal.GetLastSystemError() == EINTR);
            return result != 0 ? default : new FileState(
                data.Ino, data.Mode, data.Size, data.Nlink, data.Uid, data.Gid, data.MtimeSec, data.MtimeNsec,
                data.CtimeSec, data.CtimeNsec);
        }
    }

    public static FileState StateOf(string path) => StateOf(AT_FDCWD, Z(path));

    public static byte[] Z(string text) => System.Text.Encoding.UTF8.GetBytes(text + '\0');

    public static void Close(int fd) => _ = close(fd);

    public static int Duplicate(int fd) => fcntl(fd, F_DUPFD_CLOEXEC, 0);

    public static int OpenNull()
    {
        fixed (byte* name = "/dev/null\0"u8)
        {
            return openat(AT_FDCWD, name, O_CLOEXEC);
        }
    }

    /// <summary>Memory between pages that nobody may touch: who leaves it ends the process.</summary>
    public static byte* Fenced(int length)
    {
        nuint page = (nuint)Environment.SystemPageSize;
        byte* all = mmap(null, (nuint)length + (2 * page), 0, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        Check(mprotect(all + page, (nuint)length, PROT_READ | PROT_WRITE), "mprotect");
        return all + page;
    }

    private static void Check(int result, string what)
    {
        if (result != 0)
        {
            throw new IOException($"{what}: error {Marshal.GetLastSystemError()}");
        }
    }

    [LibraryImport("libc")]
    private static partial uint geteuid();

    [LibraryImport("libc")]
    private static partial uint getegid();

    [LibraryImport("libc")]
    private static partial int mount(byte* source, byte* target, byte* type, nuint flags, byte* data);

    [LibraryImport("libc")]
    private static partial int umount2(byte* target, int flags);

    [LibraryImport("libc")]
    private static partial int openat(int at, byte* name, int flags);

    [LibraryImport("libc")]
    private static partial nint getdents64(int fd, byte* buffer, nuint length);

    [LibraryImport("libc")]
    private static partial int unlinkat(int at, byte* name, int flags);

    [LibraryImport("libc")]
    private static partial int mknod(byte* name, uint mode, ulong device);

    [LibraryImport("libc")]
    private static partial int chmod(byte* name, uint mode);

    [LibraryImport("libc")]
    private static partial int fchmodat(int at, byte* name, uint mode, int flags);

    [LibraryImport("libc")]
    private static partial int lchown(byte* name, uint uid, uint gid);

    [LibraryImport("libc")]
    private static partial int link(byte* old, byte* name);

    [LibraryImport("libc")]
    private static partial int setxattr(byte* path, byte* name, byte* value, nuint size, int flags);

    [LibraryImport("libc")]
    private static partial int statx(int at, byte* name, int flags, uint mask, StatxData* data);

    [LibraryImport("libc")]
    private static partial int close(int fd);

    [LibraryImport("libc")]
    private static partial int fcntl(int fd, int command, int argument);

    [LibraryImport("libc")]
    private static partial byte* mmap(byte* at, nuint length, int protection, int flags, int fd, long offset);

    [LibraryImport("libc")]
    private static partial int mprotect(byte* at, nuint length, int protection);

    // struct statx as far as it is looked at.
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private struct StatxData
    {
        [FieldOffset(16)]
        public uint Nlink;
        [FieldOffset(20)]
        public uint Uid;
        [FieldOffset(24)]
        public uint Gid;
        [FieldOffset(28)]
        public ushort Mode;
        [FieldOffset(32)]
        public ulong Ino;
        [FieldOffset(40)]
        public ulong Size;
        [FieldOffset(96)]
        public long CtimeSec;
        [FieldOffset(104)]
        public uint CtimeNsec;
        [FieldOffset(112)]
        public long MtimeSec;
        [FieldOffset(120)]
        public uint MtimeNsec;
    }
}

/// <summary>What tells whether a file was touched.</summary>
internal readonly record struct FileState(
    ulong Ino, ushort Mode, ulong Size, uint Nlink, uint Uid, uint Gid, long MtimeSec, uint MtimeNsec, long CtimeSec,
    uint CtimeNsec);
