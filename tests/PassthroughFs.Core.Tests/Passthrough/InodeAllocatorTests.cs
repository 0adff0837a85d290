using System.Collections.Generic;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Passthrough;
using Xunit;

namespace PassthroughFs.Core.Tests.Passthrough;

public sealed class InodeAllocatorTests
{
    [Theory]
    [InlineData(1, 0, 0)]
    [InlineData(2, ulong.MaxValue, 7)]
    [InlineData(InodeAllocator.MaxHostIno, 5, ulong.MaxValue)]
    public void Decoding_gives_back_what_a_node_was_made_from(ulong ino, ulong dev, ulong mnt)
    {
        var allocator = new InodeAllocator();
        Node(allocator, new InodeKey(1, 1, 1));
        var key = new InodeKey(ino, dev, mnt);
        Assert.True(allocator.TryAllocate(key, out NodeId node));
        Assert.True(allocator.TryDecode(node, out InodeKey decoded));
        Assert.Equal(key, decoded);
    }

    [Fact]
    public void Each_pair_of_device_and_mount_gets_the_next_small_number()
    {
        var allocator = new InodeAllocator();
        Assert.Equal(0x0000_8000_0000_0001ul, Node(allocator, new InodeKey(1, 0, 0)));
        Assert.Equal(0x0001_0000_0000_0001ul, Node(allocator, new InodeKey(1, 0, 1)));
        Assert.Equal(0x0001_0000_0000_0002ul, Node(allocator, new InodeKey(2, 0, 1)));
        Assert.Equal(0x0001_7fff_ffff_fffful, Node(allocator, new InodeKey(InodeAllocator.MaxHostIno, 0, 1)));
        Assert.Equal(0x0000_8000_0000_0007ul, Node(allocator, new InodeKey(7, 0, 0)));
    }

    [Fact]
    public void A_host_number_that_does_not_fit_gets_a_virtual_one_from_2_on()
    {
        var allocator = new InodeAllocator();
        const ulong Big = InodeAllocator.MaxHostIno + 1;
        Assert.Equal(0x0080_8000_0000_0002ul, Node(allocator, new InodeKey(Big, ulong.MaxValue, ulong.MaxValue)));
        Assert.Equal(0x0080_8000_0000_0003ul, Node(allocator, new InodeKey(Big + 1, ulong.MaxValue, ulong.MaxValue)));
        Assert.Equal(0x0081_0000_0000_0004ul, Node(allocator, new InodeKey(Big + 2, ulong.MaxValue, 0)));
        Assert.Equal(
            0x0080_8000_0000_0005ul, Node(allocator, new InodeKey(ulong.MaxValue, ulong.MaxValue, ulong.MaxValue)));
    }

    [Fact]
    public void There_are_255_pairs_and_then_none()
    {
        var allocator = new InodeAllocator();
        var nodes = new HashSet<ulong>();
        for (ulong dev = 0; dev < InodeAllocator.MaxPairs; dev++)
        {
            Assert.True(nodes.Add(Node(allocator, new InodeKey(1, dev, 0))));
        }

        Assert.False(allocator.TryAllocate(new InodeKey(1, 255, 0), out NodeId none));
        Assert.Equal(NodeId.None, none);
        Assert.True(allocator.TryAllocate(new InodeKey(9, 254, 0), out NodeId last));
        Assert.True(last.Value <= InodeAllocator.MaxNodeId);
    }

    [Fact]
    public void Virtual_numbers_end_at_47_bits()
    {
        var allocator = new InodeAllocator(nextVirtualIno: InodeAllocator.MaxHostIno);
        Assert.Equal(0x0080_ffff_ffff_fffful, Node(allocator, new InodeKey(ulong.MaxValue, 0, 0)));
        Assert.False(allocator.TryAllocate(new InodeKey(ulong.MaxValue, 0, 0), out _));
        Assert.True(allocator.TryAllocate(new InodeKey(5, 0, 0), out _));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(0x0001_0000_0000_0001)]
    [InlineData(InodeAllocator.MaxNodeId + 1)]
    public void What_was_never_made_does_not_decode(ulong node)
    {
        var allocator = new InodeAllocator();
        Node(allocator, new InodeKey(1, 0, 0));
        Assert.False(allocator.TryDecode(new NodeId(node), out _));
    }

    private static ulong Node(InodeAllocator allocator, in InodeKey key)
    {
        Assert.True(allocator.TryAllocate(key, out NodeId node));
        return node.Value;
    }
}
