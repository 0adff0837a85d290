using System.IO;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Passthrough;
using Xunit;

namespace PassthroughFs.Core.Tests.Passthrough;

public sealed class InodeStoreTests : DescriptorCheck
{
    private readonly HostDirectory _directory = new();

    private static KernelHandle HandleA => new(1, [1, 2, 3, 4]);

    private static KernelHandle HandleB => new(1, [1, 2, 3, 5]);

    [Fact]
    public void An_inode_keeps_its_node_while_it_lives_and_goes_at_zero()
    {
        using var store = new InodeStore(null, 0);
        NodeId node = Add(store, 100);
        Assert.Equal(new NodeId(2), node);
        Assert.Equal(node, Add(store, 100));
        Assert.True(store.TryLookup(Key(100), 0, KernelHandle.None, out NodeId found));
        Assert.Equal(node, found);
        Assert.Equal(3ul, store.LookupCount(node));
        store.Forget(node, 2);
        Assert.Equal(1ul, store.LookupCount(node));
        store.Forget(node, 1);
        Assert.Equal(0, store.Count);
        using HostInode gone = store.Get(node);
        Assert.True(gone.IsNone);
    }

    [Fact]
    public void Forgetting_more_than_was_looked_up_is_forgetting_all()
    {
        using var store = new InodeStore(null, 0);
        NodeId node = Add(store, 100);
        NodeId other = Add(store, 101);
        store.Forget(node, ulong.MaxValue);
        store.Forget(node, ulong.MaxValue);
        store.Forget(new NodeId(77), 1);
        Assert.Equal(1, store.Count);
        Assert.Equal(1ul, store.LookupCount(other));
    }

    [Fact]
    public void The_root_is_never_forgotten()
    {
        using var store = new InodeStore(null, 10);
        store.AddRoot(New(1));
        Assert.Equal(2ul, store.LookupCount(NodeId.Root));
        store.Forget(NodeId.Root, ulong.MaxValue);
        Assert.Equal(2ul, store.LookupCount(NodeId.Root));
    }

    [Fact]
    public void A_forgotten_inode_gets_its_node_again()
    {
        using var store = new InodeStore(null, 10);
        NodeId node = Add(store, 100);
        store.Forget(node, 1);
        Assert.Equal(1, store.RememberedCount);
        Assert.Equal(new NodeId(3), Add(store, 101));
        Assert.Equal(node, Add(store, 100));
        Assert.Equal(0, store.RememberedCount);
    }

    [Fact]
    public void Only_so_many_are_remembered_and_the_oldest_goes_first()
    {
        using var store = new InodeStore(null, 2);
        NodeId[] nodes = [Add(store, 100), Add(store, 101), Add(store, 102)];
        foreach (NodeId node in nodes)
        {
            store.Forget(node, 1);
        }

        Assert.Equal(2, store.RememberedCount);
        Assert.Equal(nodes[1], Add(store, 101));
        Assert.Equal(nodes[2], Add(store, 102));
        Assert.NotEqual(nodes[0], Add(store, 100));
    }

    [Fact]
    public void The_mapping_of_a_deleted_file_is_not_remembered()
    {
        string path = _directory.File("f");
        using var fs = new PassthroughFileSystem(new PassthroughConfig { RootDir = _directory.Path });
        Assert.Equal(Errno.OK, fs.Import());
        Assert.Equal(Errno.OK, fs.Lookup(default, NodeId.Root, "f", out Entry entry));
        Assert.Equal(Errno.OK, fs.Unlink(default, NodeId.Root, "f"));
        fs.Forget(default, entry.Node, 1);
        Assert.Equal(0, fs.Inodes.RememberedCount);
        Assert.False(File.Exists(path));
    }

    [Fact]
    public void A_number_that_was_given_to_another_file_is_another_node()
    {
        using var store = new InodeStore(null, 10);
        NodeId first = Add(store, 100, birth: 5);
        Assert.False(store.TryLookup(Key(100), 6, KernelHandle.None, out _));
        store.Forget(first, 1);
        Assert.NotEqual(first, Add(store, 100, birth: 6));
    }

    [Fact]
    public void Handles_must_agree()
    {
        using var store = new InodeStore(null, 10);
        NodeId first = AddByHandle(store, HandleA);
        Assert.False(store.TryLookup(Key(100), 0, HandleB, out _));
        Assert.False(store.TryLookup(Key(100), 0, KernelHandle.None, out _));
        NodeId second = AddByHandle(store, HandleB);
        Assert.NotEqual(first, second);
        Assert.True(store.TryLookup(Key(100), 0, HandleA, out NodeId found));
        Assert.Equal(first, found);
        Assert.True(store.TryLookup(Key(100), 0, HandleB, out found));
        Assert.Equal(second, found);
    }

