using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Vfs;
using Xunit;

namespace PassthroughFs.Core.Tests.Mounts;

/// <summary>Mounts that come and go.</summary>
public sealed class VfsMountTests
{
    private readonly Vfs.Vfs _vfs = new();

    private static RequestContext Context => default;

    [Fact]
    public void A_mount_is_found_at_its_path_and_by_its_type()
    {
        StampedBackend a = new(1);
        VfsMount mount = _vfs.Mount("/submnt/A", a);
        Assert.Equal(1ul, StampOf(Find("/submnt/A")));
        Assert.True(_vfs.TryGet("//submnt/A/", out VfsMount? found));
        Assert.Same(mount, found);
        Assert.True(_vfs.TryGet("/submnt/A", out StampedBackend? backend));
        Assert.Same(a, backend);
        Assert.False(_vfs.TryGet<DelegatingFileSystem>("/submnt/A", out _));
        Assert.False(_vfs.TryGet("/submnt", out _));
        Assert.Equal(["/submnt/A"], _vfs.Mounts.Select(m => m.Path));
    }

    [Theory]
    [InlineData("a")]
    [InlineData("")]
    [InlineData("/a/../b")]
    [InlineData("/./b")]
    [InlineData("/a\0b")]
    public void A_malformed_path_is_refused(string path) =>
        Assert.Equal(Errno.EINVAL, Refused(path, new StampedBackend(1)));

    [Fact]
    public void A_path_that_is_too_long_or_no_text_is_refused()
    {
        Assert.Equal(Errno.EINVAL, Refused("/\ud800", new StampedBackend(1)));
        Assert.Equal(Errno.EINVAL, Refused("/" + new string('x', 256), new StampedBackend(1)));
        Assert.Equal(
            Errno.EINVAL, Refused(string.Concat(Enumerable.Repeat("/0123456", 512)), new StampedBackend(1)));
        _vfs.Mount("/" + new string('x', 255), new StampedBackend(1));
    }

    [Fact]
    public void No_mount_is_inside_another_or_around_one()
    {
        _vfs.Mount("/a/b", new StampedBackend(1));
        Assert.Equal(Errno.EBUSY, Refused("/a/b/c", new StampedBackend(2)));
        Assert.Equal(Errno.EBUSY, Refused("/a", new StampedBackend(2)));
        Assert.Equal(Errno.EBUSY, Refused("/", new StampedBackend(2)));
        _vfs.Mount("/a/bc", new StampedBackend(3));
        Assert.Equal(3ul, StampOf(Find("/a/bc")));
    }

    [Fact]
    public void A_file_system_is_mounted_once_at_a_time()
    {
        StampedBackend a = new(1);
        _vfs.Mount("/a", a);
        Assert.Equal(Errno.EBUSY, Refused("/b", a));
        Ended.Wait(_vfs.Unmount("/a"));
        _vfs.Mount("/b", a);
        Assert.Equal(1ul, StampOf(Find("/b")));
    }

    [Fact]
    public void What_cannot_be_mounted_is_not_there_and_says_why()
    {
        Assert.Equal(Errno.ENOTDIR, Refused("/a", new StampedBackend(1) { MountResult = Errno.ENOTDIR }));
        Assert.Equal(
            Errno.EOVERFLOW, Refused("/a", new StampedBackend(1) { MaxNode = new NodeId(1UL << 56) }));
        Assert.Equal(Errno.EINVAL, Refused("/", new StampedBackend(1) { Root = new NodeId(5) }));
        Assert.Equal(Errno.ENOENT, _vfs.Lookup(Context, NodeId.Root, "a", out _));
        Assert.Equal(Errno.ENOENT, Assert.Throws<VfsException>(() => _vfs.Unmount("/a")).Error);
    }

