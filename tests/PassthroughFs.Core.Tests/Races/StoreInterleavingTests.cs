using System;
using System.Threading;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Passthrough;
using PassthroughFs.Core.Tests.Properties;
using Xunit;

namespace PassthroughFs.Core.Tests.Races;

/// <summary>Two threads in a store, the second at the worst moment of the first.</summary>
public sealed class StoreInterleavingTests : DescriptorCheck
{
    private static readonly TestDescriptors s_descriptors = new();
    private static readonly NodeId s_node = new(5);

    private static InodeKey Key => new(100, 1, 0);

    [Fact]
    public void A_lookup_of_an_inode_whose_last_lookup_was_just_given_back_keeps_it()
    {
        using var store = new InodeStore(null, 10);
        NodeId node = Add(store, out int fd);
        NodeId again = default;
        using (new AtPoint("InodeStore.Forget: at zero", () =>
        {
            Assert.False(store.TryLookup(Key, 0, KernelHandle.None, out _));
            again = Add(store, out int second);
            Assert.False(s_descriptors.IsOpen(second));
        }))
        {
            store.Forget(node, 1);
        }

        Assert.Equal(node, again);
        Assert.Equal(1ul, store.LookupCount(node));
        Assert.Equal(0, store.RememberedCount);
        Assert.True(s_descriptors.IsOpen(fd));
    }

    [Fact]
    public void An_inode_that_came_and_went_again_while_it_went_goes_once()
    {
        using var store = new InodeStore(null, 10);
        NodeId node = Add(store, out int fd);
        using (new AtPoint("InodeStore.Forget: at zero", () => store.Forget(Add(store, out _), 1)))
        {
            store.Forget(node, 1);
        }

        Assert.Equal(0, store.Count);
        Assert.Equal(1, store.RememberedCount);
        Assert.False(s_descriptors.IsOpen(fd));
        Assert.Equal(node, Add(store, out _));
    }

    [Theory]
    [InlineData("InodeStore.TryLookup: found")]
    [InlineData("InodeStore.TryLookup: pinned")]
    public void A_lookup_that_loses_against_the_last_forget_finds_nothing(string point)
    {
        using var store = new InodeStore(null, 10);
        NodeId node = Add(store, out int fd);
        using (new AtPoint(point, () => store.Forget(node, 1)))
        {
            Assert.False(store.TryLookup(Key, 0, KernelHandle.None, out NodeId found));
            Assert.Equal(NodeId.None, found);
        }

        Assert.Equal(0, store.Count);
        Assert.False(s_descriptors.IsOpen(fd));
        Assert.Equal(node, Add(store, out _));
    }

    [Theory]
    [InlineData("InodeStore.TryLookup: found")]
    [InlineData("InodeStore.TryLookup: pinned")]
    public void A_lookup_whose_slot_becomes_another_inodes_does_not_count_for_that(string point)
    {
        using var store = new InodeStore(null, 0);
        NodeId node = Add(store, out _);
        NodeId other = default;
        using (new AtPoint(point, () =>
        {
            store.Forget(node, 1);
            store.Add(new NewInode { Key = new InodeKey(200, 1, 0), Fd = s_descriptors.Open() }, out other);
        }))
        {
            Assert.False(store.TryLookup(Key, 0, KernelHandle.None, out _));
        }

        Assert.Equal(1ul, store.LookupCount(other));
    }

    [Fact]
    public void A_node_whose_slot_becomes_another_inodes_is_not_that()
    {
        using var store = new InodeStore(null, 0);
        NodeId node = Add(store, out _);
        NodeId other = default;
        using (new AtPoint("InodeStore.Get: found", () =>
        {
            store.Forget(node, 1);
            store.Add(new NewInode { Key = new InodeKey(200, 1, 0), Fd = s_descriptors.Open() }, out other);
        }))
        {
            using HostInode inode = store.Get(node);
            Assert.True(inode.IsNone);
        }

        using HostInode same = store.Get(other);
        Assert.Equal(200ul, same.Key.Ino);
    }

    [Fact]
    public void A_node_is_found_though_the_table_grows_under_the_search()
    {
        using var store = new InodeStore(null, 0);
        NodeId node = Add(store, out _);
        using (new AtPoint("InodeStore.Get: found", () =>
        {
            for (ulong ino = 1000; ino < 4000; ino++)
            {
                store.Add(new NewInode { Key = new InodeKey(ino, 1, 0), Fd = -1 }, out _);
            }
        }))
        {
            using HostInode inode = store.Get(node);
            Assert.Equal(Key, inode.Key);
        }
    }

    [Fact]
    public void A_slot_is_not_used_again_before_its_descriptor_is_closed()
    {
        using var store = new InodeStore(null, 0);
        NodeId node = Add(store, out int fd);
        int otherFd = -1;
        NodeId other = default;
        using (new AtPoint("InodeStore.Unpin: unused", () => other = Add(store, out otherFd)))
        {
            store.Forget(node, 1);
        }

        Assert.False(s_descriptors.IsOpen(fd));
        Assert.True(s_descriptors.IsOpen(otherFd));
        using HostInode inode = store.Get(other);
        Assert.Equal(otherFd, inode.Fd);
    }

