using System;
using System.Linq;
using System.Threading;
using PassthroughFs.Core.Api;
using PassthroughFs.Paths;
using Xunit;

namespace PassthroughFs.Core.Tests.PathTrees;

/// <summary>What a file system by path does for whoever writes one.</summary>
public sealed class PathFileSystemTests
{
    private static readonly RequestContext s_context = new() { Pid = 1 };

    [Fact]
    public void Paths_beyond_the_limit_are_ENOMEM_until_others_are_forgotten()
    {
        using var fs = new TreeFileSystem(new PathFileSystemOptions { MaxNodes = 3 });
        Entry first = Mkdir(fs, "a");
        Mkdir(fs, "b");
        Assert.Equal(Errno.ENOMEM, Api(fs).Mkdir(s_context, NodeId.Root, "c", 0x1ED, 0, out _));
        Assert.Equal(Errno.ENOMEM, Api(fs).Lookup(s_context, NodeId.Root, "c", out _));
        Api(fs).Forget(s_context, first.Node, 1);
        Assert.Equal(Errno.OK, Api(fs).Lookup(s_context, NodeId.Root, "c", out _));
        Assert.Equal(3, fs.NodeCount);
    }

    [Fact]
    public void Files_beyond_the_limit_are_ENFILE_and_disposed_of()
    {
        using var fs = new TreeFileSystem(new PathFileSystemOptions { MaxOpenFiles = 1 });
        Entry file = Create(fs, "f", out OpenReply reply);
        Assert.Equal(Errno.ENFILE, Api(fs).Open(s_context, file.Node, 0, OpenRequestFlags.None, out _));
        Assert.Equal(Errno.ENFILE, Api(fs).OpenDir(s_context, NodeId.Root, 0, out _));
        Assert.Equal(Errno.OK, Api(fs).Release(s_context, file.Node, reply.Handle, default));
        Assert.Equal(Errno.OK, Api(fs).OpenDir(s_context, NodeId.Root, 0, out _));
    }

    [Fact]
    public void After_a_session_nothing_is_known_or_open()
    {
        using var fs = new TreeFileSystem();
        Create(fs, "f", out _);
        Entry directory = Mkdir(fs, "d");
        Assert.Equal(Errno.OK, Api(fs).OpenDir(s_context, directory.Node, 0, out _));
        Api(fs).Destroy(s_context);
        Assert.Equal((1, 0), (fs.NodeCount, fs.OpenCount));
        Assert.Equal(Errno.OK, Api(fs).Lookup(s_context, NodeId.Root, "f", out _));
    }

    [Fact]
    public void What_is_below_a_directory_that_is_gone_is_gone_and_holds_up_nobody()
    {
        using var fs = new LooseFileSystem();
        Entry a = Mkdir(fs, "a");
        Assert.Equal(Errno.OK, Api(fs).Mkdir(s_context, a.Node, "d", 0x1ED, 0, out Entry d));
        Assert.Equal(Errno.OK, Api(fs).Mkdir(s_context, d.Node, "sub", 0x1ED, 0, out Entry sub));
        Assert.Equal(Errno.OK, Api(fs).Rmdir(s_context, a.Node, "d"u8));
        Assert.Equal(Errno.ENOENT, Api(fs).Lookup(s_context, sub.Node, "x", out _));
        Assert.Equal(Errno.ENOENT, Api(fs).Rename(s_context, sub.Node, "x"u8, NodeId.Root, "y"u8, 0));
        Assert.Equal(Errno.OK, Api(fs).Rmdir(s_context, NodeId.Root, "a"u8));
    }

    [Fact]
    public void A_directory_is_no_file_to_unlink()
    {
        using var fs = new LooseFileSystem();
        Mkdir(fs, "d");
        Assert.Equal(Errno.EISDIR, Api(fs).Unlink(s_context, NodeId.Root, "d"u8));
        Create(fs, "f", out _);
        Assert.Equal(Errno.ENOTDIR, Api(fs).Rmdir(s_context, NodeId.Root, "f"u8));
    }

    [Fact]
    public void A_listings_later_pieces_have_the_attributes_of_then()
    {
        using var fs = new TreeFileSystem();
        Create(fs, "aa", out _);
        Entry file = Create(fs, "bb", out OpenReply open);
        Create(fs, "cc", out _);
        Assert.Equal(Errno.OK, Api(fs).OpenDir(s_context, NodeId.Root, 0, out OpenReply reply));
        var list = new DirectoryList(3);
        Api(fs).ReadDirPlus(s_context, NodeId.Root, reply.Handle, 0, list);
        Assert.Equal(Errno.OK, Api(fs).Write(s_context, file.Node, open.Handle, 0, "12345"u8, out _));
        Assert.Equal(Errno.OK, Api(fs).Unlink(s_context, NodeId.Root, "cc"u8));
        var rest = new DirectoryList();
        Api(fs).ReadDirPlus(s_context, NodeId.Root, reply.Handle, list.Offset, rest);
        Assert.Equal(["bb"], rest.Items.Select(item => item.Name));
        Assert.Equal(5UL, rest.Items[0].Entry.Attributes.Size);
    }

