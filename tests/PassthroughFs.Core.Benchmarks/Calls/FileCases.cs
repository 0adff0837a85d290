using System.Collections.Generic;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;
using static PassthroughFs.Core.Benchmarks.Calls.CallRig;

namespace PassthroughFs.Core.Benchmarks.Calls;

internal static unsafe class FileCases
{
    private const int Page = 4096;
    private const int Large = 1 << 20;

    public static IReadOnlyList<CallCase> All { get; } =
    [
        new("open, release", Open, static (rig, calls, count) =>
        {
            for (; count > 0; count--)
            {
                calls.Release(rig.Known, calls.Open(rig.Known, Linux.O_RDWR));
            }
        }),
        new("read 4 KiB", static (rig, count) => Read(rig, count, Page), static (rig, calls, count) =>
        {
            for (; count > 0; count--)
            {
                calls.Read(rig.Known, rig.OpenKnownHandle, Page);
            }
        }),
        new("read 1 MiB", static (rig, count) => Read(rig, count, Large), static (rig, calls, count) =>
        {
            for (; count > 0; count--)
            {
                calls.Read(rig.Known, rig.OpenKnownHandle, Large);
            }
        }),
        new("write 4 KiB", static (rig, count) => Write(rig, count, Page), static (rig, calls, count) =>
        {
            for (; count > 0; count--)
            {
                calls.Write(rig.Known, rig.OpenKnownHandle, Page);
            }
        }),
        new("flush", Flush, static (rig, calls, count) =>
        {
            for (; count > 0; count--)
            {
                calls.Flush(rig.Known, rig.OpenKnownHandle);
            }
        }),
        new("lseek", Lseek, static (rig, calls, count) =>
        {
            for (; count > 0; count--)
            {
                calls.Lseek(rig.Known, rig.OpenKnownHandle);
            }
        }),
    ];

    private static void Open(CallRig rig, int count)
    {
        for (; count > 0; count--)
        {
            Must(Sys.Close(rig.BareKnown.Open(rig, Linux.O_RDWR)));
        }
    }

    private static void Read(CallRig rig, int count, int size)
    {
        for (; count > 0; count--)
        {
            Must(Sys.Pread(rig.KnownFile, rig.Buffer, (nuint)size, 0));
        }
    }

    private static void Write(CallRig rig, int count, int size)
    {
        for (; count > 0; count--)
        {
            Must(Sys.Pwrite(rig.KnownFile, rig.Buffer, (nuint)size, 0));
        }
    }

    private static void Flush(CallRig rig, int count)
    {
        for (; count > 0; count--)
        {
            Must(Sys.Close(Must(Sys.Fcntl(rig.KnownFile, Constants.F_DUPFD_CLOEXEC, 0))));
        }
    }

    private static void Lseek(CallRig rig, int count)
    {
        for (; count > 0; count--)
        {
            Must(Sys.Lseek(rig.KnownFile, 0, (int)Linux.SEEK_DATA));
        }
    }
}
