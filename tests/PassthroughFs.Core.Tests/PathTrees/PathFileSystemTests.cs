using System;
using System.Linq;
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

    private sealed class LeastFileSystem : PathFileSystem
    {
        protected override Errno GetAttributes(string path, out NodeAttributes attributes)
        {
            attributes = PathAttributes.Directory();
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
