using System;
using System.Collections.Generic;
using System.Linq;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Passthrough;
using PassthroughFs.Core.Vfs;
using Xunit;

namespace PassthroughFs.Core.Tests.Mounts;

/// <summary>The directories down to the mounts, and the numbers that a client shows.</summary>
public sealed class VfsDirectoryTests : DescriptorCheck
{
    private readonly HostDirectory _directory = new();
    private readonly Vfs.Vfs _vfs = new(new VfsOptions { NegativeTimeout = TimeSpan.FromSeconds(7) });

    private static RequestContext Context => default;

    [Fact]
    public void They_are_listed_with_what_lookups_and_attributes_say()
    {
        _vfs.Mount("/x/a", new StampedBackend(1));
        _vfs.Mount("/x/b/c", new StampedBackend(2));
        _vfs.Mount("/top", new StampedBackend(3));
        Assert.Equal([".", "..", "x", "top"], Names("/"));
        Assert.Equal([".", "..", "a", "b"], Names("/x"));
        Assert.Equal([".", "..", "c"], Names("/x/b"));
        foreach (string path in new[] { "/", "/x", "/x/b" })
        {
            Entry directory = Find(path);
            Assert.True(Linux.S_ISDIR(directory.Attributes.Mode));
            Assert.Equal(directory.Node.Value, directory.Attributes.Ino);
            DirectoryList names = new();
            DirectoryList nodes = new();
            Assert.Equal(Errno.OK, _vfs.ReadDir(Context, directory.Node, default, 0, names));
            Assert.Equal(Errno.OK, _vfs.ReadDirPlus(Context, directory.Node, default, 0, nodes));
            Assert.Equal(names.Items.Select(i => (i.Name, i.Ino)), nodes.Items.Select(i => (i.Name, i.Ino)));
            foreach (DirectoryList.Item item in nodes.Items)
            {
                _vfs.Lookup(Context, directory.Node, item.Name, out Entry entry);
                Assert.Equal(item.Ino, entry.Attributes.Ino);
                if (!item.Name.StartsWith('.'))
                {
                    Assert.Equal(entry.Node, item.Entry.Node);
                    Assert.Equal(item.Ino, item.Entry.Attributes.Ino);
                }
            }
        }
    }

    [Fact]
    public void They_vanish_with_the_last_mount_below()
    {
        _vfs.Mount("/x/y/a", new StampedBackend(1));
        _vfs.Mount("/x/b", new StampedBackend(2));
        Entry y = Find("/x/y");
        _vfs.Unmount("/x/y/a");
        Assert.Equal([".", "..", "b"], Names("/x"));
        Assert.Equal(Errno.ESTALE, _vfs.GetAttr(Context, y.Node, default, out _));
        Assert.Equal(Errno.ESTALE, _vfs.ReadDir(Context, y.Node, default, 0, new DirectoryList()));
        _vfs.Mount("/x/y/a", new StampedBackend(1));
        Assert.NotEqual(y.Node, Find("/x/y").Node);
        _vfs.Unmount("/x/y/a");
        _vfs.Unmount("/x/b");
        Assert.Equal([".", ".."], Names("/"));
    }

    [Fact]
    public void A_listing_goes_on_where_it_was_whatever_comes_and_goes()
    {
        for (int i = 0; i < 10; i++)
        {
            _vfs.Mount($"/{i}", new StampedBackend(i));
        }

        List<string> seen = [];
        ulong cookie = 0;
        for (int step = 0; ; step++)
        {
            DirectoryList one = new(1);
            Assert.Equal(Errno.OK, _vfs.ReadDirPlus(Context, NodeId.Root, default, cookie, one));
            if (one.Items.Count == 0)
            {
                break;
            }

            seen.Add(one.Items[0].Name);
            cookie = one.Offset;
            switch (step)
            {
                case 3:
                    _vfs.Unmount("/0");
                    _vfs.Unmount("/1");
                    _vfs.Mount("/5", new StampedBackend(50));
                    break;
                case 6:
                    _vfs.Mount("/new", new StampedBackend(60));
                    break;
            }
        }

        Assert.Equal([".", "..", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "new"], seen);
        Assert.Equal(Errno.EINVAL, _vfs.ReadDir(Context, NodeId.Root, default, 0, new DirectoryList(0)));
    }

