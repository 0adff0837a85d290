using System.Collections.Generic;
using System.IO;
using System.Text;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Passthrough;
using Xunit;

namespace PassthroughFs.Core.Tests.Passthrough;

/// <summary>Nodes that a client names by number alone, after it has forgotten them.</summary>
public sealed class ExportTests : DescriptorCheck
{
    private readonly HostDirectory _directory = new();

    public ExportTests() => Privileges.RequireRoot();

    public static TheoryData<InodeFileHandles, bool> Modes => new()
    {
        { InodeFileHandles.Never, false },
        { InodeFileHandles.Never, true },
        { InodeFileHandles.Prefer, false },
        { InodeFileHandles.Mandatory, true },
    };

    [Theory, MemberData(nameof(Modes))]
    public void A_forgotten_node_is_found_again_by_its_number(InodeFileHandles handles, bool useHostIno)
    {
        _directory.Folder("d");
        _directory.File("d/f", "content");
        using PassthroughFileSystem fs = New(handles, useHostIno);
        Entry directory = Lookup(fs, "d");
        Entry file = Lookup(fs, "d/f");
        Forget(fs, directory, file);
        Assert.Equal(Errno.EBADF, fs.GetAttr(default, file.Node, Handle.None, out _));

        Entry again = LookupByNode(fs, file.Node);
        Assert.Equal((file.Node, file.Generation), (again.Node, again.Generation));
        Assert.Equal(file.Attributes, again.Attributes);
        Assert.Equal(1ul, fs.Inodes.LookupCount(file.Node));
        Assert.Equal("content", Read(fs, file.Node));
        Assert.Equal(directory.Node, LookupByNode(fs, directory.Node).Node);
        Assert.Equal(Errno.OK, fs.Lookup(default, directory.Node, "f", out Entry byName));
        Assert.Equal(file.Node, byName.Node);
        Assert.Equal(2ul, fs.Inodes.LookupCount(file.Node));

        // While it lives it is named so, too: the forget may be on its way still.
        Assert.Equal(file.Generation, LookupByNode(fs, file.Node).Generation);
        Assert.Equal(3ul, fs.Inodes.LookupCount(file.Node));
    }

    [Theory, MemberData(nameof(Modes))]
    public void Dotdot_of_a_forgotten_directory_leads_up_to_the_root(InodeFileHandles handles, bool useHostIno)
    {
        _directory.Folder("a");
        _directory.Folder("a/b");
        using PassthroughFileSystem fs = New(handles, useHostIno);
        Entry a = Lookup(fs, "a");
        Entry b = Lookup(fs, "a/b");
        Forget(fs, a, b);
        Assert.Equal(Errno.OK, fs.Lookup(default, b.Node, "..", out Entry up));
        Assert.Equal((a.Node, a.Generation), (up.Node, up.Generation));
        Assert.Equal(0ul, fs.Inodes.LookupCount(b.Node));
        Assert.Equal(Errno.OK, fs.Lookup(default, a.Node, "..", out Entry root));
        Assert.Equal(NodeId.Root, root.Node);
        Assert.Equal(0ul, root.Generation);
    }

    [Theory, MemberData(nameof(Modes))]
    public void A_deleted_file_is_stale_and_its_number_means_no_other(InodeFileHandles handles, bool useHostIno)
    {
        string path = _directory.File("f", "old");
        using PassthroughFileSystem fs = New(handles, useHostIno);
        Entry file = Lookup(fs, "f");
        Forget(fs, file);
        File.Delete(path);
        Assert.Equal(Errno.ESTALE, fs.Lookup(default, file.Node, ".", out _));
        Assert.Equal(0, fs.Inodes.RememberedCount);
        _directory.File("f", "new");
        Entry other = Lookup(fs, "f");
        Assert.NotEqual((file.Node, file.Generation), (other.Node, other.Generation));
        if (other.Node != file.Node)
        {
            Assert.Equal(Errno.ESTALE, fs.Lookup(default, file.Node, ".", out _));
        }
    }

    [Fact]
    public void A_file_that_is_deleted_and_kept_by_somebody_is_stale()
    {
        string path = _directory.File("f");
        using PassthroughFileSystem fs = New();
        Entry file = Lookup(fs, "f");
        Forget(fs, file);
        using FileStream open = File.OpenRead(path);
        File.Delete(path);
        Assert.Equal(Errno.ESTALE, fs.Lookup(default, file.Node, ".", out _));
    }