    [Fact]
    public void There_are_255_mounts_and_then_none()
    {
        for (int i = 0; i < 255; i++)
        {
            _vfs.Mount($"/m/{i}", new StampedBackend(i));
        }

        VfsException e = Assert.Throws<VfsException>(() => _vfs.Mount("/m/255", new StampedBackend(255)));
        Assert.Equal(Errno.ENOSPC, e.Error);
        Assert.Contains("255 mounts", e.Message, StringComparison.Ordinal);
        Assert.Equal(254ul, StampOf(Find("/m/254")));
        Ended.Wait(_vfs.Unmount("/m/7"));
        _vfs.Mount("/m/255", new StampedBackend(255));
        Assert.Equal(255ul, StampOf(Find("/m/255")));
    }

    [Fact]
    public void An_index_rests_while_the_client_holds_a_node_of_it()
    {
        _vfs.Mount("/old", new StampedBackend(1));
        Entry held = Child(Find("/old"), "50");
        Ended.Wait(_vfs.Unmount("/old", UnmountMode.Revoke));
        for (int i = 0; i < 254; i++)
        {
            _vfs.Mount($"/m/{i}", new StampedBackend(100 + i));
        }

        VfsException e = Assert.Throws<VfsException>(() => _vfs.Mount("/new", new StampedBackend(2)));
        Assert.Equal(Errno.ENOSPC, e.Error);
        Assert.Contains("still holds nodes", e.Message, StringComparison.Ordinal);
        Assert.Equal(Errno.ESTALE, _vfs.GetAttr(Context, held.Node, Handle.None, out _));

        // The root, looked up on the way, and the node itself.
        _vfs.BatchForget(Context, [new ForgetItem(held.Node, 1), new ForgetItem(RootOf(held.Node), 1)]);
        _vfs.Mount("/new", new StampedBackend(2));
        Assert.Equal(2ul, StampOf(Find("/new")));
    }

    [Fact]
    public void A_detached_mount_serves_what_is_held_and_ends_with_the_last_of_it()
    {
        StampedBackend a = new(1);
        _vfs.Mount("/a", a);
        Entry root = Find("/a");
        Entry held = Child(root, "50");
        VfsMount mount = _vfs.Unmount("/a");
        Assert.Equal(Errno.ENOENT, _vfs.Lookup(Context, NodeId.Root, "a", out _));
        Assert.Equal(1ul, StampOf(held));
        Entry more = Child(root, "51");
        Assert.Equal(1ul, StampOf(more));
        Assert.Equal(0, a.Destroys);
        _vfs.Forget(Context, held.Node, 1);
        _vfs.Forget(Context, more.Node, 1);
        Assert.False(mount.Released.IsCompleted);
        _vfs.Forget(Context, root.Node, 1);
        Ended.Wait(mount);
        Assert.Equal(1, a.Destroys);
        Assert.Equal(Errno.ESTALE, _vfs.GetAttr(Context, held.Node, Handle.None, out _));
    }

    [Fact]
    public void A_detached_mount_can_be_revoked()
    {
        _vfs.Mount("/a", new StampedBackend(1));
        Entry held = Find("/a");
        VfsMount mount = _vfs.Unmount("/a");
        Assert.Equal(1ul, StampOf(held));
        Assert.Same(mount, _vfs.Unmount("/a", UnmountMode.Revoke));
        Ended.Wait(mount);
        Assert.Equal(Errno.ESTALE, _vfs.GetAttr(Context, held.Node, Handle.None, out _));
        Assert.Equal(Errno.OK, _vfs.Release(Context, held.Node, new Handle(1), default));
        Assert.Equal(Errno.OK, _vfs.ReleaseDir(Context, held.Node, new Handle(1), 0));
    }

