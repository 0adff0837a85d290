using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Linq;
using FsCheck;
using FsCheck.Fluent;
using PassthroughFs.Core.Passthrough;
using PassthroughFs.Core.Tests.Properties;
using PassthroughFs.Core.Vfs;
using Xunit;

namespace PassthroughFs.Core.Tests.Passthrough;

/// <summary>The inode numbers that clients see.</summary>
public sealed class ShownNumbersTests
{
    private const ulong Root = 0xfe00;
    private const ulong Small = (1UL << 39) - 1;

    // Where one kind of number ends and another begins.
    private static readonly ulong[] s_edges =
        [0, 1UL << 32, 1UL << 39, 1UL << 47, 1UL << 52, 1UL << 53, 1UL << 55, 1UL << 56, 1UL << 63];

    /// <summary>Numbers as hosts have them, and such as look like what is shown of others.</summary>
    private static Gen<ulong> Inos => Gen.OneOf(
        Gen.Choose(0, 300).Select(ino => (ulong)ino),
        Gen.Elements(s_edges).SelectMany(edge => Gen.Choose(-3, 3).Select(step => edge + (ulong)step)),
        Gen.Choose(0, 3).SelectMany(number => Gen.Choose(0, 3)
            .Select(ino => (1UL << 52) + ((ulong)number << 39) + (ulong)ino)),
        ArbMap.Default.GeneratorFor<ulong>());

    private static Gen<ulong> Devices => Gen.OneOf(
        Gen.Constant(Root),
        Gen.Choose(1, 60).Select(minor => (ulong)minor),
        Gen.Elements(0UL, 0x801UL, 0x802UL, 0x10300UL, 0x700UL, 1UL << 31, uint.MaxValue, ulong.MaxValue, 1UL << 63),
        Gen.Choose(0, 3).Select(times => 0x25UL + ((ulong)times * 0x2000 << 12)));

    private static Arbitrary<(ulong Device, ulong Ino)[]> Sequences =>
        Devices.SelectMany(device => Inos.Select(ino => (device, ino))).ArrayOf().ToArbitrary();