    [Fact]
    public void A_number_that_was_never_given_is_stale_and_without_export_support_no_node()
    {
        _directory.File("f");
        using PassthroughFileSystem fs = New();
        Assert.Equal(Errno.ESTALE, fs.Lookup(default, new NodeId(77), ".", out _));
        Assert.Equal(Errno.ESTALE, fs.Lookup(default, new NodeId(77), "..", out _));
        Assert.Equal(Errno.EBADF, fs.Lookup(default, new NodeId(77), "f", out _));
        using var without = new PassthroughFileSystem(new PassthroughConfig { RootDir = _directory.Path });
        Assert.Equal(Errno.OK, without.Import());
        Entry file = Lookup(without, "f");
        Assert.Equal(0ul, file.Generation);
        Forget(without, file);
        Assert.Equal(Errno.EBADF, without.Lookup(default, file.Node, ".", out _));
    }

    [Fact]
    public void The_client_gets_export_support_only_if_it_is_on()
    {
        using PassthroughFileSystem fs = New();
        Assert.Equal(Errno.OK, fs.Init(default, (InitFlags)ulong.MaxValue, out InitFlags accepted));
        Assert.True(accepted.HasFlag(InitFlags.FUSE_EXPORT_SUPPORT));
        Assert.False(accepted.HasFlag(InitFlags.FUSE_NO_EXPORT_SUPPORT));
        using var without = new PassthroughFileSystem(new PassthroughConfig { RootDir = _directory.Path });
        Assert.Equal(Errno.OK, without.Init(default, (InitFlags)ulong.MaxValue, out accepted));
        Assert.False(accepted.HasFlag(InitFlags.FUSE_EXPORT_SUPPORT));
        Assert.True(accepted.HasFlag(InitFlags.FUSE_NO_EXPORT_SUPPORT));
    }

    [Fact]
    public void A_directory_that_was_moved_outside_while_it_was_forgotten_is_stale_until_it_is_back()
    {
        string inside = _directory.Folder("d");
        using var elsewhere = new HostDirectory();
        using PassthroughFileSystem fs = New();
        Entry directory = Lookup(fs, "d");
        Forget(fs, directory);
        string outside = Path.Combine(elsewhere.Path, "d");
        Directory.Move(inside, outside);
        Assert.Equal(Errno.ESTALE, fs.Lookup(default, directory.Node, ".", out _));
        Directory.Move(outside, inside);
        Assert.Equal(directory.Node, LookupByNode(fs, directory.Node).Node);
    }

    [Theory, MemberData(nameof(Modes))]
    public void Every_entry_of_an_inode_has_the_same_generation_and_another_inode_another(
        InodeFileHandles handles, bool useHostIno)
    {
        using PassthroughFileSystem fs = New(handles, useHostIno);
        var request = new CreateRequest { Flags = Linux.O_RDWR, Mode = 0x180 };
        Assert.Equal(Errno.OK, fs.Create(default, NodeId.Root, "f", request, out Entry made, out OpenReply open));
        fs.Release(default, made.Node, open.Handle, default);
        Assert.NotEqual(0ul, made.Generation);
        Assert.Equal(made.Generation, Lookup(fs, "f").Generation);
        Assert.Equal(Errno.OK, fs.Link(default, made.Node, NodeId.Root, "link", out Entry link));
        Assert.Equal(made.Generation, link.Generation);
        Assert.Equal(Errno.OK, fs.Mkdir(default, NodeId.Root, "d", 0x1c0, 0, out Entry directory));
        Assert.NotEqual(0ul, directory.Generation);
        Assert.NotEqual(made.Generation, directory.Generation);
        Assert.InRange(made.Generation, 1ul, uint.MaxValue);
        Assert.Equal(Errno.OK, fs.Symlink(default, NodeId.Root, "s", "target", out Entry symlink));
        Forget(fs, symlink);
        Assert.Equal(symlink.Generation, LookupByNode(fs, symlink.Node).Generation);

        var listed = new Dictionary<string, ulong>();
        Assert.Equal(Errno.OK, fs.OpenDir(default, NodeId.Root, 0, out open));
        var list = new DirectoryList(1000);
        Assert.Equal(Errno.OK, fs.ReadDirPlus(default, NodeId.Root, open.Handle, 0, list));
        foreach (DirectoryList.Item item in list.Items)
        {
            listed[item.Name] = item.Entry.Generation;
        }

        fs.ReleaseDir(default, NodeId.Root, open.Handle, 0);
        Assert.Equal(made.Generation, listed["f"]);
        Assert.Equal(made.Generation, listed["link"]);
        Assert.Equal(directory.Generation, listed["d"]);
        Assert.Equal(symlink.Generation, listed["s"]);
    }

