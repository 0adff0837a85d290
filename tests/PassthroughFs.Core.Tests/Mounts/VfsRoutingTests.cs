using System;
using System.Collections.Generic;
using System.Linq;
using System.Reflection;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Tests.Protocol;
using PassthroughFs.Core.Vfs;
using Xunit;
using static PassthroughFs.Core.Protocol.FuseOpcode;

namespace PassthroughFs.Core.Tests.Mounts;

/// <summary>Each operation gets to the mount that its node is of.</summary>
public sealed class VfsRoutingTests
{
    private const ulong Index = 1;
    private const int NodeOffset = 16;
    private const int BodyOffset = 40;

    private static RequestContext Context => default;

    public static TheoryData<Type> Complete => [
        typeof(Vfs.Vfs), typeof(PseudoFileSystem), typeof(RefusingFileSystem), typeof(DelegatingFileSystem),
        typeof(IdMappedFileSystem),
    ];

    [Theory]
    [MemberData(nameof(Complete))]
    public void No_member_of_the_contract_is_left_to_its_default(Type type)
    {
        InterfaceMapping map = type.GetInterfaceMap(typeof(IFileSystem));
        Assert.All(map.TargetMethods, method => Assert.False(method.DeclaringType!.IsInterface, method.Name));
    }

    [Fact]
    public void Each_operation_arrives_with_the_file_systems_own_numbers()
    {
        foreach (FuseCase item in FuseCases.All.Where(item => item.Call.Length > 0))
        {
            RecordingFileSystem fs = new();
            var vfs = new Vfs.Vfs(new VfsOptions { Flags = (InitFlags)ulong.MaxValue });
            vfs.Mount("/a", new Wrapped(fs));
            Rig rig = Rig.Started(fs: vfs);
            fs.Calls.Clear();
            byte[] request = item.Request();
            foreach (int offset in NodesIn(item))
            {
                request[offset + 7] |= (byte)Index;
            }

            rig.Send(request);

            // What it answers has numbers of 64 bits, which are given back at once.
            string[] expected = item.Call.Split('\n');
            Assert.Equal(expected, fs.Calls.Take(expected.Length));
            Assert.All(fs.Calls.Skip(expected.Length), call => Assert.Matches("^(Forget|Release) ", call));
        }
    }

    [Fact]
    public void Numbers_of_more_than_56_bits_are_an_error_and_not_another_file()
    {
        foreach (FuseCase item in FuseCases.All.Where(item =>
            item.Opcode is FUSE_LOOKUP or FUSE_MKDIR or FUSE_MKNOD or FUSE_SYMLINK or FUSE_LINK or FUSE_CREATE
                or FUSE_TMPFILE))
        {
            RecordingFileSystem fs = new();
            var vfs = new Vfs.Vfs();
            vfs.Mount("/a", new Wrapped(fs));
            Rig rig = Rig.Started(fs: vfs);
            fs.Calls.Clear();
            byte[] request = item.Request();
            foreach (int offset in NodesIn(item))
            {
                request[offset + 7] |= (byte)Index;
            }

            Assert.Equal(Errno.EOVERFLOW, rig.Error(request));
            Assert.Contains($"Forget {0x1122334455667788} 1", fs.Calls);
            bool isOpen = item.Opcode is FUSE_CREATE or FUSE_TMPFILE;
            Assert.Equal(isOpen, fs.Calls.Any(call => call.StartsWith("Release ", StringComparison.Ordinal)));
        }
    }