    [Fact]
    public void The_number_alone_tells_of_an_inode_with_a_descriptor_and_its_handle_of_one_without()
    {
        using var store = new InodeStore(null, 10);
        Assert.Equal(InodeMatch.None, store.TryLookup(Key(100), 0, out _));
        NodeId byHandle = AddByHandle(store, HandleA);
        Assert.Equal(InodeMatch.NeedsHandle, store.TryLookup(Key(100), 0, out _));
        Assert.Equal(1ul, store.LookupCount(byHandle));

        // The number is another file's now, which a descriptor holds.
        NodeId byFd = Add(store, 100, birth: 5, handle: HandleB);
        Assert.NotEqual(byHandle, byFd);
        Assert.Equal(InodeMatch.Found, store.TryLookup(Key(100), 5, out NodeId found));
        Assert.Equal(byFd, found);
        store.Forget(byHandle, 1);
        Assert.NotEqual(InodeMatch.Found, store.TryLookup(Key(100), 6, out _));
        store.Forget(byFd, 2);
        Assert.Equal(InodeMatch.None, store.TryLookup(Key(100), 5, out _));

        // What is remembered comes back by its handle, whether it had a descriptor or not.
        Assert.Equal(byFd, AddByHandle(store, HandleB));
    }

    [Fact]
    public void With_host_numbers_a_reused_one_is_still_another_node()
    {
        using var store = new InodeStore(new InodeAllocator(), 10);
        NodeId first = AddByHandle(store, HandleA);
        NodeId second = AddByHandle(store, HandleB);
        Assert.Equal(100ul, first.Value & InodeAllocator.MaxHostIno);
        Assert.NotEqual(first, second);
        Assert.NotEqual(0ul, second.Value & InodeAllocator.VirtualBit);
    }

    [Fact]
    public void A_held_inodes_descriptor_outlives_the_forget()
    {
        using var store = new InodeStore(null, 0);
        NewInode inode = New(100);
        Assert.Equal(Errno.OK, store.Add(inode, out NodeId node));
        using (HostInode held = store.Get(node))
        {
            store.Forget(node, 1);
            Assert.True(IsOpen(inode.Fd));
            Assert.Equal(inode.Fd, held.Fd);
        }

        Assert.False(IsOpen(inode.Fd));
    }

    [Fact]
    public void Thousands_of_inodes_are_found_by_number_and_by_identity()
    {
        using var store = new InodeStore(null, 100);
        const int Count = 20_000;
        for (ulong ino = 1; ino <= Count; ino++)
        {
            Assert.Equal(Errno.OK, store.Add(new NewInode { Key = Key(ino), Fd = -1 }, out NodeId node));
            Assert.Equal(ino + 1, node.Value);
        }

        for (ulong ino = 1; ino <= Count; ino++)
        {
            Assert.True(store.TryLookup(Key(ino), 0, KernelHandle.None, out NodeId node));
            using HostInode inode = store.Get(node);
            Assert.Equal(ino, inode.Key.Ino);
            store.Forget(node, 2);
        }

        Assert.Equal(0, store.Count);
        Assert.Equal(100, store.RememberedCount);
    }

    protected override void Cleanup() => _directory.Dispose();

    private static InodeKey Key(ulong ino) => new(ino, 1, 0);

    private static bool IsOpen(int fd) => Path.Exists($"/proc/self/fd/{fd}");

    private static NodeId AddByHandle(InodeStore store, KernelHandle handle)
    {
        Assert.Equal(Errno.OK, store.Add(new NewInode { Key = Key(100), Handle = handle, Fd = -1 }, out NodeId node));
        return node;
    }

    private NodeId Add(InodeStore store, ulong ino, ulong birth = 0, KernelHandle handle = default)
    {
        NewInode inode = New(ino);
        inode.Birth = birth;
        inode.Handle = handle;
        Assert.Equal(Errno.OK, store.Add(inode, out NodeId node));
        return node;
    }

    /// <summary>An inode with a descriptor of its own.</summary>
    private unsafe NewInode New(ulong ino)
    {
        fixed (byte* path = System.Text.Encoding.UTF8.GetBytes(_directory.Path + '\0'))
        {
            int fd = Core.Interop.Sys.OpenAt(-1, path, Linux.O_PATH | Linux.O_CLOEXEC);
            Assert.True(fd >= 0);
            return new NewInode { Key = Key(ino), Fd = fd, Mode = Linux.S_IFDIR };
        }
    }
}
