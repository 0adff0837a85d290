using System.Collections.Generic;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;
using static PassthroughFs.Core.Benchmarks.Calls.CallRig;

namespace PassthroughFs.Core.Benchmarks.Calls;

/// <remarks>Each lookup is forgotten, so that a round leaves nothing behind.</remarks>
internal static unsafe class LookupCases
{
    public static IReadOnlyList<CallCase> All { get; } =
    [
        new("lookup, known inode", Known, LookupKnown),
        new("lookup, known inode, over open+stat+close", OpenStatClose, LookupKnown),
        new("lookup, new inode", New, LookupNew),
        new("lookup, no such name", Missing, LookupMissing),
    ];

    private static void Known(CallRig rig, int count)
    {
        for (; count > 0; count--)
        {
            rig.Identify(rig.Root, Literal("known"u8));
        }
    }

    private static void OpenStatClose(CallRig rig, int count)
    {
        for (; count > 0; count--)
        {
            Must(Sys.Close(rig.Acquire(rig.Root, Literal("known"u8))));
        }
    }

    private static void LookupKnown(CallRig rig, Calls calls, int count)
    {
        for (; count > 0; count--)
        {
            calls.Forget(calls.Lookup(NodeId.Root, "known"u8));
        }
    }

    private static void New(CallRig rig, int count)
    {
        for (; count > 0; count--)
        {
            Must(Sys.Close(rig.Acquire(rig.Root, Literal("other"u8))));
        }
    }

    private static void LookupNew(CallRig rig, Calls calls, int count)
    {
        for (; count > 0; count--)
        {
            calls.Forget(calls.Lookup(NodeId.Root, "other"u8));
        }
    }

    private static void Missing(CallRig rig, int count)
    {
        StatxBuffer stat;
        for (; count > 0; count--)
        {
            _ = Sys.Statx(
                rig.Root, Literal("missing"u8), Constants.AT_SYMLINK_NOFOLLOW, Constants.STATX_BASIC_STATS, &stat);
        }
    }

    private static void LookupMissing(CallRig rig, Calls calls, int count)
    {
        for (; count > 0; count--)
        {
            _ = calls.TryLookup(NodeId.Root, "missing"u8, out _);
        }
    }
}