    [Fact]
    public void Different_inodes_have_different_numbers_and_one_has_the_same_for_good() =>
        Prop.ForAll(Sequences, inodes =>
        {
            var shown = new ShownNumbers { Root = Root };
            var inMount = MountSlot.Of(new VfsMount(null!, "/a", 7, default) { FileSystem = null! }, 0, 0, 0);
            Dictionary<ulong, (ulong, ulong)> seen = [], seenInMount = [];
            for (int i = 0; i < inodes.Length; i++)
            {
                (ulong device, ulong ino) = inodes[i];
                ulong number = shown.Of(device, ino);
                Assert.True(seen.TryAdd(number, inodes[i]) || seen[number] == inodes[i], $"{number:x}");
                Assert.Equal(number, shown.Of(device, ino));
                ulong last = inMount.ShownIno(number);
                Assert.Equal(7ul, last >> 56);
                Assert.True(seenInMount.TryAdd(last, inodes[i]) || seenInMount[last] == inodes[i], $"{last:x}");
                if (i == inodes.Length / 2)
                {
                    shown = Successor(shown);
                }
            }

            Assert.All(seen, item => Assert.Equal(item.Key, shown.Of(item.Value.Item1, item.Value.Item2)));
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(Cases.Number()));

    [Fact]
    public void The_root_keeps_the_hosts_numbers_and_others_have_53_bits()
    {
        var shown = new ShownNumbers { Root = Root };
        foreach (ulong ino in new ulong[] { 1, 2, uint.MaxValue, Small, (1UL << 52) - 1, 1UL << 53, 1UL << 63, ulong.MaxValue })
        {
            Assert.Equal(ino, shown.Of(Root, ino));
        }

        foreach (ulong ino in new ulong[] { 1, 2, uint.MaxValue, Small })
        {
            Assert.Equal(53, 64 - (int)ulong.LeadingZeroCount(shown.Of(42, ino)));
            Assert.Equal(ino, shown.Of(42, ino) & Small);
        }

        Assert.Equal(1ul, shown.Of(42, Small + 1) >> 55);
        Assert.Equal(1ul, shown.Of(Root, 1UL << 52) >> 55);
        Assert.Equal(1ul, shown.Of(Root, 1UL << 55) >> 55);
    }

    [Fact]
    public void In_whatever_order_devices_come_each_has_its_number()
    {
        // A disk, its partitions, and devices that are no disks (btrfs, tmpfs, overlayfs).
        ulong[] devices = [0x801, 0x802, 0x10301, 0x10302, 0xfd00, .. Enumerable.Range(1, 255).Select(minor => (ulong)minor)];
        var first = new ShownNumbers { Root = Root };
        var second = new ShownNumbers { Root = Root };
        ulong[] numbers = [.. devices.Select(device => first.Of(device, 256))];
        Assert.Equal(devices.Length, numbers.Distinct().Count());
        ulong[] reversed = [.. devices.AsEnumerable().Reverse().Select(device => second.Of(device, 256))];
        Assert.Equal(numbers, reversed.AsEnumerable().Reverse());
    }

    [Fact]
    public void More_devices_than_have_a_number_take_no_memory_and_stay_apart()
    {
        const int Many = 3 * ShownNumbers.MaxDevices;
        var shown = new ShownNumbers { Root = Root };
        HashSet<ulong> numbers = [];
        for (int round = 0; round < 2; round++)
        {
            for (int i = 1; i <= Many; i++)
            {
                // C's makedev(0, i).
                ulong device = ((ulong)i & 0xff) | (((ulong)i & ~0xffUL) << 12);
                Assert.Equal(round == 0, numbers.Add(shown.Of(device, 256)));
                Assert.Equal(round == 0, numbers.Add(shown.Of(device, Small + 256)));
            }
        }

        Assert.Equal(ShownNumbers.MaxDevices, Saved(shown).Count);
    }

    [Fact]
    public void Threads_that_meet_a_device_at_once_give_it_one_number()
    {
        for (int round = 0; round < 50; round++)
        {
            var shown = new ShownNumbers { Root = Root };
            var numbers = new ConcurrentDictionary<ulong, ulong>();
            Threads.Run(2, thread =>
            {
                for (ulong device = 1; device < 200; device++)
                {
                    ulong number = shown.Of((device * 0x2000) << 12, 1);
                    Assert.Equal(number, numbers.GetOrAdd(device, number));
                }
            });
            Assert.Equal(numbers.Count, numbers.Values.Distinct().Count());
        }
    }

    [Fact]
    public void A_successor_whose_devices_have_other_numbers_shows_what_was_shown()
    {
        var shown = new ShownNumbers { Root = Root };
        ulong number = shown.Of(42, 1), large = shown.Of(42, Small + 1), other = shown.Of(43, 1);
        var next = new ShownNumbers { Root = Root };

        // 42 has become 43, and what was 43 is gone.
        next.Restore(Saved(shown).Select(item => (item.Device == 42 ? 43UL : item.Device, item.Number)));
        Assert.Equal(number, next.Of(43, 1));
        Assert.Equal(large, next.Of(43, Small + 1));
        Assert.DoesNotContain(next.Of(42, 1), new[] { number });
        Assert.NotEqual(next.Of(42, 1), next.Of(44, 1));
        Assert.NotEqual(number, other);
    }

    private static List<(ulong Device, int Number)> Saved(ShownNumbers shown)
    {
        var state = new NodeState();
        shown.Save(state);
        return state.Devices;
    }

    private static ShownNumbers Successor(ShownNumbers shown)
    {
        var next = new ShownNumbers { Root = shown.Root };
        next.Restore(Saved(shown));
        return next;
    }
}