    [Fact]
    public void A_root_that_was_not_delivered_is_not_held()
    {
        StampedBackend a = new(1);
        VfsMount mount = _vfs.Mount("/a", a);
        Assert.Equal(Errno.OK, _vfs.ReadDirPlus(Context, NodeId.Root, default, 0, new DirectoryList(2)));
        Entry root = Find("/a");
        DirectoryList three = new(3);
        Assert.Equal(Errno.OK, _vfs.ReadDirPlus(Context, root.Node, default, 0, three));
        Assert.Equal((1ul, 0ul), (a.Held(11), a.Held(12)));
        _vfs.Unmount("/a");
        _vfs.Forget(Context, three.Items[2].Entry.Node, 1);
        Assert.False(mount.Released.IsCompleted);
        _vfs.Forget(Context, root.Node, 1);
        Ended.Wait(mount);
    }

    [Fact]
    public void Nothing_can_be_changed_in_them()
    {
        _vfs.Mount("/x/a", new StampedBackend(1));
        NodeId root = NodeId.Root;
        Assert.Equal(Errno.EBUSY, _vfs.Rmdir(Context, root, "x"));
        Assert.Equal(Errno.EBUSY, _vfs.Rmdir(Context, Find("/x").Node, "a"));
        Assert.Equal(Errno.EBUSY, _vfs.Unlink(Context, root, "x"));
        Assert.Equal(Errno.EBUSY, _vfs.Rename(Context, root, "x", root, "y"));
        Assert.Equal(Errno.ENOENT, _vfs.Rmdir(Context, root, "none"));
        Assert.Equal(Errno.ENOENT, _vfs.Rename(Context, root, "none", root, "y"));
        Assert.Equal(Errno.EEXIST, _vfs.Mkdir(Context, root, "x", 0, 0, out _));
        Assert.Equal(Errno.EROFS, _vfs.Mkdir(Context, root, "new", 0, 0, out _));
        Assert.Equal(Errno.EROFS, _vfs.Create(Context, root, "new", default, out _, out _));
        Assert.Equal(Errno.EROFS, _vfs.Symlink(Context, root, "new", "x", out _));
        Assert.Equal(Errno.EROFS, _vfs.Mknod(Context, root, "new", 0, 0, 0, out _));
        Assert.Equal(Errno.EROFS, _vfs.SetAttr(Context, root, default, out _));
        Assert.Equal(Errno.EROFS, _vfs.Access(Context, root, Linux.W_OK));
        Assert.Equal(Errno.OK, _vfs.Access(Context, root, Linux.X_OK));
        Assert.Equal(Errno.EISDIR, _vfs.Open(Context, root, 0, default, out _));
        Assert.Equal(Errno.EOPNOTSUPP, _vfs.GetXattr(Context, root, "user.a"u8, default, out _));
    }

    [Fact]
    public void Names_are_looked_up_as_anywhere()
    {
        Assert.Equal(Errno.EINVAL, _vfs.Lookup(Context, NodeId.Root, "", out _));
        Assert.Equal(Errno.EINVAL, _vfs.Lookup(Context, NodeId.Root, "a/b", out _));
        Assert.Equal(Errno.EINVAL, _vfs.Lookup(Context, NodeId.Root, "a\0", out _));
        Assert.Equal(Errno.ENAMETOOLONG, _vfs.Lookup(Context, NodeId.Root, new string('x', 256), out _));
        Assert.Equal(Errno.OK, _vfs.Lookup(Context, NodeId.Root, "none", out Entry none));
        Assert.Equal((NodeId.None, TimeSpan.FromSeconds(7)), (none.Node, none.EntryTimeout));
        Assert.Equal(Errno.OK, _vfs.Lookup(Context, NodeId.Root, "..", out Entry parent));
        Assert.Equal(NodeId.Root, parent.Node);
    }

