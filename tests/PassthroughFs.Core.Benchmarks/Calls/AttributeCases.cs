using System.Collections.Generic;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;
using PassthroughFs.Core.Passthrough;
using static PassthroughFs.Core.Benchmarks.Calls.CallRig;

namespace PassthroughFs.Core.Benchmarks.Calls;

internal static unsafe class AttributeCases
{
    public static IReadOnlyList<CallCase> All { get; } =
    [
        new("getattr", GetAttr, static (rig, calls, count) =>
        {
            for (; count > 0; count--)
            {
                calls.GetAttr(rig.Known);
            }
        }),
        new("setattr, mode", SetMode, static (rig, calls, count) =>
        {
            for (; count > 0; count--)
            {
                calls.SetMode(rig.Known, 0x1A4);
            }
        }),
        new("readlink", ReadLink, static (rig, calls, count) =>
        {
            for (; count > 0; count--)
            {
                calls.ReadLink(rig.Link);
            }
        }),
        new("access", Access, static (rig, calls, count) =>
        {
            for (; count > 0; count--)
            {
                calls.Access(rig.Known);
            }
        }),
        new("statfs", Statfs, static (rig, calls, count) =>
        {
            for (; count > 0; count--)
            {
                calls.Statfs(NodeId.Root);
            }
        }),
        new("getxattr", GetXattr, static (rig, calls, count) =>
        {
            for (; count > 0; count--)
            {
                calls.GetXattr(rig.Known, "user.known"u8);
            }
        }),
        new("setxattr", SetXattr, static (rig, calls, count) =>
        {
            for (; count > 0; count--)
            {
                calls.SetXattr(rig.Known, "user.known"u8, "value"u8);
            }
        }),
    ];

    private static void GetAttr(CallRig rig, int count)
    {
        for (; count > 0; count--)
        {
            int fd = rig.BareKnown.Take();
            Stat(fd);
            rig.BareKnown.Put(fd);
        }
    }

    /// <remarks>fchmod refuses an O_PATH descriptor, so it goes by the path in /proc. Then the reply's stat.</remarks>
    private static void SetMode(CallRig rig, int count)
    {
        byte* path = stackalloc byte[ProcSelfFd.PathSize];
        for (; count > 0; count--)
        {
            int fd = rig.BareKnown.Take();
            ProcSelfFd.FormatPath(fd, path);
            Must(Sys.FchmodAt(Constants.AT_FDCWD, path, 0x1A4));
            Stat(fd);
            rig.BareKnown.Put(fd);
        }
    }

    private static void ReadLink(CallRig rig, int count)
    {
        for (; count > 0; count--)
        {
            int fd = rig.BareLink.Take();
            Must(Sys.ReadLinkAt(fd, Literal(""u8), rig.Buffer, 4096));
            rig.BareLink.Put(fd);
        }
    }

    private static void Access(CallRig rig, int count)
    {
        const int Flags = Constants.AT_EACCESS | Constants.AT_EMPTY_PATH;
        for (; count > 0; count--)
        {
            int fd = rig.BareKnown.Take();
            Must(Sys.FaccessAt2(fd, Literal(""u8), (int)Linux.R_OK, Flags));
            rig.BareKnown.Put(fd);
        }
    }

    private static void Statfs(CallRig rig, int count)
    {
        StatfsBuffer buffer;
        for (; count > 0; count--)
        {
            Must(Sys.Fstatfs(rig.Root, &buffer));
        }
    }

    private static void GetXattr(CallRig rig, int count)
    {
        byte* path = stackalloc byte[ProcSelfFd.PathSize];
        for (; count > 0; count--)
        {
            int fd = rig.BareKnown.Take();
            ProcSelfFd.FormatPath(fd, path);
            Must(Sys.GetXattr(path, Literal("user.known"u8), rig.Buffer, 256));
            rig.BareKnown.Put(fd);
        }
    }

    private static void SetXattr(CallRig rig, int count)
    {
        byte* path = stackalloc byte[ProcSelfFd.PathSize];
        for (; count > 0; count--)
        {
            int fd = rig.BareKnown.Take();
            ProcSelfFd.FormatPath(fd, path);
            Must(Sys.SetXattr(path, Literal("user.known"u8), Literal("value"u8), 5, 0));
            rig.BareKnown.Put(fd);
        }
    }
}
