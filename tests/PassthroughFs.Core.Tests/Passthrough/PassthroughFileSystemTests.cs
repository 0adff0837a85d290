using System;
using System.IO;
using System.Linq;
using System.Text;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Passthrough;
using Xunit;

namespace PassthroughFs.Core.Tests.Passthrough;

public sealed class PassthroughFileSystemTests : DescriptorCheck
{
    private const InitFlags Everything = (InitFlags)ulong.MaxValue;

    private readonly HostDirectory _directory = new();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Under_a_front_that_has_negotiated_no_open_its_word_counts(bool noOpen)
    {
        using var fs = New(config => (config.DoImport, config.NoOpen) = (false, noOpen));
        Assert.Equal(Errno.OK, fs.Import());
        _directory.File("f");
        InitFlags offered = noOpen ? InitFlags.FUSE_NO_OPEN_SUPPORT : InitFlags.None;
        Assert.Equal(Errno.OK, fs.Init(default, offered, out InitFlags accepted));
        Assert.Equal(offered, accepted);
        Assert.Equal(Errno.OK, fs.Lookup(default, NodeId.Root, "f", out Entry entry));
        Errno opened = fs.Open(default, entry.Node, Linux.O_RDONLY, 0, out OpenReply reply);
        Assert.Equal(noOpen ? Errno.ENOSYS : Errno.OK, opened);
        byte[] buffer = new byte[4];
        Assert.Equal(Errno.OK, fs.Read(default, entry.Node, reply.Handle, 0, buffer, out int read));
        Assert.Equal(0, read);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Holes_are_the_clients_business_where_it_writes_back(bool underFront)
    {
        using var fs = New(config => (config.DoImport, config.Writeback) = (!underFront, true));
        Assert.Equal(Errno.OK, fs.Import());
        _directory.File("f", "content");
        foreach (bool offered in new[] { true, false })
        {
            Assert.Equal(Errno.OK, fs.Init(default, offered ? InitFlags.FUSE_WRITEBACK_CACHE : 0, out _));
            Assert.Equal(Errno.OK, fs.Lookup(default, NodeId.Root, "f", out Entry entry));
            Assert.Equal(Errno.OK, fs.Open(default, entry.Node, Linux.O_RDONLY, 0, out OpenReply reply));
            foreach (uint whence in new uint[] { Linux.SEEK_DATA, Linux.SEEK_HOLE })
            {
                Errno result = fs.Lseek(default, entry.Node, reply.Handle, 0, whence, out ulong found);
                Assert.Equal(offered ? Errno.ENOSYS : Errno.OK, result);
                Assert.Equal(!offered && whence == Linux.SEEK_HOLE ? 7ul : 0, found);
            }
        }
    }

    [Fact]
    public void Only_what_is_configured_and_offered_is_accepted()
    {
        using var plain = New();
        Assert.Equal(Errno.OK, plain.Init(default, Everything, out InitFlags accepted));
        InitFlags optional = InitFlags.FUSE_WRITEBACK_CACHE | InitFlags.FUSE_NO_OPEN_SUPPORT |
            InitFlags.FUSE_NO_OPENDIR_SUPPORT | InitFlags.FUSE_HANDLE_KILLPRIV_V2 | InitFlags.FUSE_HAS_INODE_DAX |
            InitFlags.FUSE_SUBMOUNTS | InitFlags.FUSE_POSIX_ACL;
        Assert.Equal(InitFlags.None, accepted & optional);
        Assert.True(accepted.HasFlag(InitFlags.FUSE_DO_READDIRPLUS | InitFlags.FUSE_READDIRPLUS_AUTO));
        Assert.True(accepted.HasFlag(InitFlags.FUSE_ATOMIC_O_TRUNC));

        using var all = New(config =>
        {
            config.CachePolicy = CachePolicy.Always;
            config.Writeback = config.NoOpen = config.NoOpendir = config.KillprivV2 = config.AnnounceSubmounts = true;
            config.Xattr = config.PosixAcl = true;
            config.DaxFileSize = 0;
            config.Readdirplus = false;
        });
        Assert.Equal(Errno.OK, all.Init(default, Everything, out accepted));
        Assert.Equal(optional, accepted & optional);

        // Without opens there is none that could truncate.
        Assert.False(accepted.HasFlag(InitFlags.FUSE_ATOMIC_O_TRUNC));
        Assert.Equal(InitFlags.None, accepted & (InitFlags.FUSE_DO_READDIRPLUS | InitFlags.FUSE_READDIRPLUS_AUTO));
        Assert.Equal(Errno.OK, all.Init(default, InitFlags.None, out accepted));
        Assert.Equal(InitFlags.None, accepted);
    }

    [Theory]
    [InlineData(InodeFileHandles.Never)]
    [InlineData(InodeFileHandles.Prefer)]
    public void Attributes_come_with_the_configured_timeout(InodeFileHandles handles)
    {
        _directory.Folder("d");
        _directory.File("d/f");
        using var fs = New(config =>
        {
            config.InodeFileHandles = handles;
            config.AttrTimeout = TimeSpan.FromSeconds(3);
        });
        fs.Import();
        Assert.Equal(Errno.OK, fs.LookupPath(default, "d/f", out Entry entry));
        Assert.Equal(Errno.OK, fs.GetAttr(default, entry.Node, Handle.None, out AttrReply reply));
        Assert.Equal(TimeSpan.FromSeconds(3), reply.Timeout);
        fs.Destroy(default);
        Assert.Equal(Errno.EBADF, fs.GetAttr(default, entry.Node, Handle.None, out _));
        Assert.Equal(Errno.OK, fs.GetAttr(default, NodeId.Root, Handle.None, out _));
    }

    [Fact]
    public void Directories_have_timeouts_of_their_own()
    {
        _directory.Folder("d");
        _directory.File("d/f");
        using var fs = New(config =>
        {
            config.CachePolicy = CachePolicy.Never;
            config.EntryTimeout = config.AttrTimeout = TimeSpan.Zero;
            config.DirEntryTimeout = TimeSpan.FromSeconds(1);
            config.DirAttrTimeout = TimeSpan.FromSeconds(2);
        });
        fs.Import();
        Assert.Equal(Errno.OK, fs.Lookup(default, NodeId.Root, "d", out Entry directory));
        Assert.Equal(TimeSpan.FromSeconds(1), directory.EntryTimeout);
        Assert.Equal(TimeSpan.FromSeconds(2), directory.AttributesTimeout);
        Assert.Equal(Errno.OK, fs.Lookup(default, directory.Node, "f", out Entry file));
        Assert.Equal(TimeSpan.Zero, file.EntryTimeout);
        Assert.Equal(TimeSpan.Zero, file.AttributesTimeout);
    }

    [Fact]
    public void A_missing_name_is_an_error_or_an_entry_to_remember()
    {
        using var plain = New();
        plain.Import();
        Assert.Equal(Errno.ENOENT, plain.Lookup(default, NodeId.Root, "none", out _));
        using var cached = New(config => config.NegativeTimeout = TimeSpan.FromSeconds(4));
        cached.Import();
        Assert.Equal(Errno.OK, cached.Lookup(default, NodeId.Root, "none", out Entry entry));
        Assert.Equal(NodeId.None, entry.Node);
        Assert.Equal(TimeSpan.FromSeconds(4), entry.EntryTimeout);
    }

    [Fact]
    public void The_roots_parent_is_the_root()
    {
        using var fs = New();
        fs.Import();
        Assert.Equal(Errno.OK, fs.Lookup(default, NodeId.Root, "..", out Entry entry));
        Assert.Equal(NodeId.Root, entry.Node);
    }

    [Theory]
    [InlineData(Linux.S_IFREG, true)]
    [InlineData(Linux.S_IFDIR, true)]
    [InlineData(Linux.S_IFBLK, false)]
    [InlineData(Linux.S_IFCHR, false)]
    [InlineData(Linux.S_IFIFO, false)]
    [InlineData(Linux.S_IFLNK, false)]
    [InlineData(Linux.S_IFSOCK, false)]
    public void Only_regular_files_and_directories_may_be_opened(uint type, bool isSafe) =>
        Assert.Equal(isSafe, PassthroughFileSystem.IsSafe(type | 0x1ff));

    [Theory]
    [InlineData(true, Linux.O_RDWR, Linux.O_RDWR)]
    [InlineData(true, Linux.O_RDONLY, Linux.O_RDONLY)]
    [InlineData(true, Linux.O_WRONLY, Linux.O_RDWR)]
    [InlineData(true, Linux.O_RDWR | Linux.O_APPEND, Linux.O_RDWR)]
    [InlineData(true, Linux.O_RDONLY | Linux.O_APPEND, Linux.O_RDONLY)]
    [InlineData(true, Linux.O_WRONLY | Linux.O_APPEND, Linux.O_RDWR)]
    [InlineData(false, Linux.O_RDWR, Linux.O_RDWR)]
    [InlineData(false, Linux.O_RDONLY, Linux.O_RDONLY)]
    [InlineData(false, Linux.O_WRONLY, Linux.O_WRONLY)]
    [InlineData(false, Linux.O_RDWR | Linux.O_APPEND, Linux.O_RDWR | Linux.O_APPEND)]
    [InlineData(false, Linux.O_RDONLY | Linux.O_APPEND, Linux.O_RDONLY | Linux.O_APPEND)]
    [InlineData(false, Linux.O_WRONLY | Linux.O_APPEND, Linux.O_WRONLY | Linux.O_APPEND)]
    public void Under_writeback_files_are_readable_and_the_client_appends(bool writeback, uint flags, uint expected)
    {
        using var fs = New(config => config.Writeback = writeback);
        fs.Init(default, Everything, out _);
        Assert.Equal(expected, fs.WritebackFlags(flags));
    }

    [Fact]
    public void Under_writeback_a_file_opened_for_writing_can_be_read()
    {
        _directory.File("old", "text");
        using var fs = New(config => config.Writeback = true);
        fs.Init(default, Everything, out _);
        var request = new CreateRequest { Flags = Linux.O_WRONLY, Mode = 0x1a4 };
        Assert.Equal(Errno.OK, fs.Create(default, NodeId.Root, "new", request, out Entry entry, out OpenReply reply));
        byte[] buffer = new byte[4];
        Assert.Equal(Errno.OK, fs.Read(default, entry.Node, reply.Handle, 0, buffer, out int read));
        Assert.Equal(0, read);
        Assert.Equal(Errno.OK, fs.Lookup(default, NodeId.Root, "old", out entry));
        Assert.Equal(Errno.OK, fs.Open(default, entry.Node, Linux.O_WRONLY, 0, out reply));
        Assert.Equal(Errno.OK, fs.Read(default, entry.Node, reply.Handle, 0, buffer, out read));
        Assert.Equal("text", Encoding.UTF8.GetString(buffer, 0, read));
    }

    [Theory]
    [InlineData(InodeFileHandles.Never)]
    [InlineData(InodeFileHandles.Prefer)]
    public void A_file_that_was_forgotten_is_the_same_node_again(InodeFileHandles handles)
    {
        ulong ino = Ino(_directory.File("f"));
        using var counted = New(config => config.InodeFileHandles = handles);
        counted.Import();
        for (int i = 0; i < 2; i++)
        {
            Assert.Equal(Errno.OK, counted.Lookup(default, NodeId.Root, "f", out Entry entry));
            Assert.Equal(new NodeId(2), entry.Node);
            counted.Forget(default, entry.Node, 1);
        }

        using var numbered = New(config => (config.InodeFileHandles, config.UseHostIno) = (handles, true));
        numbered.Import();
        for (int i = 0; i < 2; i++)
        {
            Assert.Equal(Errno.OK, numbered.Lookup(default, NodeId.Root, "f", out Entry entry));
            Assert.Equal(ino, entry.Node.Value & InodeAllocator.MaxHostIno);
            numbered.Forget(default, entry.Node, 1);
        }

        Assert.Equal(0, numbered.Inodes.RememberedCount);
    }

    [Theory]
    [InlineData(
        CachePolicy.Never, OpenReplyFlags.FOPEN_DIRECT_IO | OpenReplyFlags.FOPEN_PARALLEL_DIRECT_WRITES,
        OpenReplyFlags.None)]
    [InlineData(
        CachePolicy.Metadata, OpenReplyFlags.FOPEN_DIRECT_IO | OpenReplyFlags.FOPEN_PARALLEL_DIRECT_WRITES,
        OpenReplyFlags.FOPEN_CACHE_DIR | OpenReplyFlags.FOPEN_KEEP_CACHE)]
    [InlineData(CachePolicy.Auto, OpenReplyFlags.None, OpenReplyFlags.None)]
    [InlineData(
        CachePolicy.Always, OpenReplyFlags.FOPEN_KEEP_CACHE,
        OpenReplyFlags.FOPEN_KEEP_CACHE | OpenReplyFlags.FOPEN_CACHE_DIR)]
    public void An_open_says_what_to_cache(CachePolicy policy, OpenReplyFlags file, OpenReplyFlags directory)
    {
        _directory.File("f");
        using var fs = New(config => config.CachePolicy = policy);
        fs.Import();
        fs.Lookup(default, NodeId.Root, "f", out Entry entry);
        Assert.Equal(Errno.OK, fs.Open(default, entry.Node, Linux.O_RDWR, 0, out OpenReply reply));
        Assert.Equal(file | FlushKind.Of(_directory.Path), reply.Flags);
        Assert.Equal(Errno.OK, fs.Create(default, NodeId.Root, "new"u8, default, out _, out reply));
        Assert.Equal(FlushKind.Of(_directory.Path), reply.Flags & OpenReplyFlags.FOPEN_NOFLUSH);
        Assert.Equal(Errno.OK, fs.Open(default, entry.Node, Linux.O_RDONLY, 0, out reply));
        Assert.Equal(file | OpenReplyFlags.FOPEN_NOFLUSH, reply.Flags);
        Assert.Equal(Errno.OK, fs.OpenDir(default, NodeId.Root, 0, out reply));
        Assert.Equal(directory, reply.Flags);
    }

    [Theory]
    [InlineData(CachePolicy.Auto, true, false, true)]
    [InlineData(CachePolicy.Always, true, false, true)]
    [InlineData(CachePolicy.Auto, false, false, false)]
    [InlineData(CachePolicy.Always, true, true, false)]
    public void Who_reads_directly_is_not_asked_for_attributes_first(
        CachePolicy policy, bool mayMap, bool writeback, bool expected)
    {
        _directory.File("f");
        using var fs = New(config => (config.CachePolicy, config.Writeback) = (policy, writeback));
        InitFlags offered = InitFlags.FUSE_WRITEBACK_CACHE | (mayMap ? InitFlags.FUSE_DIRECT_IO_ALLOW_MMAP : 0);
        Assert.Equal(Errno.OK, fs.Init(default, offered, out _));
        fs.Lookup(default, NodeId.Root, "f", out Entry entry);
        const OpenReplyFlags Direct = OpenReplyFlags.FOPEN_DIRECT_IO | OpenReplyFlags.FOPEN_PARALLEL_DIRECT_WRITES;
        Assert.Equal(Errno.OK, fs.Open(default, entry.Node, Linux.O_RDWR | Linux.O_DIRECT, 0, out OpenReply reply));
        Assert.Equal(expected ? Direct : OpenReplyFlags.None, reply.Flags & Direct);
        Assert.Equal(Errno.OK, fs.Open(default, entry.Node, Linux.O_RDWR, 0, out reply));
        Assert.Equal(OpenReplyFlags.None, reply.Flags & Direct);
    }

    [Fact]
    public void Where_a_close_may_do_something_the_client_tells_of_it()
    {
        // A file system that is not known to do nothing, and is everywhere.
        Privileges.RequireRoot();
        using var fs = new PassthroughFileSystem(new PassthroughConfig { RootDir = "/proc/sys/kernel" });
        fs.Import();
        Assert.Equal(Errno.OK, fs.Lookup(default, NodeId.Root, "hostname", out Entry entry));
        for (int i = 0; i < 2; i++)
        {
            Assert.Equal(Errno.OK, fs.Open(default, entry.Node, Linux.O_RDWR, 0, out OpenReply reply));
            Assert.Equal(OpenReplyFlags.FOPEN_DIRECT_IO, reply.Flags);
        }
    }

    [Theory]
    [InlineData(null, 10, false)]
    [InlineData(0L, 0, true)]
    [InlineData(5L, 4, false)]
    [InlineData(5L, 5, true)]
    public void Dax_is_for_files_of_the_configured_size_on(long? daxFileSize, int size, bool expected)
    {
        _directory.File("f", new string('x', size));
        _directory.Folder("d");
        using var fs = New(config => config.DaxFileSize = daxFileSize);
        fs.Init(default, Everything, out _);
        fs.Lookup(default, NodeId.Root, "f", out Entry entry);
        Assert.Equal(expected, entry.Attributes.Flags.HasFlag(NodeAttributeFlags.FUSE_ATTR_DAX));
        fs.Lookup(default, NodeId.Root, "d", out entry);
        Assert.Equal(NodeAttributeFlags.None, entry.Attributes.Flags);
        fs.Init(default, Everything & ~InitFlags.FUSE_HAS_INODE_DAX, out _);
        fs.Lookup(default, NodeId.Root, "f", out entry);
        Assert.Equal(NodeAttributeFlags.None, entry.Attributes.Flags);
    }

    [Fact]
    public void Without_readdir_every_directory_looks_empty()
    {
        _directory.File("f");
        using var fs = New(config => config.NoReaddir = true);
        fs.Import();
        Assert.Equal(Errno.OK, fs.OpenDir(default, NodeId.Root, 0, out OpenReply reply));
        var list = new DirectoryList();
        Assert.Equal(Errno.OK, fs.ReadDir(default, NodeId.Root, reply.Handle, 0, list));
        Assert.Empty(list.Items);

        // Empty to whoever has opened it, and to nobody else.
        Assert.Equal(Errno.EBADF, fs.ReadDir(default, new NodeId(99), reply.Handle, 0, list));
        Assert.Equal(Errno.EBADF, fs.ReadDirPlus(default, NodeId.Root, new Handle(reply.Handle.Value + 1), 0, list));
        Assert.Equal(Errno.OK, fs.ReleaseDir(default, NodeId.Root, reply.Handle, 0));
        Assert.Equal(Errno.EBADF, fs.ReadDir(default, NodeId.Root, reply.Handle, 0, list));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(1000)]
    public void A_listing_in_pieces_is_complete_and_counts_what_it_delivers(int piece)
    {
        string[] names = [.. Enumerable.Range(0, 50).Select(i => $"file-{i}")];
        Array.ForEach(names, name => _directory.File(name));
        using var fs = New();
        fs.Import();
        fs.OpenDir(default, NodeId.Root, 0, out OpenReply reply);
        var seen = new System.Collections.Generic.List<DirectoryList.Item>();
        ulong offset = 0;
        while (true)
        {
            var list = new DirectoryList(piece);
            Assert.Equal(Errno.OK, fs.ReadDirPlus(default, NodeId.Root, reply.Handle, offset, list));
            if (list.Items.Count == 0)
            {
                break;
            }

            seen.AddRange(list.Items);
            offset = list.Offset;
        }

        Assert.Equal([.. names.Concat([".", ".."]).Order()], seen.Select(item => item.Name).Order());
        Assert.Equal(51, fs.Inodes.Count);
        Assert.All(seen, item => Assert.Equal(
            item.Name.StartsWith('.') ? 0ul : 1ul, fs.Inodes.LookupCount(item.Entry.Node)));
    }

    [Fact]
    public void A_nodes_host_path_can_be_read()
    {
        string path = _directory.File("f");
        using var fs = New();
        fs.Import();
        fs.Lookup(default, NodeId.Root, "f", out Entry entry);
        Assert.Equal(Errno.OK, fs.ReadLinkOfNode(entry.Node, out string found));
        Assert.Equal(path, found);
        Assert.Equal(Errno.EBADF, fs.ReadLinkOfNode(new NodeId(99), out _));
    }

    [Fact]
    public void A_missing_root_is_an_error_and_nothing_is_served()
    {
        using var fs = New(config => config.RootDir = Path.Combine(_directory.Path, "none"));
        Assert.Equal(Errno.ENOENT, fs.Init(default, Everything, out _));
        Assert.Equal(Errno.EBADF, fs.GetAttr(default, NodeId.Root, Handle.None, out _));
        _directory.File("none");
        Assert.Equal(Errno.ENOTDIR, fs.Import());
    }

    [Theory]
    [InlineData(InodeFileHandles.Never)]
    [InlineData(InodeFileHandles.Prefer)]
    public void A_root_that_is_gone_when_a_session_ends_serves_nothing_until_it_is_back(InodeFileHandles handles)
    {
        string root = _directory.Folder("root");
        using var fs = New(config => (config.RootDir, config.InodeFileHandles) = (root, handles));
        Assert.Equal(Errno.OK, fs.Init(default, Everything, out _));
        Directory.Delete(root);
        fs.Destroy(default);
        Assert.Equal(Errno.EBADF, fs.GetAttr(default, NodeId.Root, Handle.None, out _));
        Assert.Equal(Errno.EBADF, fs.Lookup(default, NodeId.Root, "f", out _));
        Assert.Equal(0, fs.Inodes.Count);
        Assert.Equal(Errno.ENOENT, fs.Init(default, Everything, out _));
        _directory.Folder("root");
        _directory.File("root/f");
        Assert.Equal(Errno.OK, fs.Init(default, Everything, out _));
        Assert.Equal(Errno.OK, fs.Lookup(default, NodeId.Root, "f", out _));
    }

    [Fact]
    public void By_handle_a_link_is_found_also_where_nothing_else_is_held()
    {
        Privileges.RequireRoot();
        File.CreateSymbolicLink(Path.Combine(_directory.Path, "link"), "target");
        using var fs = New(config => config.InodeFileHandles = InodeFileHandles.Mandatory);
        Assert.Equal(Errno.OK, fs.Import());
        Assert.Equal(Errno.OK, fs.Lookup(default, NodeId.Root, "link", out Entry link));
        using HostInode inode = fs.Inodes.Get(link.Node);
        Assert.Equal(-1, inode.Fd);
    }

    protected override void Cleanup() => _directory.Dispose();

    private static ulong Ino(string path)
    {
        using var fs = new PassthroughFileSystem(new PassthroughConfig { RootDir = Path.GetDirectoryName(path)! });
        fs.Import();
        fs.Lookup(default, NodeId.Root, Path.GetFileName(path), out Entry entry);
        return entry.Attributes.Ino;
    }

    private PassthroughFileSystem New(Action<PassthroughConfig>? configure = null)
    {
        var config = new PassthroughConfig { RootDir = _directory.Path };
        configure?.Invoke(config);
        return new PassthroughFileSystem(config);
    }
}