    [Fact]
    public void A_node_costs_one_descriptor_and_what_is_remembered_none()
    {
        for (int i = 0; i < 50; i++)
        {
            _directory.File($"{i}");
        }

        using PassthroughFileSystem fs = New();
        int before = Count;
        var entries = new Entry[50];
        for (int i = 0; i < entries.Length; i++)
        {
            entries[i] = Lookup(fs, $"{i}");
        }

        Assert.Equal(before + entries.Length, Count);
        Forget(fs, entries);
        Assert.Equal(before, Count);
        Assert.Equal(entries.Length, fs.Inodes.RememberedCount);
    }

    [Theory]
    [InlineData(InodeFileHandles.Never, false)]
    [InlineData(InodeFileHandles.Prefer, true)]
    public void A_lookup_of_a_known_file_asks_for_its_handle_only_where_it_has_no_descriptor(
        InodeFileHandles handles, bool asks)
    {
        _directory.File("f");
        using PassthroughFileSystem fs = New(handles);
        Entry file = Lookup(fs, "f");
        var reached = new List<string>();
        Interleaving.Set(reached.Add);
        try
        {
            Assert.Equal(Errno.OK, fs.Lookup(default, NodeId.Root, "f", out Entry again));
            Assert.Equal(file.Node, again.Node);
        }
        finally
        {
            Interleaving.Set(null);
        }

        Assert.Contains("LookupAt: knows the identity", reached);
        Assert.Equal(asks, reached.Contains("LookupAt: knows the handle"));
        Assert.DoesNotContain("LookupFd: described", reached);
    }

    [Fact]
    public void Only_so_many_are_found_again_as_are_remembered()
    {
        using PassthroughFileSystem fs = New(retained: 2);
        var entries = new Entry[3];
        for (int i = 0; i < entries.Length; i++)
        {
            _directory.File($"{i}");
            entries[i] = Lookup(fs, $"{i}");
        }

        Forget(fs, entries);
        Assert.Equal(Errno.ESTALE, fs.Lookup(default, entries[0].Node, ".", out _));
        Assert.Equal(entries[1].Node, LookupByNode(fs, entries[1].Node).Node);
        Assert.Equal(entries[2].Node, LookupByNode(fs, entries[2].Node).Node);
    }

    [Fact]
    public void A_mount_is_found_again_only_if_it_is_that_mount()
    {
        string real = _directory.Folder("real");
        _directory.Folder("real/x");
        _directory.Folder("real/y");
        _directory.File("real/x/f", "x");
        _directory.File("real/y/f", "y");
        _directory.Folder("a");
        using TestMount mount = TestMount.Bind(Path.Combine(real, "x"), Path.Combine(_directory.Path, "a/m"));
        using PassthroughFileSystem fs = New();
        int before = Count;
        Entry above = Lookup(fs, "a");
        Entry root = Lookup(fs, "a/m");
        Entry file = Lookup(fs, "a/m/f");
        Forget(fs, file, root, above);
        Assert.Equal(before, Count);
        Assert.Equal(file.Node, LookupByNode(fs, file.Node).Node);
        Assert.Equal("x", Read(fs, file.Node));
        Forget(fs, file);

        // The client renames the directory above it; then there is nothing, a directory of its own, a link to the mount.
        Assert.Equal(Errno.OK, fs.Rename(default, NodeId.Root, "a", NodeId.Root, "b"));
        mount.Path = Path.Combine(_directory.Path, "b/m");
        Assert.Equal(Errno.ESTALE, fs.Lookup(default, file.Node, ".", out _));
        string other = _directory.Folder("a/m");
        Assert.Equal(Errno.ESTALE, fs.Lookup(default, file.Node, ".", out _));
        Directory.Delete(other);

        // The directory that the mount begins at, by the mount that it is in.
        Directory.Move(Path.Combine(real, "x"), other);
        Assert.Equal(Errno.ESTALE, fs.Lookup(default, file.Node, ".", out _));
        Directory.Move(other, Path.Combine(real, "x"));
        Directory.CreateSymbolicLink(other, mount.Path);
        Assert.Equal(Errno.ESTALE, fs.Lookup(default, file.Node, ".", out _));
        File.Delete(other);

        // Another mount of the same file system.
        using (TestMount.Bind(Path.Combine(real, "y"), other))
        {
            Assert.Equal(Errno.ESTALE, fs.Lookup(default, file.Node, ".", out _));
        }

        Directory.Delete(other);
        Directory.Delete(Path.Combine(_directory.Path, "a"));
        Assert.Equal(Errno.OK, fs.Rename(default, NodeId.Root, "b", NodeId.Root, "a"));
        mount.Path = Path.Combine(_directory.Path, "a/m");
        Assert.Equal(file.Node, LookupByNode(fs, file.Node).Node);
        Assert.Equal("x", Read(fs, file.Node));
        Assert.Equal(Errno.OK, fs.Lookup(default, root.Node, "..", out Entry up));
        Assert.Equal(above.Node, up.Node);
        fs.Forget(default, file.Node, 1);
    }