    [Theory]
    [InlineData("HandleStore.Get: found")]
    [InlineData("HandleStore.Get: pinned")]
    public void A_handle_that_is_released_under_the_search_is_not_another_open_file(string point)
    {
        using var store = new HandleStore();
        int fd = s_descriptors.Open();
        Handle handle = store.Add(s_node, fd, 0);
        int next = -1;
        using (new AtPoint(point, () =>
        {
            Assert.True(store.Release(handle, s_node));
            next = s_descriptors.Open();
            store.Add(s_node, next, 0);
        }))
        {
            using OpenFile file = store.Get(handle, s_node);
            Assert.True(file.IsNone);
        }

        // While it was pinned its number could not be given away.
        Assert.Equal(point == "HandleStore.Get: pinned", fd != next);
        Assert.True(s_descriptors.IsOpen(next));
        Assert.Equal(fd == next, s_descriptors.IsOpen(fd));
        Assert.Equal(1, store.Count);
    }

    [Fact]
    public void A_handle_store_slot_is_not_used_again_before_its_descriptor_is_closed()
    {
        using var store = new HandleStore();
        Handle handle = store.Add(s_node, s_descriptors.Open(), 0);
        int fd = -1;
        Handle other = default;
        using (new AtPoint("HandleStore.Unpin: unused", () => other = store.Add(s_node, fd = s_descriptors.Open(), 0)))
        {
            Assert.True(store.Release(handle, s_node));
        }

        Assert.True(s_descriptors.IsOpen(fd));
        using OpenFile file = store.Get(other, s_node);
        Assert.Equal(fd, file.Fd);
    }

    /// <summary>One inode, forgotten and looked up by all, with readers that check what they get.</summary>
    [Fact]
    public void Many_threads_look_up_and_forget_the_same_few_inodes()
    {
        using var store = new InodeStore(null, 8);
        const int Inodes = 12;
        long[] balance = new long[Inodes];
        void LookupAndForget(Random random)
        {
            int number = random.Next(Inodes);
            var key = new InodeKey((ulong)number + 100, 1, 0);
            if (!store.TryLookup(key, 0, KernelHandle.None, out NodeId node))
            {
                Assert.Equal(Errno.OK, store.Add(new NewInode { Key = key, Fd = s_descriptors.Open() }, out node));
            }

            using (HostInode inode = store.Get(node))
            {
                // Held by its lookup: it must be there, and be it.
                Assert.False(inode.IsNone);
                Assert.Equal(key, inode.Key);
                Assert.True(s_descriptors.IsOpen(inode.Fd));
                Assert.NotEqual(0ul, inode.LookupCount);
            }

            if (random.Next(50) == 0)
            {
                Interlocked.Increment(ref balance[number]);
                return;
            }

            store.Forget(node, 1);
        }

        Threads.Stress(LookupAndForget, LookupAndForget, LookupAndForget, LookupAndForget);
        for (int number = 0; number < Inodes; number++)
        {
            if (balance[number] > 0)
            {
                var key = new InodeKey((ulong)number + 100, 1, 0);
                Assert.True(store.TryLookup(key, 0, KernelHandle.None, out NodeId node));
                Assert.Equal((ulong)balance[number] + 1, store.LookupCount(node));
                store.Forget(node, (ulong)balance[number] + 1);
            }
        }

        Assert.Equal(0, store.Count);
        Assert.Equal(8, store.RememberedCount);
    }

    [Fact]
    public void Searches_find_what_lives_while_the_table_grows_and_slots_change_hands()
    {
        using var store = new InodeStore(null, 50);
        const int Kept = 200;
        for (ulong ino = 1; ino <= Kept; ino++)
        {
            Assert.Equal(Errno.OK, store.Add(new NewInode { Key = new InodeKey(ino, 1, 0), Fd = -1 }, out NodeId node));
            Assert.Equal(ino + 1, node.Value);
        }

        ulong next = 1000;
        void Search(Random random)
        {
            ulong ino = (ulong)random.Next(1, Kept + 1);
            using HostInode inode = store.Get(new NodeId(ino + 1));
            Assert.False(inode.IsNone);
            Assert.Equal(ino, inode.Key.Ino);
        }

        void Churn(Random random)
        {
            // More and more, and then none, so that slots of all chains are used again.
            var nodes = new NodeId[random.Next(1, 3000)];
            for (int i = 0; i < nodes.Length; i++)
            {
                ulong ino = Interlocked.Increment(ref next);
                store.Add(new NewInode { Key = new InodeKey(ino, 1, 0), Fd = -1 }, out nodes[i]);
            }

            Array.ForEach(nodes, node => store.Forget(node, 1));
        }

        Threads.Stress(Search, Search, Churn, Churn);
        Assert.Equal(Kept, store.Count);
    }

    private static NodeId Add(InodeStore store, out int fd)
    {
        fd = s_descriptors.Open();
        Assert.Equal(Errno.OK, store.Add(new NewInode { Key = Key, Fd = fd }, out NodeId node));
        return node;
    }
}