    [Fact]
    public void Listed_names_beyond_the_limit_are_ENOMEM_until_a_directory_is_closed()
    {
        using var fs = new TreeFileSystem(new PathFileSystemOptions { MaxListedNames = 3 });
        Mkdir(fs, "a");
        Mkdir(fs, "b");
        Assert.Equal(Errno.OK, Api(fs).OpenDir(s_context, NodeId.Root, 0, out OpenReply first));
        Assert.Equal(Errno.OK, Api(fs).OpenDir(s_context, NodeId.Root, 0, out OpenReply second));
        Assert.Equal(Errno.OK, Api(fs).ReadDir(s_context, NodeId.Root, first.Handle, 0, new DirectoryList()));
        Assert.Equal(Errno.OK, Api(fs).ReadDir(s_context, NodeId.Root, first.Handle, 0, new DirectoryList()));
        Assert.Equal(Errno.ENOMEM, Api(fs).ReadDir(s_context, NodeId.Root, second.Handle, 0, new DirectoryList()));
        Assert.Equal(Errno.OK, Api(fs).ReleaseDir(s_context, NodeId.Root, first.Handle, 0));
        Assert.Equal(Errno.OK, Api(fs).ReadDir(s_context, NodeId.Root, second.Handle, 0, new DirectoryList()));
    }

    [Fact]
    public void A_listing_without_room_for_one_name_is_no_empty_one()
    {
        using var fs = new TreeFileSystem();
        Mkdir(fs, "a");
        Assert.Equal(Errno.OK, Api(fs).OpenDir(s_context, NodeId.Root, 0, out OpenReply reply));
        for (ulong offset = 0; offset < 3; offset++)
        {
            Assert.Equal(
                Errno.EINVAL, Api(fs).ReadDir(s_context, NodeId.Root, reply.Handle, offset, new DirectoryList(0)));
        }

        Assert.Equal(Errno.OK, Api(fs).ReadDir(s_context, NodeId.Root, reply.Handle, 3, new DirectoryList(0)));
    }

    [Fact]
    public void Half_a_character_is_no_name_and_a_size_is_not_negative()
    {
        var listing = new PathListing();
        Assert.Throws<ArgumentException>(() => listing.Add("\uD800"));
        Assert.Throws<ArgumentException>(() => listing.Add(new string('ä', 128)));
        listing.Add(new string('ä', 127));
        Assert.Throws<ArgumentOutOfRangeException>(() => PathAttributes.File(-1));
    }