    [Theory, MemberData(nameof(Modes))]
    public void Nodes_outlive_the_end_of_a_session(InodeFileHandles handles, bool useHostIno)
    {
        _directory.File("live", "live");
        _directory.File("forgotten");
        using PassthroughFileSystem fs = New(handles, useHostIno);
        Entry live = Lookup(fs, "live");
        Entry forgotten = Lookup(fs, "forgotten");
        Forget(fs, forgotten);
        fs.Destroy(default);
        Assert.Equal(1, fs.Inodes.Count);
        Assert.Equal(live.Generation, LookupByNode(fs, live.Node).Generation);
        Assert.Equal(forgotten.Node, LookupByNode(fs, forgotten.Node).Node);
        Assert.Equal("live", Read(fs, live.Node));
    }

    [Theory]
    [InlineData("LookupByNode: does not live")]
    [InlineData("LookupRemembered: opened")]
    public void Two_who_name_a_forgotten_node_get_the_same(string point)
    {
        _directory.File("f");
        using PassthroughFileSystem fs = New();
        Entry file = Lookup(fs, "f");
        Forget(fs, file);
        Entry other = default;
        Entry entry;
        using (new Races.AtPoint(point, () => other = LookupByNode(fs, file.Node)))
        {
            entry = LookupByNode(fs, file.Node);
        }

        Assert.Equal(file.Node, entry.Node);
        Assert.Equal(file.Node, other.Node);
        Assert.Equal(2ul, fs.Inodes.LookupCount(file.Node));
    }

    [Fact]
    public void A_node_that_gets_another_number_while_it_is_named_by_the_old_one_is_stale()
    {
        _directory.File("f");
        _directory.File("g");
        using PassthroughFileSystem fs = New(retained: 1);
        Entry file = Lookup(fs, "f");
        Entry other = Lookup(fs, "g");
        Forget(fs, file);
        Errno result;
        Entry now = default;
        using (new Races.AtPoint("LookupRemembered: opened", () =>
        {
            Forget(fs, other);
            now = Lookup(fs, "f");
        }))
        {
            result = fs.Lookup(default, file.Node, ".", out _);
        }

        Assert.Equal(Errno.ESTALE, result);
        Assert.NotEqual(file.Node, now.Node);
        Assert.Equal(1ul, fs.Inodes.LookupCount(now.Node));
    }

    protected override void Cleanup() => _directory.Dispose();

    private static Entry Lookup(PassthroughFileSystem fs, string path)
    {
        Assert.Equal(Errno.OK, fs.LookupPath(default, path, out Entry entry));
        return entry;
    }

    private static Entry LookupByNode(PassthroughFileSystem fs, NodeId node)
    {
        Assert.Equal(Errno.OK, fs.Lookup(default, node, ".", out Entry entry));
        return entry;
    }

    private static void Forget(PassthroughFileSystem fs, params Entry[] entries)
    {
        foreach (Entry entry in entries)
        {
            fs.Forget(default, entry.Node, 1);
            Assert.Equal(0ul, fs.Inodes.LookupCount(entry.Node));
        }
    }

    private static string Read(PassthroughFileSystem fs, NodeId node)
    {
        Assert.Equal(Errno.OK, fs.Open(default, node, Linux.O_RDONLY, 0, out OpenReply open));
        byte[] buffer = new byte[100];
        Assert.Equal(Errno.OK, fs.Read(default, node, open.Handle, 0, buffer, out int length));
        Assert.Equal(Errno.OK, fs.Release(default, node, open.Handle, default));
        return Encoding.UTF8.GetString(buffer, 0, length);
    }

    private PassthroughFileSystem New(
        InodeFileHandles handles = InodeFileHandles.Never, bool useHostIno = false, int retained = 1000)
    {
        var fs = new PassthroughFileSystem(new PassthroughConfig
        {
            RootDir = _directory.Path,
            InodeFileHandles = handles,
            UseHostIno = useHostIno,
            RetainedMappings = retained,
            ExportSupport = true,
        });
        Assert.Equal(Errno.OK, fs.Import());
        return fs;
    }
}
