using System;
using System.IO;
using System.Linq;
using System.Threading;
using Microsoft.Win32.SafeHandles;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.VhostUser;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Vhost;

/// <summary>Guest addresses become pointers only where there is memory, for as long as there is.</summary>
public sealed unsafe class GuestMemoryTests : IDisposable
{
    private readonly SharedMemory _shared = new(1 << 20);
    private readonly IoSegment[] _segments = new IoSegment[4];

    public void Dispose() => _shared.Dispose();

    [Theory]
    [InlineData(0, 1, 1)]
    [InlineData(0, 1 << 19, 1)]
    [InlineData((1 << 19) - 1, 2, 2)]
    [InlineData(0, 1 << 20, 2)]
    [InlineData((1 << 20) - 1, 1, 1)]
    [InlineData(1 << 20, 1, 0)]
    [InlineData((1 << 20) - 1, 2, 0)]
    [InlineData(-1, 1, 0)]
    [InlineData(-1, 2, 0)]
    [InlineData(-0x4000_0000L, 1, 0)]
    [InlineData(0, long.MaxValue, 0)]
    [InlineData(0, -1, 0)]
    [InlineData(16, -1, 0)]
    public void A_range_becomes_pointers_only_if_all_of_it_is_there(long offset, long length, int pieces)
    {
        using GuestMemory memory = RegionOf.MapOf(_shared);
        int count = 0;
        bool found = memory.Current.TryTranslate(
            SharedMemory.Guest(offset), (ulong)length, _segments, ref count);

        Assert.Equal(pieces > 0, found);
        Assert.Equal(pieces, count);
        byte* next = _shared.At(offset);
        foreach (IoSegment segment in _segments.AsSpan(0, count))
        {
            // One memfd, so that the second piece follows the first here, too.
            Assert.True(segment.Pointer == next);
            next += segment.Length;
        }

        Assert.True(count == 0 || next == _shared.At(offset + length));
    }

    [Fact]
    public void What_has_to_be_in_one_piece_is_not_found_across_a_border()
    {
        using GuestMemory memory = RegionOf.MapOf(_shared);
        MemoryMap map = memory.Current;
        Assert.True(map.Find(SharedMemory.Guest(_shared.Border - 16), 16) == _shared.At(_shared.Border - 16));
        Assert.True(map.Find(SharedMemory.Guest(_shared.Border - 15), 16) == null);
        Assert.True(map.FindUser(_shared.User(_shared.Border), 16) == _shared.At(_shared.Border));
        Assert.True(map.FindUser(_shared.User(_shared.Border - 16) + 1, 16) == null);
        Assert.True(map.FindUser(_shared.User(0), ulong.MaxValue) == null);
        Assert.True(map.FindUser(ulong.MaxValue, 1) == null);
        Assert.True(new GuestMemory().Current.Find(0, 1) == null);
    }

    [Fact]
    public void A_region_at_the_very_end_of_the_addresses_is_whole()
    {
        using var memory = new GuestMemory();
        memory.Replace(new RegionOf(ulong.MaxValue - 4095, 0, _shared.At(0), 4096));
        int count = 0;
        Assert.True(memory.Current.TryTranslate(ulong.MaxValue - 4095, 4096, _segments, ref count));
        Assert.False(memory.Current.TryTranslate(ulong.MaxValue - 4095, 4097, _segments, ref count));
        Assert.Equal(1, count);
        Assert.Throws<ArgumentException>(() => new RegionOf(ulong.MaxValue - 4094, 0, null, 4096));
        Assert.Throws<ArgumentException>(() => new RegionOf(0, 0, null, 0));
    }

