using System;
using System.Collections.Generic;
using System.Linq;
using System.Text;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;
using PassthroughFs.Core.Passthrough;
using Xunit;

namespace PassthroughFs.Core.Tests.Passthrough;

public sealed class HandleStoreTests : DescriptorCheck
{
    private static readonly NodeId Node = new(5);

    [Fact]
    public void An_open_file_is_found_by_its_handle_and_node_alone()
    {
        using var store = new HandleStore();
        int fd = Open();
        Handle handle = store.Add(Node, fd, Linux.O_RDWR);
        using OpenFile file = store.Get(handle, Node);
        Assert.Equal(fd, file.Fd);
        Assert.Equal(Linux.O_RDWR, file.Flags);
        Assert.True(store.Get(handle, new NodeId(6)).IsNone);
        Assert.True(store.Get(new Handle(handle.Value + 1), Node).IsNone);
        Assert.True(store.Get(Handle.None, Node).IsNone);
        Assert.True(store.Get(new Handle(ulong.MaxValue), Node).IsNone);
    }

    [Fact]
    public void A_release_counts_once_and_only_for_the_right_node()
    {
        using var store = new HandleStore();
        Handle handle = store.Add(Node, Open(), 0);
        Assert.False(store.Release(handle, new NodeId(6)));
        Assert.Equal(1, store.Count);
        Assert.True(store.Release(handle, Node));
        Assert.False(store.Release(handle, Node));
        Assert.Equal(0, store.Count);
    }

    [Fact]
    public void A_number_is_never_given_again()
    {
        using var store = new HandleStore();
        var seen = new HashSet<ulong>();
        for (int i = 0; i < 1000; i++)
        {
            Handle handle = store.Add(Node, Open(), 0);
            Assert.False(handle.IsNone);
            Assert.True(seen.Add(handle.Value));
            Assert.True(store.Release(handle, Node));
        }
    }

    [Fact]
    public void A_file_in_use_is_closed_after_its_use()
    {
        using var store = new HandleStore();
        int fd = Open();
        Handle handle = store.Add(Node, fd, 0);
        using (store.Get(handle, Node))
        {
            Assert.True(store.Release(handle, Node));
            Assert.True(System.IO.Path.Exists($"/proc/self/fd/{fd}"));
            Assert.True(store.Get(handle, Node).IsNone);
            Assert.False(store.Release(handle, Node));

            // Not the slot's number while it is in use, so that nobody reads another's file.
            Handle next = store.Add(Node, Open(), 0);
            Assert.NotEqual(handle, next);
        }

        Assert.False(System.IO.Path.Exists($"/proc/self/fd/{fd}"));
    }

    [Fact]
    public void Handles_that_are_far_apart_are_gone_on_with_and_take_no_memory_by_their_numbers()
    {
        const ulong use = 1 << 24, uses = 9;
        using var store = new HandleStore();
        KeptFile[] files = [.. new ulong[] { 3, 70, 200, 5000, use - 1 }.Select(
            slot => new KeptFile(new Handle((uses * use) + slot), Node, Open(), 7, 8))];
        long before = GC.GetAllocatedBytesForCurrentThread();
        store.Restore([.. files], uses);
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.True(allocated < 100_000, $"{allocated} bytes for {files.Length} files");
        Check(files);
        Assert.True(store.HasAny(Node));
        Assert.Equal(files.Select(file => file.Handle), store.Snapshot(out ulong most).Select(file => file.Handle));
        Assert.Equal(uses, most);

        // New ones come between them, and never upon one.
        Handle[] added = [.. Enumerable.Range(0, 300).Select(i => store.Add(Node, Open(), 0))];
        Assert.Equal(305, added.Concat(files.Select(file => file.Handle)).Distinct().Count());
        Assert.Equal(305, store.Count);
        Check(files);
        Array.ForEach(added, handle => Assert.True(store.Release(handle, Node)));
        Assert.Equal(files.Select(file => file.Handle), store.Snapshot(out _).Select(file => file.Handle));

        // The slot of one that was far is used again, with a number of its own.
        Assert.True(store.Release(files[4].Handle, Node));
        Assert.True(store.Get(files[4].Handle, Node).IsNone);
        Assert.Equal(files[4].Handle.Value + use, store.Add(Node, Open(), 0).Value);
        Check(files[..4]);
        store.Clear();
        Assert.Equal(0, store.Count);
        Assert.False(store.HasAny(Node));

        void Check(KeptFile[] files)
        {
            foreach (KeptFile kept in files)
            {
                using OpenFile file = store.Get(kept.Handle, Node);
                Assert.Equal(kept.Fd, file.Fd);
                Assert.True(store.Get(new Handle(kept.Handle.Value + use), Node).IsNone);
            }
        }
    }

    private static unsafe int Open()
    {
        fixed (byte* path = Encoding.UTF8.GetBytes("/dev/null\0"))
        {
            int fd = Sys.OpenAt(-1, path, Linux.O_RDWR | Linux.O_CLOEXEC);
            Assert.True(fd >= 0);
            return fd;
        }
    }
}
