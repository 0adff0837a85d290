using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;
using static PassthroughFs.Core.Benchmarks.Calls.CallRig;

namespace PassthroughFs.Core.Benchmarks.Calls;

internal static unsafe class DirectoryCases
{
    public static IReadOnlyList<CallCase> All { get; } =
    [
        new("opendir, releasedir", OpenDir, static (rig, calls, count) =>
        {
            for (; count > 0; count--)
            {
                calls.ReleaseDir(rig.Many, calls.OpenDir(rig.Many));
            }
        }),
        new("readdir, an entry", static (rig, count) => List(rig, count, null), ReadDir, CallRig.Entries),
        new(
            "readdirplus, an entry, new inodes",
            static (rig, count) => List(rig, count, static (rig, fd, name) => Must(Sys.Close(rig.Acquire(fd, name)))),
            ReadDirPlus,
            CallRig.Entries),
        new(
            "readdirplus, an entry, known inodes",
            static (rig, count) => List(rig, count, static (rig, fd, name) => rig.Identify(fd, name)),
            ReadDirPlus,
            CallRig.Entries)
        {
            Prepare = Hold,
            Finish = LetGo,
        },
    ];

    private delegate void Visit(CallRig rig, int directory, byte* name);

    private static void OpenDir(CallRig rig, int count)
    {
        for (; count > 0; count--)
        {
            Must(Sys.Close(rig.BareMany.Open(rig, Linux.O_RDONLY | Linux.O_DIRECTORY)));
        }
    }

    private static void List(CallRig rig, int count, Visit? visit)
    {
        for (; count > 0; count--)
        {
            int fd = rig.BareMany.Open(rig, Linux.O_RDONLY | Linux.O_DIRECTORY);
            int length;
            while ((length = Must(Sys.Getdents64(fd, rig.Buffer, Calls.ListingSize))) > 0)
            {
                for (int at = 0; at < length && visit is not null;)
                {
                    // Sound: the kernel's records lie inside what it says it has written.
                    var header = (DirentHeader*)(rig.Buffer + at);
                    byte* name = (byte*)header + DirentHeader.NameOffset;
                    if (name[0] != '.')
                    {
                        visit(rig, fd, name);
                    }

                    at += header->d_reclen;
                }
            }

            Must(Sys.Close(fd));
        }
    }

    private static void ReadDir(CallRig rig, Calls calls, int count)
    {
        for (; count > 0; count--)
        {
            Expect(rig, ListAll(rig, calls));
        }
    }

    /// <summary>Lists the large directory once; returns how many entries came.</summary>
    public static int ListAll(CallRig rig, Calls calls)
    {
        Handle handle = calls.OpenDir(rig.Many);
        ulong offset = 0;
        int total = 0;
        int some;
        while ((some = calls.ReadDir(rig.Many, handle, ref offset)) > 0)
        {
            total += some;
        }

        calls.ReleaseDir(rig.Many, handle);
        return total;
    }

    private static void ReadDirPlus(CallRig rig, Calls calls, int count)
    {
        for (; count > 0; count--)
        {
            Handle handle = calls.OpenDir(rig.Many);
            ulong offset = 0;
            int total = 0;
            int some;
            while ((some = calls.ReadDirPlus(rig.Many, handle, ref offset, rig.Forgets, out int counted)) > 0)
            {
                total += some;
                calls.BatchForget(rig.Forgets.AsSpan(0, counted));
            }

            calls.ReleaseDir(rig.Many, handle);
            Expect(rig, total);
        }
    }

    /// <summary>Makes every inode of the large directory known, for as long as the case lasts.</summary>
    public static void Hold(CallRig rig)
    {
        Handle handle = rig.Api.OpenDir(rig.Many);
        ulong offset = 0;
        while (rig.Api.ReadDirPlus(rig.Many, handle, ref offset, rig.Forgets, out int counted) > 0)
        {
            rig.Held.AddRange(rig.Forgets.AsSpan(0, counted));
        }

        rig.Api.ReleaseDir(rig.Many, handle);
    }

    /// <summary>Undoes that.</summary>
    public static void LetGo(CallRig rig)
    {
        rig.Api.BatchForget(CollectionsMarshal.AsSpan(rig.Held));
        rig.Held.Clear();
    }

    private static void Expect(CallRig rig, int total)
    {
        if (total != rig.Size + 2)
        {
            throw new InvalidOperationException($"The listing had {total} entries.");
        }
    }
}
