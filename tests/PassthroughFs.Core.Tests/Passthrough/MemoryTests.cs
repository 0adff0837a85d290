using System;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Passthrough;
using Xunit;

namespace PassthroughFs.Core.Tests.Passthrough;

/// <summary>What inodes cost, and that what is forgotten costs nothing.</summary>
public sealed class MemoryTests : DescriptorCheck
{
    private const long Slack = 512 * 1024;

    private readonly HostDirectory _directory = new();
    private readonly ITestOutputHelper _output = TestContext.Current.TestOutputHelper!;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Files_that_come_and_go_leave_nothing_in_the_store(bool useHostIno)
    {
        int cycles = Threads.IsNightly ? 10_000_000 : 1_000_000;
        const int Retained = 1000;
        using var store = new InodeStore(useHostIno ? new InodeAllocator() : null, Retained);
        ulong ino = 0;
        void Cycle(int count)
        {
            for (int i = 0; i < count; i++)
            {
                // A few live at a time, each looked up twice; the host's numbers come again after a while.
                var inode = new NewInode { Key = new InodeKey(1 + (ino++ % 5_000_000), 1, 0), Birth = ino, Fd = -1 };
                Assert.Equal(Errno.OK, store.Add(inode, out NodeId node));
                Assert.True(store.TryLookup(inode.Key, ino, KernelHandle.None, out _));
                store.Forget(node, 2);
            }
        }

        Cycle(20_000);
        long before = GC.GetTotalMemory(true);
        Cycle(cycles);
        long grown = GC.GetTotalMemory(true) - before;
        Assert.True(grown < Slack, $"{grown} bytes more after {cycles} files");
        Assert.Equal(0, store.Count);
        Assert.Equal(useHostIno ? 0 : Retained, store.RememberedCount);
    }