    [Fact]
    public void From_one_mount_to_another_is_a_cross_device_link()
    {
        var vfs = new Vfs.Vfs();
        vfs.Mount("/a", new StampedBackend(1));
        vfs.Mount("/b", new StampedBackend(2));
        vfs.LookupPath(Context, "/a", out Entry a);
        vfs.LookupPath(Context, "/b", out Entry b);
        NodeId root = NodeId.Root;
        foreach ((NodeId from, NodeId to) in new[] { (a.Node, b.Node), (a.Node, root), (root, a.Node) })
        {
            Assert.Equal(Errno.EXDEV, vfs.Rename(Context, from, "x"u8, to, "y"u8, 0));
            Assert.Equal(Errno.EXDEV, vfs.Link(Context, from, to, "y"u8, out _));
            CopyFileRangeRequest copy = new() { NodeIn = from, NodeOut = to };
            Assert.Equal(Errno.EXDEV, vfs.CopyFileRange(Context, copy, out _));
        }
    }

    [Fact]
    public void Not_supported_is_said_for_one_mount_and_not_for_all()
    {
        var vfs = new Vfs.Vfs();
        vfs.Mount("/a", new Nothing());
        NodeId node = new((Index << 56) | 1);
        Errno[] answers =
        [
            vfs.Access(Context, node, 0),
            vfs.SyncFs(Context, node),
            vfs.Fsync(Context, node, default, false),
            vfs.FsyncDir(Context, node, default, false),
            vfs.Flush(Context, node, default, default),
            vfs.Poll(Context, node, default, 5, out uint ready),
            vfs.Open(Context, node, 0, default, out OpenReply open),
            vfs.OpenDir(Context, node, 0, out _),
            vfs.Statx(Context, node, default, 0, 0, out StatxReply statx),
            vfs.Lseek(Context, node, default, 10, 3, out ulong data),
            vfs.Lseek(Context, node, default, 10, 4, out ulong hole),
        ];
        Assert.All(answers, answer => Assert.Equal(Errno.OK, answer));
        Assert.Equal((5u, 10ul, 100ul, 100ul), (ready, data, hole, statx.Size));
        Assert.Equal((OpenReplyFlags.FOPEN_KEEP_CACHE, Handle.None), (open.Flags, open.Handle));
        Assert.Equal(Errno.ENXIO, vfs.Lseek(Context, node, default, 100, 3, out _));
        Assert.Equal(Errno.EINVAL, vfs.Lseek(Context, node, default, 1, 0, out _));
        Assert.Equal(Errno.EINVAL, vfs.Rename(Context, node, "a"u8, node, "b"u8, 1));
        Assert.Equal(Errno.EINVAL, vfs.Bmap(Context, node, 0, 512, out _));
        Assert.All(
            [
                vfs.GetXattr(Context, node, "user.a"u8, default, out _),
                vfs.ListXattr(Context, node, default, out _),
                vfs.SetXattr(Context, node, "user.a"u8, default, 0, false),
                vfs.RemoveXattr(Context, node, "user.a"u8),
                vfs.Fallocate(Context, node, default, 0, 0, 1),
                vfs.TmpFile(Context, node, default, out _, out _),
                vfs.CopyFileRange(Context, new CopyFileRangeRequest { NodeIn = node, NodeOut = node }, out _),
            ],
            (Errno answer) => Assert.Equal(Errno.EOPNOTSUPP, answer));

        // What has a meaning of its own: the client falls back to mknod and open.
        Assert.Equal(Errno.ENOSYS, vfs.Create(Context, node, "f"u8, default, out _, out _));
    }

    [Fact]
    public void Alone_at_the_root_it_says_itself_what_it_does_not_support()
    {
        var vfs = new Vfs.Vfs();
        vfs.Mount("/", new Nothing());
        Assert.Equal(Errno.ENOSYS, vfs.Fsync(Context, NodeId.Root, default, false));
        Assert.Equal(Errno.ENOSYS, vfs.Open(Context, NodeId.Root, 0, default, out _));
        Assert.Equal(Errno.ENOSYS, vfs.Statx(Context, NodeId.Root, default, 0, 0, out _));
        Assert.Equal(Errno.ENOSYS, vfs.Lseek(Context, NodeId.Root, default, 0, 3, out _));
    }

