using System;
using System.Threading;
using PassthroughFs.Core.Api;
using PassthroughFs.Paths;
using Xunit;
using static PassthroughFs.Core.Tests.PathTrees.PathCalls;

namespace PassthroughFs.Core.Tests.PathTrees;

/// <summary>What a file system by path does for whoever writes one.</summary>
public sealed class PathFileSystemTests
{
    [Fact]
    public void Paths_beyond_the_limit_are_ENOMEM_until_others_are_forgotten()
    {
        using var fs = new TreeFileSystem(new PathFileSystemOptions { MaxNodes = 3 });
        Entry first = Mkdir(fs, "a");
        Mkdir(fs, "b");
        Assert.Equal(Errno.ENOMEM, Of(fs).Mkdir(Context, NodeId.Root, "c", 0x1ED, 0, out _));
        Assert.Equal(Errno.ENOMEM, Of(fs).Lookup(Context, NodeId.Root, "c", out _));
        Of(fs).Forget(Context, first.Node, 1);
        Assert.Equal(Errno.OK, Of(fs).Lookup(Context, NodeId.Root, "c", out _));
        Assert.Equal(3, fs.NodeCount);
    }

    [Fact]
    public void Files_beyond_the_limit_are_ENFILE_and_disposed_of()
    {
        using var fs = new TreeFileSystem(new PathFileSystemOptions { MaxOpenFiles = 1 });
        Entry file = Create(fs, "f", out OpenReply reply);
        Assert.Equal(Errno.ENFILE, Of(fs).Open(Context, file.Node, 0, OpenRequestFlags.None, out _));
        Assert.Equal(Errno.ENFILE, Of(fs).OpenDir(Context, NodeId.Root, 0, out _));
        Assert.Equal(Errno.OK, Of(fs).Release(Context, file.Node, reply.Handle, default));
        Assert.Equal(Errno.OK, Of(fs).OpenDir(Context, NodeId.Root, 0, out _));
    }

    [Fact]
    public void After_a_session_nothing_is_known_or_open()
    {
        using var fs = new TreeFileSystem();
        Create(fs, "f", out _);
        Entry directory = Mkdir(fs, "d");
        Assert.Equal(Errno.OK, Of(fs).OpenDir(Context, directory.Node, 0, out _));
        Of(fs).Destroy(Context);
        Assert.Equal((1, 0), (fs.NodeCount, fs.OpenCount));
        Assert.Equal(Errno.OK, Of(fs).Lookup(Context, NodeId.Root, "f", out _));
    }

    [Fact]
    public void What_is_below_a_directory_that_is_gone_is_gone_and_holds_up_nobody()
    {
        using var fs = new LooseFileSystem();
        Entry a = Mkdir(fs, "a");
        Assert.Equal(Errno.OK, Of(fs).Mkdir(Context, a.Node, "d", 0x1ED, 0, out Entry d));
        Assert.Equal(Errno.OK, Of(fs).Mkdir(Context, d.Node, "sub", 0x1ED, 0, out Entry sub));
        Assert.Equal(Errno.OK, Of(fs).Rmdir(Context, a.Node, "d"u8));
        Assert.Equal(Errno.ENOENT, Of(fs).Lookup(Context, sub.Node, "x", out _));
        Assert.Equal(Errno.ENOENT, Of(fs).Rename(Context, sub.Node, "x"u8, NodeId.Root, "y"u8, 0));
        Assert.Equal(Errno.OK, Of(fs).Rmdir(Context, NodeId.Root, "a"u8));
    }

    [Fact]
    public void A_directory_is_no_file_to_unlink()
    {
        using var fs = new LooseFileSystem();
        Mkdir(fs, "d");
        Assert.Equal(Errno.EISDIR, Of(fs).Unlink(Context, NodeId.Root, "d"u8));
        Create(fs, "f", out _);
        Assert.Equal(Errno.ENOTDIR, Of(fs).Rmdir(Context, NodeId.Root, "f"u8));
    }

