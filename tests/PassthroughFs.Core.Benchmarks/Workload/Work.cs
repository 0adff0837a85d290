using System.Collections.Generic;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;
using static PassthroughFs.Core.Benchmarks.Calls.CallRig;

namespace PassthroughFs.Core.Benchmarks.Workload;

/// <summary>An operation as a program does it, some times in a row.</summary>
internal delegate void WorkLoop(WorkRig rig, int count);

/// <param name="Name">What a table calls it.</param>
/// <param name="Loop">The system calls.</param>
internal sealed unsafe record Work(string Name, WorkLoop Loop)
{
    private const int Small = 4096;
    private const int Large = 1 << 20;

    public static IReadOnlyList<Work> All { get; } =
    [
        new("stat", static (rig, count) =>
        {
            for (; count > 0; count--)
            {
                Stat(rig.Root, Literal("small"u8));
            }
        }),
        new("no such name", static (rig, count) =>
        {
            StatxBuffer stat;
            for (; count > 0; count--)
            {
                _ = Sys.Statx(rig.Root, Literal("missing"u8), 0, Constants.STATX_BASIC_STATS, &stat);
            }
        }),
        new("open, read 4 KiB, close", static (rig, count) => OpenRead(rig, count, Small)),
        new("create, write 4 KiB, close, unlink", Create),
        new("mkdir, rmdir", static (rig, count) =>
        {
            for (; count > 0; count--)
            {
                Must(Sys.MkdirAt(rig.Root, Literal("made"u8), 0x1ED));
                Must(Sys.UnlinkAt(rig.Root, Literal("made"u8), Constants.AT_REMOVEDIR));
            }
        }),
        new("rename, and back", static (rig, count) =>
        {
            for (; count > 0; count--)
            {
                Must(Sys.RenameAt2(rig.Root, Literal("small"u8), rig.Root, Literal("renamed"u8), 0));
                Must(Sys.RenameAt2(rig.Root, Literal("renamed"u8), rig.Root, Literal("small"u8), 0));
            }
        }),
        new("readdir, 1,000 entries", static (rig, count) => List(rig, count, false)),
        new("readdir and stat, 1,000 entries", static (rig, count) => List(rig, count, true)),
        new("direct read 4 KiB", static (rig, count) => Read(rig, count, rig.Direct, Small)),
        new("direct write 4 KiB", static (rig, count) => Write(rig, count, rig.Direct, Small)),
        new("buffered write 4 KiB", static (rig, count) => Write(rig, count, rig.Written, Small)),
        new("direct read 1 MiB", static (rig, count) => Read(rig, count, rig.Direct, Large)),
        new("open, buffered read 1 MiB, close", static (rig, count) => OpenRead(rig, count, Large)),
        new("buffered write 1 MiB", static (rig, count) => Write(rig, count, rig.Written, Large)),
    ];

    public override string ToString() => Name;

    private static void OpenRead(WorkRig rig, int count, int size)
    {
        for (; count > 0; count--)
        {
            int fd = Open(rig.Root, size == Small ? "small"u8 : "file"u8, Linux.O_RDONLY);
            Must(Sys.Pread(fd, rig.Buffer, (nuint)size, size == Small ? 0 : WorkRig.Offset(count, size)));
            Must(Sys.Close(fd));
        }
    }

    private static void Create(WorkRig rig, int count)
    {
        for (; count > 0; count--)
        {
            int fd = Must(Sys.OpenAt(
                rig.Root, Literal("made"u8), Linux.O_CREAT | Linux.O_EXCL | Linux.O_WRONLY | Linux.O_CLOEXEC, 0x1A4));
            Must(Sys.Pwrite(fd, rig.Buffer, Small, 0));
            Must(Sys.Close(fd));
            Must(Sys.UnlinkAt(rig.Root, Literal("made"u8), 0));
        }
    }

    private static void List(WorkRig rig, int count, bool andStat)
    {
        for (; count > 0; count--)
        {
            int fd = Open(rig.Root, "many"u8, Linux.O_RDONLY | Linux.O_DIRECTORY);
            int length;
            while ((length = Must(Sys.Getdents64(fd, rig.Buffer, 32 * 1024))) > 0)
            {
                for (int at = 0; at < length && andStat;)
                {
                    // Sound: the kernel's records lie inside what it says it has written.
                    var header = (DirentHeader*)(rig.Buffer + at);
                    Stat(fd, (byte*)header + DirentHeader.NameOffset);
                    at += header->d_reclen;
                }
            }

            Must(Sys.Close(fd));
        }
    }

    private static void Read(WorkRig rig, int count, int fd, int size)
    {
        for (; count > 0; count--)
        {
            Must(Sys.Pread(fd, rig.Buffer, (nuint)size, WorkRig.Offset(count, size)));
        }
    }

    private static void Write(WorkRig rig, int count, int fd, int size)
    {
        for (; count > 0; count--)
        {
            Must(Sys.Pwrite(fd, rig.Buffer, (nuint)size, WorkRig.Offset(count, size)));
        }
    }
}