    [Theory]
    [InlineData(InodeFileHandles.Never)]
    [InlineData(InodeFileHandles.Prefer)]
    public void Files_that_come_and_go_in_a_directory_leave_nothing_behind(InodeFileHandles handles)
    {
        int cycles = Threads.IsNightly ? 500_000 : 50_000;
        using var fs = new PassthroughFileSystem(
            new PassthroughConfig { RootDir = _directory.Path, InodeFileHandles = handles });
        Assert.Equal(Errno.OK, fs.Import());
        void Cycle(int count)
        {
            byte[] name = "file"u8.ToArray();
            var request = new CreateRequest { Flags = Linux.O_RDWR, Mode = 0x180 };
            for (int i = 0; i < count; i++)
            {
                Assert.Equal(
                    Errno.OK, fs.Create(default, NodeId.Root, name, request, out Entry entry, out OpenReply open));
                Assert.Equal(Errno.OK, fs.Lookup(default, NodeId.Root, name, out _));
                Assert.Equal(Errno.OK, fs.Unlink(default, NodeId.Root, name));
                Assert.Equal(Errno.OK, fs.Release(default, entry.Node, open.Handle, default));
                fs.Forget(default, entry.Node, 2);
            }
        }

        Cycle(2_000);
        int descriptors = Count;
        long before = GC.GetTotalMemory(true);
        Cycle(cycles);
        long grown = GC.GetTotalMemory(true) - before;
        Assert.True(grown < Slack, $"{grown} bytes more after {cycles} files");
        Assert.Equal(descriptors, Count);
        Assert.Equal(1, fs.Inodes.Count);
        Assert.Equal(0, fs.Inodes.RememberedCount);
        Assert.Equal(0, fs.Handles.Count);
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public void An_inode_costs_at_most_160_bytes(bool hasHandles, bool isRemembered)
    {
        const int Inodes = 1_000_000;
        byte[] bytes = new byte[8];
        long before = GC.GetTotalMemory(true);
        using var store = new InodeStore(null, Inodes);
        for (int i = 1; i <= Inodes; i++)
        {
            BitConverter.TryWriteBytes(bytes, (ulong)i);
            var inode = new NewInode
            {
                Key = new InodeKey((ulong)i, 1, 0),
                Handle = hasHandles ? new KernelHandle(1, bytes) : KernelHandle.None,
                Fd = -1,
            };
            Assert.Equal(Errno.OK, store.Add(inode, out NodeId node));
            if (isRemembered)
            {
                store.Forget(node, 1);
            }
        }

        double each = (GC.GetTotalMemory(true) - before) / (double)Inodes;
        _output.WriteLine($"{each:F1} bytes an inode (handles: {hasHandles}, forgotten: {isRemembered})");
        Assert.Equal(isRemembered ? Inodes : 0, store.RememberedCount);
        Assert.InRange(each, 40, 160);
    }

    [Fact]
    public void By_handle_there_may_be_more_live_inodes_than_descriptors()
    {
        Privileges.RequireRoot();
        int files = Threads.IsNightly ? 1_000_000 : 20_000;
        for (int i = 0; i < files; i++)
        {
            _directory.Folder($"{i / 1000}");
            _directory.File($"{i / 1000}/{i}");
        }

        using var limit = new OpenFileLimit(1024);
        using var fs = new PassthroughFileSystem(
            new PassthroughConfig { RootDir = _directory.Path, InodeFileHandles = InodeFileHandles.Mandatory });
        Assert.Equal(Errno.OK, fs.Import());
        int descriptors = Count;
        var nodes = new NodeId[files];
        for (int i = 0; i < files; i++)
        {
            Assert.Equal(Errno.OK, fs.LookupPath(default, $"{i / 1000}/{i}", out Entry entry));
            nodes[i] = entry.Node;
        }

        Assert.Equal(files + 1, fs.Inodes.Count);

        // The root has one, and the mount.
        Assert.Equal(descriptors, Count);
        for (int i = 0; i < files; i += 97)
        {
            Assert.Equal(Errno.OK, fs.GetAttr(default, nodes[i], Handle.None, out _));
            Assert.Equal(Errno.OK, fs.Open(default, nodes[i], Linux.O_RDONLY, 0, out OpenReply open));
            Assert.Equal(Errno.OK, fs.Release(default, nodes[i], open.Handle, default));
        }

        Array.ForEach(nodes, node => fs.Forget(default, node, 1));
        Assert.Equal(descriptors, Count);
    }

    [Theory]
    [InlineData(InodeFileHandles.Never)]
    [InlineData(InodeFileHandles.Prefer)]
    public void Running_out_of_descriptors_at_any_moment_of_a_new_session_is_an_error_and_no_exception(
        InodeFileHandles handles)
    {
        _directory.File("f");
        var config = new PassthroughConfig { RootDir = _directory.Path, InodeFileHandles = handles };
        using var fs = new PassthroughFileSystem(config);
        for (int free = 0; free < 6; free++)
        {
            fs.Inodes.Clear();
            Errno result;
            using (OpenFileLimit.LeaveFree(free))
            {
                result = fs.Import();
            }

            Assert.True(result is Errno.OK or Errno.EMFILE, $"{free} free: {result}");
            Errno expected = result == Errno.OK ? Errno.OK : Errno.EBADF;
            Assert.Equal(expected, fs.Lookup(default, NodeId.Root, "f", out _));
        }

        Assert.Equal(2, fs.Inodes.Count);
    }

    [Fact]
    public void By_descriptor_an_inode_has_one_and_a_forgotten_one_has_none()
    {
        const int Files = 300;
        for (int i = 0; i < Files; i++)
        {
            _directory.File($"{i}");
        }

        using var fs = new PassthroughFileSystem(new PassthroughConfig { RootDir = _directory.Path });
        Assert.Equal(Errno.OK, fs.Import());
        int before = Count;
        var nodes = new NodeId[Files];
        for (int i = 0; i < Files; i++)
        {
            Assert.Equal(Errno.OK, fs.Lookup(default, NodeId.Root, $"{i}", out Entry entry));
            nodes[i] = entry.Node;
        }

        Assert.Equal(before + Files, Count);
        Array.ForEach(nodes, node => fs.Forget(default, node, 1));
        Assert.Equal(before, Count);
    }

    protected override void Cleanup() => _directory.Dispose();
}