    [Fact]
    public void Attributes_without_a_type_are_said_to_who_gave_them()
    {
        using var fs = new LeastFileSystem { Mode = 0x1ED };
        var fault = Assert.Throws<InvalidOperationException>(
            () => Of(fs).GetAttr(Context, NodeId.Root, Handle.None, out _));
        Assert.Contains("S_IFDIR", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_mode_that_is_refused_leaves_the_size()
    {
        using var fs = new StrictFileSystem();
        Entry file = Create(fs, "f", out OpenReply reply);
        Assert.Equal(Errno.OK, Of(fs).Write(Context, file.Node, reply.Handle, 0, "12345"u8, out _));
        var request = new SetAttrRequest
        {
            Valid = SetAttrFields.FATTR_MODE | SetAttrFields.FATTR_SIZE | SetAttrFields.FATTR_FH,
            Handle = reply.Handle,
        };
        Assert.Equal(Errno.EPERM, Of(fs).SetAttr(Context, file.Node, request, out _));
        Assert.Equal(Errno.OK, Of(fs).GetAttr(Context, file.Node, Handle.None, out AttrReply now));
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
            Assert.Equal(Errno.OK, Of(fs).Lookup(Context, NodeId.Root, "f", out Entry entry));
            node = entry.Node;
        }

        Assert.Throws<InvalidOperationException>(() => isMade
            ? Of(fs).Create(Context, node, "f"u8, default, out _, out _)
            : Of(fs).Open(Context, node, 0, OpenRequestFlags.None, out _));
        Of(fs).Forget(Context, node, 1);
        Assert.True(fs.File.IsClosed);
        Assert.Equal((1, 0), (fs.NodeCount, fs.OpenCount));
    }

    [Fact]
    public void What_a_rename_has_put_deeper_than_a_path_may_be_is_stale_and_comes_back()
    {
        using var fs = new TreeFileSystem();
        string name = new('d', 200);
        NodeId from = NodeId.Root;
        NodeId to = NodeId.Root;
        for (int i = 0; i < 15; i++)
        {
            from = Mkdir(fs, i == 0 ? "from" : name, from).Node;
            to = Mkdir(fs, i == 0 ? "to" : name, to).Node;
        }

        Assert.Equal(Errno.OK, Of(fs).Rename(Context, NodeId.Root, "from"u8, to, "from"u8, 0));
        Assert.Equal(Errno.ESTALE, Of(fs).GetAttr(Context, from, Handle.None, out _));
        Assert.Equal(Errno.ENOENT, Of(fs).Mkdir(Context, from, "x"u8, 0x1ED, 0, out _));
        Assert.Equal(Errno.OK, Of(fs).Rename(Context, to, "from"u8, NodeId.Root, "back"u8, 0));
        Assert.Equal(Errno.OK, Of(fs).GetAttr(Context, from, Handle.None, out _));
    }

    [Fact]
    public void A_read_ends_at_the_largest_offset_there_is()
    {
        using var fs = new SlowFileSystem();
        fs.File.MayEnd.Set();
        fs.File.IsEndless = true;
        Assert.Equal(Errno.OK, Of(fs).Lookup(Context, NodeId.Root, "f", out Entry file));
        Assert.Equal(Errno.OK, Of(fs).Open(Context, file.Node, 0, OpenRequestFlags.None, out OpenReply reply));
        Assert.Equal(
            Errno.OK,
            Of(fs).Read(Context, file.Node, reply.Handle, long.MaxValue - 4, new byte[16], out int count));
        Assert.Equal(4, count);
    }

    [Fact]
    public void Two_flags_of_a_rename_that_contradict_each_other_are_refused()
    {
        using var fs = new TreeFileSystem();
        Mkdir(fs, "a");
        Mkdir(fs, "b");
        Assert.Equal(
            Errno.EINVAL,
            Of(fs).Rename(
                Context, NodeId.Root, "a"u8, NodeId.Root, "b"u8, Linux.RENAME_NOREPLACE | Linux.RENAME_EXCHANGE));
    }

    [Fact]
    public void A_file_is_closed_after_the_calls_that_use_it()
    {
        using var fs = new SlowFileSystem();
        Assert.Equal(Errno.OK, Of(fs).Lookup(Context, NodeId.Root, "f", out Entry file));
        Assert.Equal(Errno.OK, Of(fs).Open(Context, file.Node, 0, OpenRequestFlags.None, out OpenReply reply));
        var reader = new Thread(() => Of(fs).Read(Context, file.Node, reply.Handle, 0, new byte[1], out _));
        reader.Start();
        fs.File.Began.Wait(TestContext.Current.CancellationToken);
        Assert.Equal(Errno.OK, Of(fs).Release(Context, file.Node, reply.Handle, default));
        Assert.False(fs.File.IsClosed);
        Assert.Equal(Errno.EBADF, Of(fs).Read(Context, file.Node, reply.Handle, 0, new byte[1], out _));
        fs.File.MayEnd.Set();
        reader.Join();
        Assert.True(fs.File.IsClosed);
    }

    [Fact]
    public void A_name_that_is_not_UTF8_is_EILSEQ()
    {
        using var fs = new TreeFileSystem();
        Assert.Equal(Errno.EILSEQ, Of(fs).Lookup(Context, NodeId.Root, [0xFF], out _));
        Assert.Equal(Errno.EILSEQ, Of(fs).Mkdir(Context, NodeId.Root, [0xC3], 0x1ED, 0, out _));
        Assert.Equal(Errno.EILSEQ, Of(fs).Symlink(Context, NodeId.Root, "l"u8, [0xFF], out _));
        Assert.Equal(1, fs.NodeCount);
    }

    [Fact]
    public void A_path_is_free_again_after_an_exception()
    {
        using var fs = new ThrowingFileSystem();
        Entry directory = Mkdir(fs, "a");
        fs.Throws = true;
        Assert.Throws<InvalidOperationException>(
            () => Of(fs).GetAttr(Context, directory.Node, Handle.None, out _));
        Assert.Throws<InvalidOperationException>(() => Of(fs).Lookup(Context, directory.Node, "x", out _));
        fs.Throws = false;
        Assert.Equal(Errno.OK, Of(fs).Rename(Context, NodeId.Root, "a"u8, NodeId.Root, "b"u8, 0));
        Assert.Equal(2, fs.NodeCount);
    }

    [Fact]
    public void What_is_not_overridden_is_a_read_only_file_system_without_attributes()
    {
        using var fs = new LeastFileSystem();
        Assert.Equal(Errno.EROFS, Of(fs).Mkdir(Context, NodeId.Root, "d", 0x1ED, 0, out _));
        Assert.Equal(Errno.EROFS, Of(fs).Create(Context, NodeId.Root, "f"u8, default, out _, out _));
        Assert.Equal(Errno.EROFS, Of(fs).Unlink(Context, NodeId.Root, "f"u8));
        Assert.Equal(Errno.EROFS, Of(fs).Rmdir(Context, NodeId.Root, "f"u8));
        Assert.Equal(Errno.EROFS, Of(fs).Rename(Context, NodeId.Root, "f"u8, NodeId.Root, "g"u8, 0));
        Assert.Equal(Errno.EROFS, Of(fs).Symlink(Context, NodeId.Root, "l"u8, "t"u8, out _));
        var mode = new SetAttrRequest { Valid = SetAttrFields.FATTR_MODE };
        Assert.Equal(Errno.EROFS, Of(fs).SetAttr(Context, NodeId.Root, mode, out _));
        Assert.Equal(Errno.ENOSYS, Of(fs).GetXattr(Context, NodeId.Root, "user.a"u8, [], out _));
        Assert.Equal(Errno.OK, Of(fs).Statfs(Context, NodeId.Root, out StatfsReply reply));
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
        while ((error = Of(fs).Mkdir(Context, at, name, 0x1ED, 0, out Entry entry)) == Errno.OK)
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
                if (Of(fs).GetAttr(Context, NodeId.Root, Handle.None, out _) != Errno.OK)
                {
                    return -1;
                }
            }

            return GC.GetAllocatedBytesForCurrentThread() - before;
        }
    }
}
