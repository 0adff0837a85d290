using System.IO;
using System.Threading;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;
using PassthroughFs.Core.Passthrough;
using Xunit;

namespace PassthroughFs.Core.Tests.Races;

/// <summary>Descriptors of inodes that are closed at the worst moment of a request.</summary>
public sealed class AdaptiveInterleavingTests : DescriptorCheck
{
    private readonly HostDirectory _directory = new();

    [Fact]
    public void An_inode_that_comes_and_becomes_a_handle_while_it_is_looked_up_is_one_node()
    {
        Privileges.RequireRoot();
        _directory.File("f");
        Fill(20);
        using PassthroughFileSystem fs = New();
        Entry other = default;
        Entry entry;
        using (new AtPoint("LookupFd: described", () =>
        {
            other = Lookup(fs, "f");
            LookupAll(fs, 20);
            Assert.False(HasFd(fs, other.Node));
        }))
        {
            entry = Lookup(fs, "f");
        }

        Assert.Equal(other.Node, entry.Node);
        Assert.Equal(2ul, fs.Inodes.LookupCount(entry.Node));
        Assert.Equal(Errno.OK, fs.GetAttr(default, entry.Node, Handle.None, out AttrReply reply));
        Assert.Equal(entry.Attributes.Ino, reply.Attributes.Ino);
    }

    [Theory]
    [InlineData("InodeStore.TryLookup: found")]
    [InlineData("InodeStore.TryLookup: pinned")]
    public void An_inode_that_becomes_a_handle_while_it_is_found_is_one_node(string point)
    {
        Privileges.RequireRoot();
        _directory.File("f");
        Fill(20);
        using PassthroughFileSystem fs = New();
        Entry first = Lookup(fs, "f");
        Entry entry;
        using (new AtPoint(point, () => LookupAll(fs, 20)))
        {
            entry = Lookup(fs, "f");
        }

        Assert.Equal(first.Node, entry.Node);
        Assert.Equal(2ul, fs.Inodes.LookupCount(entry.Node));
    }

    [Theory]
    [InlineData("CloseCold: picked")]
    [InlineData("TryClose: has the handle")]
    public void An_inode_that_is_forgotten_while_its_descriptor_is_closed_is_gone_and_closed(string point)
    {
        Privileges.RequireRoot();
        Fill(20);
        using PassthroughFileSystem fs = New();
        Entry first = Lookup(fs, "f0");
        Lookup(fs, "f1");
        using (new AtPoint(point, () => fs.Forget(default, first.Node, 1)))
        {
            Lookup(fs, "f2");
            Lookup(fs, "f3");
        }

        Assert.Equal(0ul, fs.Inodes.LookupCount(first.Node));
        Assert.False(fs.Inodes.IsClosing);
        Assert.Equal(first.Node, Lookup(fs, "f0").Node);
    }

    [Theory]
    [InlineData("CloseCold: picked")]
    [InlineData("TryClose: has the handle")]
    public void A_descriptor_that_a_request_uses_is_not_closed(string point)
    {
        Privileges.RequireRoot();
        Fill(20);
        using PassthroughFileSystem fs = New();
        Entry first = Lookup(fs, "f0");
        Lookup(fs, "f1");
        using var began = new ManualResetEventSlim();
        using var ends = new ManualResetEventSlim();
        var user = new Thread(() =>
        {
            using HostInode inode = fs.Inodes.Get(first.Node);
            int fd = inode.Fd;
            began.Set();
            ends.Wait();
            Assert.Equal(fd, inode.Fd);
            Assert.True(Sys.Fcntl(fd, Constants.F_GETFL, 0) >= 0);
        });
        using (new AtPoint(point, () =>
        {
            user.Start();
            began.Wait();
        }))
        {
            Lookup(fs, "f2");
            Lookup(fs, "f3");
        }

        Assert.True(HasFd(fs, first.Node));
        ends.Set();
        user.Join();

        // Let go of, it is closed in its turn.
        LookupAll(fs, 20);
        Assert.False(HasFd(fs, first.Node));
        Assert.True(fs.HeldFds <= ConfigExtensions.TinyBudget);
    }

    [Theory]
    [InlineData("CloseCold: picked")]
    [InlineData("TryClose: has the handle")]
    public void Two_threads_that_close_descriptors_close_none_twice(string point)
    {
        Privileges.RequireRoot();
        Fill(40);
        using PassthroughFileSystem fs = New();
        LookupAll(fs, 2);
        using (new AtPoint(point, () => LookupAll(fs, 40)))
        {
            Lookup(fs, "f2");
            Lookup(fs, "f3");
        }

        Assert.True(fs.HeldFds <= ConfigExtensions.TinyBudget);
        Assert.False(fs.Inodes.IsClosing);
        LookupAll(fs, 40);
    }

    [Fact]
    public void A_file_that_is_deleted_while_its_descriptor_is_closed_is_stale_and_no_other()
    {
        Privileges.RequireRoot();
        Fill(20);
        using PassthroughFileSystem fs = New();
        Entry first = Lookup(fs, "f0");
        Lookup(fs, "f1");
        using (new AtPoint("TryClose: has the handle", () => File.Delete(Path.Combine(_directory.Path, "f0"))))
        {
            Lookup(fs, "f2");
            Lookup(fs, "f3");
        }

        _directory.File("f0", "another");
        Assert.Equal(Errno.ESTALE, fs.GetAttr(default, first.Node, Handle.None, out _));
        Assert.NotEqual(first.Node, Lookup(fs, "f0").Node);
    }

    private void Fill(int files)
    {
        for (int i = 0; i < files; i++)
        {
            _directory.File($"f{i}", $"{i}");
        }
    }

    private static void LookupAll(PassthroughFileSystem fs, int files)
    {
        for (int i = 0; i < files; i++)
        {
            Entry entry = Lookup(fs, $"f{i}");
            Assert.Equal(Errno.OK, fs.GetAttr(default, entry.Node, Handle.None, out AttrReply reply));
            Assert.Equal(entry.Attributes.Ino, reply.Attributes.Ino);
        }
    }

    private static bool HasFd(PassthroughFileSystem fs, NodeId node)
    {
        using HostInode inode = fs.Inodes.Get(node);
        return inode.Fd >= 0;
    }

    protected override void Cleanup() => _directory.Dispose();

    private static Entry Lookup(PassthroughFileSystem fs, string name)
    {
        Assert.Equal(Errno.OK, fs.Lookup(default, NodeId.Root, name, out Entry entry));
        return entry;
    }

    private PassthroughFileSystem New()
    {
        var config = new PassthroughConfig { RootDir = _directory.Path };
        config.Keep(InodeFileHandles.Adaptive);
        var fs = new PassthroughFileSystem(config);
        Assert.Equal(Errno.OK, fs.Init(default, (InitFlags)ulong.MaxValue, out _));
        return fs;
    }
}
