using System.Collections.Generic;
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