    [Fact]
    public void The_parent_of_a_mounts_root_is_the_directory_it_is_in()
    {
        _vfs.Mount("/x/a", new StampedBackend(1));
        Entry x = Find("/x");
        Entry root = Find("/x/a");
        Assert.Equal(Errno.OK, _vfs.Lookup(Context, root.Node, "..", out Entry parent));
        Assert.Equal((x.Node, x.Attributes.Ino), (parent.Node, parent.Attributes.Ino));
        DirectoryList list = new();
        _vfs.ReadDir(Context, root.Node, default, 0, list);
        Assert.Equal([root.Attributes.Ino, x.Attributes.Ino], list.Items.Take(2).Select(item => item.Ino));

        // Further down it is the file system's own business.
        _vfs.Lookup(Context, root.Node, "11", out Entry child);
        _vfs.Lookup(Context, child.Node, "..", out Entry up);
        Assert.Equal(root.Node, up.Node);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Two_mounts_of_one_directory_never_show_the_same_inode(bool useHostIno)
    {
        _directory.File("f");
        _directory.Folder("d");
        using PassthroughFileSystem a = Passthrough(useHostIno);
        using PassthroughFileSystem b = Passthrough(useHostIno);
        _vfs.Mount("/a", a);
        _vfs.Mount("/b", b);
        Assert.Equal(Errno.OK, _vfs.Init(Context, (InitFlags)ulong.MaxValue, out _));
        HashSet<ulong> inos = [];
        HashSet<ulong> nodes = [];
        foreach (string path in new[] { "/", "/a", "/b", "/a/f", "/b/f", "/a/d", "/b/d" })
        {
            Entry entry = Find(path);
            _vfs.GetAttr(Context, entry.Node, default, out AttrReply attributes);
            _vfs.Statx(Context, entry.Node, default, 0, 0x7ff, out StatxReply statx);
            Assert.Equal(entry.Attributes.Ino, attributes.Attributes.Ino);
            Assert.Equal(entry.Attributes.Ino, statx.Ino);
            Assert.True(inos.Add(entry.Attributes.Ino), path);
            Assert.True(nodes.Add(entry.Node.Value), path);
            if (path.Length == 4)
            {
                Entry parent = Find(path[..2]);
                DirectoryList list = new();
                Assert.Equal(Errno.OK, _vfs.OpenDir(Context, parent.Node, 0, out OpenReply open));
                Assert.Equal(Errno.OK, _vfs.ReadDirPlus(Context, parent.Node, open.Handle, 0, list));
                DirectoryList.Item item = list.Items.Single(i => i.Name == path[3..]);
                Assert.Equal((entry.Attributes.Ino, entry.Node), (item.Ino, item.Entry.Node));
                _vfs.ReleaseDir(Context, parent.Node, open.Handle, 0);
            }
        }

        _vfs.Destroy(Context);
    }

    [Fact]
    public void A_host_number_of_64_bits_stays_apart_from_its_neighbours()
    {
        _vfs.Mount("/a", new StampedBackend(1));
        MountSlot slot = _vfs.Mounts[0].Slot;
        ulong[] host = [1, 2, 1ul << 47, (1ul << 63) | 1, (1ul << 63) | 2, (3ul << 56) | 1, ulong.MaxValue];
        ulong[] shown = [.. host.Select(slot.ShownIno)];
        Assert.Equal(host.Length, shown.Distinct().Count());
        Assert.All(shown, ino => Assert.Equal(1ul, ino >> 56));
    }

    [Fact]
    public void Each_mount_has_its_own_statfs_and_all_are_synced_by_the_root()
    {
        Counting a = new(new StampedBackend(1), 10, Errno.EIO);
        Counting b = new(new StampedBackend(2), 20, Errno.OK);
        _vfs.Mount("/a", a);
        _vfs.Mount("/b", b);
        Assert.Equal(Errno.OK, _vfs.Statfs(Context, Find("/a").Node, out StatfsReply first));
        Assert.Equal(Errno.OK, _vfs.Statfs(Context, Find("/b").Node, out StatfsReply second));
        Assert.Equal(Errno.OK, _vfs.Statfs(Context, NodeId.Root, out StatfsReply root));
        Assert.Equal((10ul, 20ul, 0ul, 255u), (first.Blocks, second.Blocks, root.Blocks, root.Namelen));
        Assert.Equal(Errno.EIO, _vfs.SyncFs(Context, NodeId.Root));
        Assert.Equal((1, 1), (a.Syncs, b.Syncs));
    }

    protected override void Cleanup() => _directory.Dispose();

    private string[] Names(string path)
    {
        DirectoryList list = new();
        Assert.Equal(Errno.OK, _vfs.ReadDir(Context, Find(path).Node, default, 0, list));
        return [.. list.Items.Select(item => item.Name)];
    }

    private Entry Find(string path)
    {
        Assert.Equal(Errno.OK, _vfs.LookupPath(Context, path, out Entry entry));
        return entry;
    }

    private PassthroughFileSystem Passthrough(bool useHostIno) => new(new PassthroughConfig
    {
        RootDir = _directory.Path,
        DoImport = false,
        UseHostIno = useHostIno,
    });

    private sealed class Counting(IFileSystem inner, ulong blocks, Errno sync) : DelegatingFileSystem(inner)
    {
        public int Syncs { get; private set; }

        public override Errno Statfs(in RequestContext context, NodeId node, out StatfsReply reply)
        {
            reply = new StatfsReply { Blocks = blocks };
            return Errno.OK;
        }

        public override Errno SyncFs(in RequestContext context, NodeId node)
        {
            Syncs++;
            return sync;
        }
    }
}
