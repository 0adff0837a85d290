using System.Collections.Generic;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;
using static PassthroughFs.Core.Benchmarks.Calls.CallRig;

namespace PassthroughFs.Core.Benchmarks.Calls;

/// <remarks>What is made is removed and forgotten in the same round.</remarks>
internal static unsafe class NameCases
{
    public static IReadOnlyList<CallCase> All { get; } =
    [
        new("create, release, unlink, forget", Create, static (rig, calls, count) =>
        {
            for (; count > 0; count--)
            {
                NodeId node = calls.Create(NodeId.Root, "made"u8, out Handle handle);
                calls.Release(node, handle);
                calls.Unlink(NodeId.Root, "made"u8);
                calls.Forget(node);
            }
        }),
        new("mkdir, rmdir, forget", Mkdir, static (rig, calls, count) =>
        {
            for (; count > 0; count--)
            {
                NodeId node = calls.Mkdir(NodeId.Root, "made"u8);
                calls.Rmdir(NodeId.Root, "made"u8);
                calls.Forget(node);
            }
        }),
        new("symlink, unlink, forget", Symlink, static (rig, calls, count) =>
        {
            for (; count > 0; count--)
            {
                NodeId node = calls.Symlink(NodeId.Root, "made"u8, "target"u8);
                calls.Unlink(NodeId.Root, "made"u8);
                calls.Forget(node);
            }
        }),
        new("link, forget, unlink", Link, static (rig, calls, count) =>
        {
            for (; count > 0; count--)
            {
                calls.Link(rig.Known, NodeId.Root, "made"u8);
                calls.Unlink(NodeId.Root, "made"u8);
            }
        }),
        new("rename, and back", Rename, static (rig, calls, count) =>
        {
            for (; count > 0; count--)
            {
                calls.Rename(NodeId.Root, "other"u8, "made"u8);
                calls.Rename(NodeId.Root, "made"u8, "other"u8);
            }
        }),
    ];

    /// <remarks>The inode is kept by a descriptor of its own until it is forgotten.</remarks>
    private static void Create(CallRig rig, int count)
    {
        const uint Flags = Linux.O_CREAT | Linux.O_EXCL | Linux.O_RDWR | Linux.O_CLOEXEC;
        for (; count > 0; count--)
        {
            int fd = Must(Sys.OpenAt(rig.Root, Literal("made"u8), Flags, 0x1A4));
            int inode = rig.Reopen(fd, Linux.O_PATH);
            rig.Describe(inode);
            Must(Sys.Close(fd));
            Must(Sys.UnlinkAt(rig.Root, Literal("made"u8), 0));
            Must(Sys.Close(inode));
        }
    }

    private static void Mkdir(CallRig rig, int count)
    {
        for (; count > 0; count--)
        {
            Must(Sys.MkdirAt(rig.Root, Literal("made"u8), 0x1ED));
            int inode = rig.Acquire(rig.Root, Literal("made"u8));
            Must(Sys.UnlinkAt(rig.Root, Literal("made"u8), Constants.AT_REMOVEDIR));
            Must(Sys.Close(inode));
        }
    }

    private static void Symlink(CallRig rig, int count)
    {
        for (; count > 0; count--)
        {
            Must(Sys.SymlinkAt(Literal("target"u8), rig.Root, Literal("made"u8)));
            int inode = rig.Acquire(rig.Root, Literal("made"u8));
            Must(Sys.UnlinkAt(rig.Root, Literal("made"u8), 0));
            Must(Sys.Close(inode));
        }
    }

    private static void Link(CallRig rig, int count)
    {
        for (; count > 0; count--)
        {
            int fd = rig.BareKnown.Take();
            Must(Sys.LinkAt(fd, Literal(""u8), rig.Root, Literal("made"u8), Constants.AT_EMPTY_PATH));
            Stat(fd);
            rig.BareKnown.Put(fd);
            Must(Sys.UnlinkAt(rig.Root, Literal("made"u8), 0));
        }
    }

    private static void Rename(CallRig rig, int count)
    {
        for (; count > 0; count--)
        {
            Must(Sys.RenameAt2(rig.Root, Literal("other"u8), rig.Root, Literal("made"u8), 0));
            Must(Sys.RenameAt2(rig.Root, Literal("made"u8), rig.Root, Literal("other"u8), 0));
        }
    }
}