    [Fact]
    public void A_window_is_filled_by_the_mount_and_emptied_even_when_that_is_gone()
    {
        RecordingFileSystem fs = new();
        RecordingWindow window = new();
        var vfs = new Vfs.Vfs();
        VfsMount mount = vfs.Mount("/a", new Wrapped(fs));
        NodeId node = new((Index << 56) | 42);
        DaxRange range = new(4096, 8192);
        Assert.Equal(Errno.OK, vfs.SetupMapping(Context, node, new Handle(3), new DaxMapping(5, range, true), window));
        Assert.Equal("SetupMapping 42 3 5 4096 8192 True", fs.Calls[^1]);
        Assert.Equal(Errno.OK, vfs.RemoveMapping(Context, node, [range], window));
        Assert.Equal("RemoveMapping 42 1 4096 8192", fs.Calls[^1]);
        vfs.LookupPath(Context, "/a", out _);
        Ended.Wait(vfs.Unmount("/a", UnmountMode.Revoke));
        Assert.Equal(
            Errno.ESTALE, vfs.SetupMapping(Context, node, new Handle(3), new DaxMapping(5, range, true), window));
        Assert.Empty(window.Unmapped);
        Assert.Equal(Errno.OK, vfs.RemoveMapping(Context, node, [range], window));
        Assert.Equal([range], window.Unmapped);
        Assert.Equal(MountState.Released, mount.State);
    }

    [Fact]
    public void A_number_that_no_mount_has_is_unknown()
    {
        var vfs = new Vfs.Vfs();
        Assert.Equal(Errno.EBADF, vfs.GetAttr(Context, new NodeId(ulong.MaxValue), default, out _));
        vfs.Forget(Context, new NodeId(ulong.MaxValue), ulong.MaxValue);
    }

    [Fact]
    public void A_batch_of_forgets_is_told_apart_by_mount()
    {
        var vfs = new Vfs.Vfs();
        StampedBackend[] all = [new(1), new(2), new(3)];
        List<ForgetItem> items = [new(NodeId.Root, 1), new(new NodeId(0xFFul << 56), 1)];
        for (int i = 0; i < all.Length; i++)
        {
            vfs.Mount($"/{i}", all[i]);
        }

        for (int n = 0; n < 300; n++)
        {
            Assert.Equal(Errno.OK, vfs.LookupPath(Context, $"/{n % 3}/{100 + n}", out Entry entry));
            items.Insert(n % 2 == 0 ? 0 : items.Count, new ForgetItem(entry.Node, 1));
        }

        vfs.BatchForget(Context, items.ToArray());
        for (int n = 0; n < 300; n++)
        {
            Assert.Equal(0ul, all[n % 3].Held((ulong)(100 + n)));
        }
    }

    // Where the numbers of nodes are in a request: in its header, and in the bodies of some.
    private static IEnumerable<int> NodesIn(FuseCase item)
    {
        byte[] request = item.Request();
        int[] inBody = item.Opcode switch
        {
            FUSE_BATCH_FORGET => [.. Enumerable.Range(0, BitConverter.ToInt32(request, BodyOffset)).Select(i => 8 + (i * 16))],
            FUSE_RENAME or FUSE_RENAME2 or FUSE_LINK => [0],
            FUSE_COPY_FILE_RANGE or FUSE_COPY_FILE_RANGE_64 => [16],
            _ => [],
        };
        return inBody.Select(offset => BodyOffset + offset).Prepend(NodeOffset);
    }

    private sealed class Wrapped(IFileSystem inner) : DelegatingFileSystem(inner);

    /// <summary>Has a root and nothing else.</summary>
    private sealed class Nothing : IBackendFileSystem
    {
        public Errno Mount(out Entry root, out NodeId maxNode)
        {
            root = new Entry { Node = NodeId.Root };
            maxNode = NodeId.Root;
            return Errno.OK;
        }

        public Errno GetAttr(in RequestContext context, NodeId node, Handle handle, out AttrReply reply)
        {
            reply = new AttrReply { Attributes = new NodeAttributes { Size = 100 } };
            return Errno.OK;
        }
    }
}
