using System;
using System.IO;
using System.Threading;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;
using PassthroughFs.Core.Passthrough;
using Xunit;

namespace PassthroughFs.Core.Tests.Passthrough;

/// <summary>Where memory runs out half-way, nothing is left of what was begun.</summary>
public sealed class OutOfMemoryTests : DescriptorCheck
{
    private static readonly NodeId s_node = new(5);

    [Theory]
    [InlineData("HandleStore.Grow: memory")]
    [InlineData("HandleStore.Take: memory")]
    public void A_file_that_cannot_be_kept_is_closed_and_the_next_is_kept(string point)
    {
        using var store = new HandleStore();
        int fd = Open();
        using (new NoMemory(point))
        {
            Assert.True(store.Add(s_node, fd, 0).IsNone);
        }

        Assert.False(IsOpen(fd), "the file is still open");
        Assert.Equal(0, store.Count);
        Handle handle = store.Add(s_node, Open(), 0);
        using OpenFile file = store.Get(handle, s_node);
        Assert.False(file.IsNone);
    }

    [Fact]
    public void An_inode_that_cannot_be_kept_is_ENOMEM_and_closed_and_the_next_is_kept()
    {
        using var store = new InodeStore(null, 10);
        int fd = Open();
        var inode = new NewInode { Key = new InodeKey(100, 1, 0), Fd = fd };
        using (new NoMemory("InodeStore.Insert: memory"))
        {
            Assert.Equal(Errno.ENOMEM, store.Add(inode, out NodeId none));
            Assert.Equal(NodeId.None, none);
        }

        Assert.False(IsOpen(fd), "the inode is still open");
        Assert.Equal((0, 0), (store.Count, store.FdCount));
        Assert.False(store.TryLookup(inode.Key, 0, KernelHandle.None, out _));
        Assert.Equal(Errno.OK, store.Add(inode with { Fd = Open() }, out NodeId node));
        Assert.Equal(1ul, store.LookupCount(node));
    }

    [Fact]
    public void An_inode_that_cannot_be_remembered_is_forgotten_all_the_same()
    {
        using var store = new InodeStore(null, 10);
        var inode = new NewInode { Key = new InodeKey(100, 1, 0), Fd = -1 };
        Assert.Equal(Errno.OK, store.Add(inode, out NodeId first));
        using (new NoMemory("InodeStore.Remember: memory"))
        {
            store.Forget(first, 1);
        }

        Assert.Equal((0, 0), (store.Count, store.RememberedCount));
        Assert.Equal(Errno.OK, store.Add(inode, out NodeId second));
        Assert.NotEqual(first, second);
    }

    [Theory]
    [InlineData("LockTable.TryAdd: memory")]
    [InlineData("LockTable.TryBind: memory")]
    public void An_owner_of_locks_who_cannot_be_kept_is_in_no_table(string point)
    {
        using var table = new LockTable();
        int fd = Open();
        using (new NoMemory(point))
        {
            Assert.Null(table.Add(1, 1, new Handle(1), fd));
        }

        Assert.False(IsOpen(fd), "the owner's file is still open");
        Assert.True(table.IsEmpty);
        Assert.Null(table.Enter(1, 1));

        // The same owner, whose file goes with the Handle and not before.
        int again = Open();
        LockTable.Leave(table.Add(1, 1, new Handle(1), again)!);
        table.Release(new Handle(2));
        Assert.Equal(1, table.Count);
        table.Release(new Handle(1));
        Assert.True(table.IsEmpty);
        Assert.False(IsOpen(again), "the owner's file is still open");
    }

    [Fact]
    public void Another_open_file_of_an_owner_that_cannot_be_noted_is_ENOLCK_and_changes_nothing()
    {
        using var table = new LockTable();
        int fd = Open();
        LockTable.Leave(table.Add(1, 1, new Handle(1), fd)!);
        using (new NoMemory("LockTable.TryBind: memory"))
        {
            Assert.Equal(Errno.ENOLCK, table.Enter(1, 1, new Handle(2), out LockFile? file));
            Assert.Null(file);
        }

        // By Handle 2 the owner has nothing.
        table.Release(new Handle(2));
        Assert.Equal(1, table.Count);
        table.Release(new Handle(1));
        Assert.True(table.IsEmpty);
        Assert.False(IsOpen(fd), "the owner's file is still open");
    }

    // The runtime may have opened a file of its own meanwhile.
    private static bool IsOpen(int fd) => new FileInfo($"/proc/self/fd/{fd}").LinkTarget == "/dev/null";

    private static unsafe int Open()
    {
        fixed (byte* path = "/dev/null\0"u8)
        {
            int fd = Sys.OpenAt(-1, path, Linux.O_RDWR | Linux.O_CLOEXEC);
            Assert.True(fd >= 0);
            return fd;
        }
    }

    /// <summary>Memory is out when this thread comes to a point for the first time.</summary>
    private sealed class NoMemory : IDisposable
    {
        private readonly Thread _owner = Thread.CurrentThread;
        private readonly string _point;
        private bool _wasReached;

        public NoMemory(string point)
        {
            _point = point;
            Interleaving.Set(Reached);
        }

        public void Dispose()
        {
            Interleaving.Set(null);
            Assert.True(_wasReached, $"{_point} was not reached");
        }

        private void Reached(string point)
        {
            if (point == _point && !_wasReached && Thread.CurrentThread == _owner)
            {
                _wasReached = true;
                throw new InsufficientMemoryException();
            }
        }
    }
}