    [Fact]
    public void Attributes_without_a_type_are_said_to_who_gave_them()
    {
        using var fs = new LeastFileSystem { Mode = 0x1ED };
        var fault = Assert.Throws<InvalidOperationException>(
            () => Api(fs).GetAttr(s_context, NodeId.Root, Handle.None, out _));
        Assert.Contains("S_IFDIR", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_mode_that_is_refused_leaves_the_size()
    {
        using var fs = new StrictFileSystem();
        Entry file = Create(fs, "f", out OpenReply reply);
        Assert.Equal(Errno.OK, Api(fs).Write(s_context, file.Node, reply.Handle, 0, "12345"u8, out _));
        var request = new SetAttrRequest
        {
            Valid = SetAttrFields.FATTR_MODE | SetAttrFields.FATTR_SIZE | SetAttrFields.FATTR_FH,
            Handle = reply.Handle,
        };
        Assert.Equal(Errno.EPERM, Api(fs).SetAttr(s_context, file.Node, request, out _));
        Assert.Equal(Errno.OK, Api(fs).GetAttr(s_context, file.Node, Handle.None, out AttrReply now));
        Assert.Equal(5UL, now.Attributes.Size);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_file_that_throws_when_it_is_opened_is_closed_and_nothing_is_known_of_it(bool isMade)
    {
        using var fs = new SlowFileSystem();
        fs.File.Throws = true;
        NodeId node = NodeId.Root;
        if (!isMade)
        {
            Assert.Equal(Errno.OK, Api(fs).Lookup(s_context, NodeId.Root, "f", out Entry entry));
            node = entry.Node;
        }

        Assert.Throws<InvalidOperationException>(() => isMade
            ? Api(fs).Create(s_context, node, "f"u8, default, out _, out _)
            : Api(fs).Open(s_context, node, 0, OpenRequestFlags.None, out _));
        Api(fs).Forget(s_context, node, 1);
        Assert.True(fs.File.IsClosed);
        Assert.Equal((1, 0), (fs.NodeCount, fs.OpenCount));
    }

    [Fact]
    public void A_file_is_closed_after_the_calls_that_use_it()
    {
        using var fs = new SlowFileSystem();
        Assert.Equal(Errno.OK, Api(fs).Lookup(s_context, NodeId.Root, "f", out Entry file));
        Assert.Equal(Errno.OK, Api(fs).Open(s_context, file.Node, 0, OpenRequestFlags.None, out OpenReply reply));
        var reader = new Thread(() => Api(fs).Read(s_context, file.Node, reply.Handle, 0, new byte[1], out _));
        reader.Start();
        fs.File.Began.Wait(TestContext.Current.CancellationToken);
        Assert.Equal(Errno.OK, Api(fs).Release(s_context, file.Node, reply.Handle, default));
        Assert.False(fs.File.IsClosed);
        Assert.Equal(Errno.EBADF, Api(fs).Read(s_context, file.Node, reply.Handle, 0, new byte[1], out _));
        fs.File.MayEnd.Set();
        reader.Join();
        Assert.True(fs.File.IsClosed);
    }

    [Fact]
    public void A_name_that_is_not_UTF8_is_EILSEQ()
    {
        using var fs = new TreeFileSystem();
        Assert.Equal(Errno.EILSEQ, Api(fs).Lookup(s_context, NodeId.Root, [0xFF], out _));
        Assert.Equal(Errno.EILSEQ, Api(fs).Mkdir(s_context, NodeId.Root, [0xC3], 0x1ED, 0, out _));
        Assert.Equal(Errno.EILSEQ, Api(fs).Symlink(s_context, NodeId.Root, "l"u8, [0xFF], out _));
        Assert.Equal(1, fs.NodeCount);
    }

    [Fact]
    public void Whoever_goes_back_to_the_start_of_a_listing_sees_what_is_new()
    {
        using var fs = new TreeFileSystem();
        Mkdir(fs, "a");
        Assert.Equal(Errno.OK, Api(fs).OpenDir(s_context, NodeId.Root, 0, out OpenReply reply));
        var list = new DirectoryList(3);
        Api(fs).ReadDir(s_context, NodeId.Root, reply.Handle, 0, list);
        Assert.Equal([".", "..", "a"], list.Items.Select(item => item.Name));
        Mkdir(fs, "b");
        var rest = new DirectoryList();
        Api(fs).ReadDir(s_context, NodeId.Root, reply.Handle, list.Offset, rest);
        Assert.Empty(rest.Items);
        var again = new DirectoryList();
        Api(fs).ReadDir(s_context, NodeId.Root, reply.Handle, 0, again);
        Assert.Equal(4, again.Items.Count);
    }

    [Fact]
    public void A_path_is_free_again_after_an_exception()
    {
        using var fs = new ThrowingFileSystem();
        Entry directory = Mkdir(fs, "a");
        fs.Throws = true;
        Assert.Throws<InvalidOperationException>(
            () => Api(fs).GetAttr(s_context, directory.Node, Handle.None, out _));
        Assert.Throws<InvalidOperationException>(() => Api(fs).Lookup(s_context, directory.Node, "x", out _));
        fs.Throws = false;
        Assert.Equal(Errno.OK, Api(fs).Rename(s_context, NodeId.Root, "a"u8, NodeId.Root, "b"u8, 0));
        Assert.Equal(2, fs.NodeCount);
    }

    [Fact]
    public void What_is_not_overridden_is_a_read_only_file_system_without_attributes()
    {
        using var fs = new LeastFileSystem();
        Assert.Equal(Errno.EROFS, Api(fs).Mkdir(s_context, NodeId.Root, "d", 0x1ED, 0, out _));
        Assert.Equal(Errno.EROFS, Api(fs).Create(s_context, NodeId.Root, "f"u8, default, out _, out _));
        Assert.Equal(Errno.EROFS, Api(fs).Unlink(s_context, NodeId.Root, "f"u8));
        Assert.Equal(Errno.EROFS, Api(fs).Rmdir(s_context, NodeId.Root, "f"u8));
        Assert.Equal(Errno.EROFS, Api(fs).Rename(s_context, NodeId.Root, "f"u8, NodeId.Root, "g"u8, 0));
        Assert.Equal(Errno.EROFS, Api(fs).Symlink(s_context, NodeId.Root, "l"u8, "t"u8, out _));
        var mode = new SetAttrRequest { Valid = SetAttrFields.FATTR_MODE };
        Assert.Equal(Errno.EROFS, Api(fs).SetAttr(s_context, NodeId.Root, mode, out _));
        Assert.Equal(Errno.ENOSYS, Api(fs).GetXattr(s_context, NodeId.Root, "user.a"u8, [], out _));
        Assert.Equal(Errno.OK, Api(fs).Statfs(s_context, NodeId.Root, out StatfsReply reply));
        Assert.Equal(255U, reply.Namelen);
    }

    [Fact]
    public void A_directory_that_is_deeper_than_any_path_may_be_is_no_end()
    {
        using var fs = new TreeFileSystem();
        NodeId at = NodeId.Root;
        string name = new('d', 200);
        Errno error;
        int depth = 0;
        while ((error = Api(fs).Mkdir(s_context, at, name, 0x1ED, 0, out Entry entry)) == Errno.OK)
        {
            at = entry.Node;
            depth++;
        }

        Assert.Equal((Errno.ENAMETOOLONG, 20), (error, depth));
    }

    [Fact]
    public void A_path_that_is_known_costs_no_allocation()
    {
        using var fs = new LeastFileSystem();
        Assert.Equal(0, GetAttrs());

        long GetAttrs()
        {
            // The first ones compile.
            long before = 0;
            for (int i = 0; i < 20_000; i++)
            {
                before = i == 10_000 ? GC.GetAllocatedBytesForCurrentThread() : before;
                if (Api(fs).GetAttr(s_context, NodeId.Root, Handle.None, out _) != Errno.OK)
                {
                    return -1;
                }
            }

            return GC.GetAllocatedBytesForCurrentThread() - before;
        }
    }

    private static IFileSystem Api(IFileSystem fs) => fs;

    private static Entry Mkdir(PathFileSystem fs, string name)
    {
        Assert.Equal(Errno.OK, Api(fs).Mkdir(s_context, NodeId.Root, name, 0x1ED, 0, out Entry entry));
        return entry;
    }

    private static Entry Create(PathFileSystem fs, string name, out OpenReply reply)
    {
        var request = new CreateRequest { Flags = Linux.O_RDWR, Mode = 0x1A4 };
        byte[] bytes = System.Text.Encoding.UTF8.GetBytes(name);
        Assert.Equal(Errno.OK, Api(fs).Create(s_context, NodeId.Root, bytes, request, out Entry entry, out reply));
        return entry;
    }

    private sealed class ThrowingFileSystem : TreeFileSystem
    {
        public bool Throws { get; set; }

        protected override Errno GetAttributes(string path, out NodeAttributes attributes) =>
            Throws ? throw new InvalidOperationException() : base.GetAttributes(path, out attributes);
    }

    private sealed class StrictFileSystem : TreeFileSystem
    {
        protected override Errno SetAttributes(string path, in SetAttrRequest changes) => Errno.EPERM;
    }

    /// <summary>Takes a directory away with all there is in it, as one whose content changes behind its back.</summary>
    private sealed class LooseFileSystem : TreeFileSystem
    {
        protected override Errno RemoveDirectory(string path) => Errno.OK;
    }

    private sealed class SlowFileSystem : PathFileSystem
    {
        public SlowFile File { get; } = new();

        protected override Errno GetAttributes(string path, out NodeAttributes attributes)
        {
            attributes = PathAttributes.File(1);
            return Errno.OK;
        }

        protected override Errno List(string path, PathListing listing) => Errno.OK;

        protected override Errno Create(in RequestContext context, string path, uint mode, uint flags, out PathFile? file) =>
            Open(path, flags, out file);

        protected override Errno Open(string path, uint flags, out PathFile? file)
        {
            file = File;
            return Errno.OK;
        }
    }

    private sealed class SlowFile : PathFile
    {
        public bool Throws { get; set; }

        public override OpenReplyFlags ReplyFlags => Throws ? throw new InvalidOperationException() : default;

        public ManualResetEventSlim Began { get; } = new();

        public ManualResetEventSlim MayEnd { get; } = new();

        public bool IsClosed { get; private set; }

        public override Errno Read(long offset, Span<byte> buffer, out int count)
        {
            Began.Set();
            MayEnd.Wait();
            count = 0;
            return Errno.OK;
        }

        protected override void Dispose(bool disposing)
        {
            IsClosed = true;
            base.Dispose(disposing);
        }
    }

    private sealed class LeastFileSystem : PathFileSystem
    {
        public uint Mode { get; init; } = Linux.S_IFDIR | 0x1ED;

        protected override Errno GetAttributes(string path, out NodeAttributes attributes)
        {
            attributes = PathAttributes.Directory();
            attributes.Mode = Mode;
            return path == "/" ? Errno.OK : Errno.ENOENT;
        }

        protected override Errno List(string path, PathListing listing) => Errno.OK;

        protected override Errno Open(string path, uint flags, out PathFile? file)
        {
            file = null;
            return Errno.ENOENT;
        }
    }
}