    [Fact]
    public void A_mount_over_a_mount_takes_its_place_for_new_lookups()
    {
        StampedBackend old = new(1);
        VfsMount first = _vfs.Mount("/a", old);
        Entry held = Child(Find("/a"), "50");
        VfsMount second = _vfs.Mount("/a", new StampedBackend(2));
        Assert.NotEqual(first.Index, second.Index);
        Assert.Equal(1ul, StampOf(held));
        Assert.Equal(2ul, StampOf(Find("/a")));
        Assert.Equal(["/a"], _vfs.Mounts.Select(m => m.Path));
        _vfs.Forget(Context, held.Node, 1);
        _vfs.Forget(Context, RootOf(held.Node), 1);
        Ended.Wait(first);
        Assert.Equal(1, old.Destroys);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_request_under_way_ends_on_the_old_file_system(bool throughParent)
    {
        using ManualResetEventSlim inside = new();
        using ManualResetEventSlim goOn = new();
        StampedBackend a = new(1);
        _vfs.Mount("/a", a);
        Entry held = Child(Find("/a"), "50");
        a.InGetAttr = () =>
        {
            inside.Set();
            goOn.Wait(Ended.Patience);
        };
        Task<Errno> request = Task.Run(() => throughParent
            ? _vfs.Lookup(Context, NodeId.Root, "a", out _)
            : _vfs.GetAttr(Context, held.Node, Handle.None, out _),
            TestContext.Current.CancellationToken);
        Assert.True(inside.Wait(Ended.Patience, TestContext.Current.CancellationToken));
        VfsMount mount = _vfs.Unmount("/a", UnmountMode.Revoke);
        _vfs.Mount("/a", new StampedBackend(2));
        Assert.Equal(2ul, StampOf(Find("/a")));
        await Task.Delay(100, TestContext.Current.CancellationToken);
        Assert.False(mount.Released.IsCompleted);
        Assert.Equal(0, a.Destroys);
        goOn.Set();
        Assert.Equal(Errno.OK, await request);
        Ended.Wait(mount);
        Assert.Equal(1, a.Destroys);
    }

    [Fact]
    public async Task A_request_of_a_session_that_ended_holds_up_the_release()
    {
        using ManualResetEventSlim inside = new();
        using ManualResetEventSlim goOn = new();
        StampedBackend a = new(1);
        _vfs.Mount("/a", a);
        _vfs.Init(Context, VfsOptions.DefaultFlags, out _);
        Entry held = Child(Find("/a"), "50");
        a.InGetAttr = () =>
        {
            inside.Set();
            goOn.Wait(Ended.Patience);
        };
        Task<Errno> request = Task.Run(
            () => _vfs.GetAttr(Context, held.Node, Handle.None, out _), TestContext.Current.CancellationToken);
        Assert.True(inside.Wait(Ended.Patience, TestContext.Current.CancellationToken));
        _vfs.Destroy(Context);
        VfsMount mount = _vfs.Unmount("/a");
        await Task.Delay(100, TestContext.Current.CancellationToken);
        Assert.False(mount.Released.IsCompleted);
        goOn.Set();
        Assert.Equal(Errno.OK, await request);
        Ended.Wait(mount);
    }

    [Fact]
    public void A_client_that_gives_back_more_than_it_holds_frees_no_more_than_that()
    {
        _vfs.Mount("/a", new StampedBackend(1));
        Entry held = Find("/a");
        _vfs.Forget(Context, held.Node, ulong.MaxValue);
        _vfs.BatchForget(
            Context, [new ForgetItem(held.Node, ulong.MaxValue), new ForgetItem(held.Node, ulong.MaxValue)]);
        Entry again = Child(Find("/a"), "50");
        VfsMount mount = _vfs.Unmount("/a");
        Assert.Equal(1ul, StampOf(again));
        _vfs.Forget(Context, again.Node, 1);
        Assert.False(mount.Released.IsCompleted);
        _vfs.Forget(Context, RootOf(again.Node), 1);
        Ended.Wait(mount);
    }

    [Fact]
    public void Alone_at_the_root_everything_passes_as_it_is()
    {
        StampedBackend a = new(1);
        VfsMount mount = _vfs.Mount("/", a);
        Assert.Equal(Errno.OK, _vfs.GetAttr(Context, NodeId.Root, Handle.None, out AttrReply reply));
        Assert.Equal((1ul, StampedBackend.RootIno), (reply.Attributes.Size, reply.Attributes.Ino));
        Assert.Equal(Errno.OK, _vfs.Lookup(Context, NodeId.Root, "50", out Entry entry));
        Assert.Equal((new NodeId(50), 50ul), (entry.Node, entry.Attributes.Ino));
        Assert.Equal(1ul, a.Held(50));
        _vfs.BatchForget(Context, [new ForgetItem(entry.Node, 1)]);
        Assert.Equal(0ul, a.Held(50));
        Assert.Equal(Errno.EBUSY, Refused("/b", new StampedBackend(2)));
        _vfs.Unmount("/");
        Ended.Wait(mount);
        _vfs.Mount("/b", new StampedBackend(2));
        Assert.Equal(2ul, StampOf(Find("/b")));
    }

    [Fact]
    public void The_root_changes_only_between_sessions()
    {
        _vfs.Mount("/", new StampedBackend(1));
        Assert.Equal(Errno.OK, _vfs.Init(Context, VfsOptions.DefaultFlags, out _));
        Assert.Equal(Errno.EBUSY, Refused("/", new StampedBackend(2)));
        Assert.Equal(Errno.EBUSY, Assert.Throws<VfsException>(() => _vfs.Unmount("/")).Error);
        _vfs.Destroy(Context);
        _vfs.Mount("/", new StampedBackend(2));
        Assert.Equal(Errno.OK, _vfs.GetAttr(Context, NodeId.Root, Handle.None, out AttrReply reply));
        Assert.Equal(2ul, reply.Attributes.Size);
    }

    [Fact]
    public void The_client_is_told_of_the_first_name_that_changes()
    {
        NotificationList told = new();
        _vfs.Attach(new SessionServices { Notifications = told });
        _vfs.Mount("/x/y/a", new StampedBackend(1));
        Assert.Equal(["entry 1 x", "inode 1"], told.Told);
        told.Told.Clear();

        Entry y = Find("/x/y");
        _vfs.Mount("/x/y/b", new StampedBackend(2));
        _vfs.Mount("/x/y/b", new StampedBackend(3));
        _vfs.Unmount("/x/y/b");
        string[] three = [$"entry {y.Node} b", $"inode {y.Node}"];
        Assert.Equal([.. three, .. three, .. three], told.Told);
        told.Told.Clear();

        _vfs.Unmount("/x/y/a");
        Assert.Equal(["entry 1 x", "inode 1"], told.Told);
        told.Told.Clear();

        Assert.Equal(Errno.EINVAL, Refused("y", new StampedBackend(1)));
        Assert.Empty(told.Told);
    }

    [Theory]
    [InlineData(UnmountMode.Detach)]
    [InlineData(UnmountMode.Revoke)]
    public void The_client_is_asked_to_let_go_of_what_it_does_not_use(UnmountMode mode)
    {
        NotificationList told = new();
        _vfs.Attach(new SessionServices { Notifications = told });
        Entry root = Find(_vfs.Mount("/a", new StampedBackend(1)).Path);
        NodeId[] held = [root.Node, .. Enumerable.Range(100, 1000).Select(i => Child(root, $"{i}").Node)];
        HashSet<NodeId> inUse = [held[500], root.Node];
        HashSet<NodeId> left = [.. held];
        told.OnPrune = nodes =>
        {
            lock (left)
            {
                _vfs.BatchForget(Context, [.. nodes.Where(node => !inUse.Contains(node) && left.Remove(node))
                    .Select(node => new ForgetItem(node, 1))]);
            }
        };
        VfsMount mount = _vfs.Unmount("/a", mode);
        Await(() => left.Count == 2);
        Assert.Equal(mode == UnmountMode.Detach ? 1ul : 0ul, StampOrNone(held[500]));
        inUse.Clear();
        _vfs.Release(Context, held[500], new Handle(1), default);
        Ended.Wait(mount);
        Await(() => left.Count == 0);
        Await(() => mount.IsOver);
    }

    [Fact]
    public void When_no_index_is_free_the_client_gets_a_moment_to_let_go()
    {
        NotificationList told = new();
        _vfs.Attach(new SessionServices { Notifications = told });
        HashSet<NodeId> left = [];
        for (int i = 0; i < 255; i++)
        {
            left.Add(Find(_vfs.Mount($"/{i}", new StampedBackend(i)).Path).Node);
            _vfs.Unmount($"/{i}");
        }

        Assert.Equal(Errno.ENOSPC, Refused("/new", new StampedBackend(1)));
        told.OnPrune = nodes =>
        {
            lock (left)
            {
                _vfs.BatchForget(
                    Context, [.. nodes.Where(left.Remove).Select(node => new ForgetItem(node, 1))]);
            }
        };
        _vfs.Mount("/new", new StampedBackend(1000));
        Assert.Equal(1000ul, StampOf(Find("/new")));
    }

    [Fact]
    public void What_a_mounted_file_system_tells_the_client_is_of_its_own_nodes()
    {
        NotificationList told = new();
        _vfs.Attach(new SessionServices { Notifications = told });
        StampedBackend before = new(1);
        StampedBackend after = new(2);
        VfsMount first = _vfs.Mount("/a", before);
        _vfs.Init(Context, VfsOptions.DefaultFlags, out _);
        VfsMount second = _vfs.Mount("/b", after);
        told.Told.Clear();
        foreach ((StampedBackend backend, VfsMount mount) in new[] { (before, first), (after, second) })
        {
            ulong index = (ulong)mount.Index << 56;
            INotificationSink sink = backend.Services.Notifications;
            sink.InvalidateInode(new NodeId(5), 0, 0);
            sink.InvalidateEntry(new NodeId(5), "n"u8);
            List<NodeId> pruned = [];
            told.OnPrune = pruned.AddRange;
            Assert.Equal(Errno.OK, sink.Prune([.. Enumerable.Range(1, 200).Select(i => new NodeId((ulong)i))]));
            Assert.Equal(Enumerable.Range(1, 200).Select(i => new NodeId(index + (ulong)i)), pruned);
            Assert.Equal([$"inode {index | 5}", $"entry {index | 5} n"], told.Told);
            told.Told.Clear();
        }

        told.OnPrune = null;
        Ended.Wait(_vfs.Unmount("/a"));
        told.Told.Clear();
        Assert.Equal(Errno.ENOTCONN, before.Services.Notifications.InvalidateInode(new NodeId(5), 0, 0));
        Assert.Empty(told.Told);
    }

    private static void Await(Func<bool> condition) => Assert.True(SpinWait.SpinUntil(condition, Ended.Patience));

    private ulong StampOrNone(NodeId node) =>
        _vfs.GetAttr(Context, node, Handle.None, out AttrReply reply) == Errno.OK ? reply.Attributes.Size : 0;

    private static NodeId RootOf(NodeId node) => new((node.Value >> 56 << 56) | 1);

    private Errno Refused(string path, StampedBackend backend)
    {
        VfsException e = Assert.Throws<VfsException>(() => _vfs.Mount(path, backend));
        Assert.EndsWith(".", e.Message.TrimEnd(')'), StringComparison.Ordinal);
        return e.Error;
    }

    private Entry Find(string path)
    {
        Assert.Equal(Errno.OK, _vfs.LookupPath(Context, path, out Entry entry));
        return entry;
    }

    private Entry Child(Entry parent, string name)
    {
        Assert.Equal(Errno.OK, _vfs.Lookup(Context, parent.Node, name, out Entry entry));
        return entry;
    }

    private ulong StampOf(Entry entry)
    {
        Assert.Equal(Errno.OK, _vfs.GetAttr(Context, entry.Node, Handle.None, out AttrReply reply));
        Assert.Equal(entry.Attributes.Ino, reply.Attributes.Ino);
        return reply.Attributes.Size;
    }
}