    [Fact]
    public void Overlapping_regions_are_refused_and_change_nothing()
    {
        using GuestMemory memory = RegionOf.MapOf(_shared);
        MemoryMap before = memory.Current;
        ulong user = _shared.User(0);
        Assert.Throws<ArgumentException>(() => memory.Add(new RegionOf(0, user + 1, null, 16)));
        Assert.Throws<ArgumentException>(() => memory.Add(new RegionOf(SharedMemory.Guest(5), 1, null, 16)));
        Assert.Throws<ArgumentException>(() => memory.Add(new RegionOf(SharedMemory.Guest(-15), 1, null, 16)));
        Assert.Same(before, memory.Current);
    }

    [Theory]
    [InlineData(0, 4096, true)]
    [InlineData(4096, 8192, true)]
    [InlineData(4096, 8193, false)]
    [InlineData(0, 0, false)]
    [InlineData(-4096, 4096, false)]
    public void Memory_that_has_a_descriptor_is_mapped_if_all_of_it_is_there(long offset, long length, bool isThere)
    {
        int fd = VhostNative.NewMemory(12288, takesSeals: true);
        using var memory = new SafeFileHandle(fd, ownsHandle: true);
        if (!isThere)
        {
            Assert.Contains(
                ": give a memfd",
                Assert.Throws<VhostUserException>(
                    () => GuestRegion.Map(memory, 0x1000, (ulong)length, (ulong)offset)).Message,
                StringComparison.Ordinal);
            return;
        }

        RandomAccess.Write(memory, "there"u8, offset);
        using var guest = new GuestMemory();
        guest.Add(GuestRegion.Map(memory, 0x1000, (ulong)length, (ulong)offset));
        byte* found = guest.Current.Find(0x1000, (ulong)length);
        Assert.True(new ReadOnlySpan<byte>(found, 5).SequenceEqual("there"u8));
        Assert.True(guest.Current.FindUser(0x1000, 5) == found);
        Assert.Equal(-1, Native.FTruncate(fd, 4096)); // the guest's for good
        using var pipe = new SafeFileHandle(VhostNative.NewPair().Mine, ownsHandle: true);
        Assert.Throws<VhostUserException>(() => GuestRegion.Map(pipe, 0, 4096));
    }

    [Fact]
    public void A_region_is_given_back_once_when_no_map_and_no_lease_has_it()
    {
        using var memory = new GuestMemory();
        var first = new RegionOf(0, 0, _shared.At(0), 4096);
        var second = new RegionOf(4096, 4096, _shared.At(4096), 4096);
        memory.Replace(first);
        MemoryLease lease = memory.Lease();
        memory.Add(second);
        Assert.True(memory.Remove(0, 0, 4096));
        Assert.False(memory.Remove(0, 0, 4096));
        Assert.Equal(0, first.Unmapped);
        lease.Dispose();
        Assert.Equal(1, first.Unmapped);
        Assert.Equal(0, second.Unmapped);
        memory.Replace();
        Assert.Equal(1, second.Unmapped);
    }

    [Fact]
    public void Threads_that_lease_never_see_a_region_that_was_given_back()
    {
        using var memory = new GuestMemory();
        var all = new RegionOf[2000];
        memory.Replace(all[0] = new RegionOf(0, 0, _shared.At(0), 4096));
        bool stop = false;
        int wrong = 0;
        Thread[] threads = [.. Enumerable.Range(0, 3).Select(_ => new Thread(() =>
        {
            while (!Volatile.Read(ref stop))
            {
                using MemoryLease lease = memory.Lease();
                if (((RegionOf)lease.Map.Regions[0]).Unmapped != 0)
                {
                    Interlocked.Increment(ref wrong);
                }
            }
        }))];
        Array.ForEach(threads, thread => thread.Start());
        for (int i = 1; i < all.Length; i++)
        {
            memory.Replace(all[i] = new RegionOf(0, 0, _shared.At(0), 4096));
        }

        Volatile.Write(ref stop, true);
        Array.ForEach(threads, thread => thread.Join());
        Assert.Equal(0, wrong);
        Assert.All(all[..^1], region => Assert.Equal(1, region.Unmapped));
        Assert.Equal(0, all[^1].Unmapped);
    }
}
