using System;
using System.Collections.Generic;
using PassthroughFs.Core.Api;
using PassthroughFs.VhostUser;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Vhost;

/// <summary>The device's side of a queue against a driver that follows the rules, and one that does not.</summary>
public sealed unsafe class SplitQueueTests : IDisposable
{
    private const int Size = 16;
    private const ushort Next = Desc.HasNext;
    private const ushort Write = Desc.Writable;
    private const ushort Table = Desc.Indirect;

    private readonly SharedMemory _shared = new(1 << 20);
    private readonly GuestMemory _memory;
    private readonly DriverQueue _driver;
    private readonly SplitQueue _queue;
    private readonly DescriptorChain _chain = new(32);

    public SplitQueueTests()
    {
        _memory = RegionOf.MapOf(_shared);
        _driver = new DriverQueue(_shared, Size);
        _queue = NewQueue(eventIndex: true);
    }

    public void Dispose()
    {
        _driver.Dispose();
        _memory.Dispose();
        _shared.Dispose();
    }

    public static TheoryData<string, string> BadChains => new()
    {
        { "length 0", "length 0" },
        { "outside", "outside" },
        { "wraps around", "outside" },
        { "half outside", "outside" },
        { "readable behind writable", "behind a writable" },
        { "circle", "circle" },
        { "next outside", "outside of the table" },
        { "indirect in indirect", "in an indirect" },
        { "indirect with next", "with a next" },
        { "indirect of length 0", "part of a descriptor" },
        { "indirect with a part", "part of a descriptor" },
        { "indirect outside", "outside" },
        { "indirect too long", "too long" },
        { "indirect next outside", "outside of the table" },
        { "indirect circle", "circle" },
        { "over 4 GiB", "4 GiB" },
    };

    [Fact]
    public void A_chain_becomes_two_lists_of_segments_in_place()
    {
        long border = _shared.Border;
        _driver.SubmitChain([(8192, 40, false), (border - 10, 30, false), (12288, 16, true), (16384, 4096, true)]);
        Assert.Equal(TakeResult.Request, Take());
        Assert.Equal([(8192, 40), (border - 10, 10), (border, 20)], Places(_chain.Readable));
        Assert.Equal([(12288, 16), (16384, 4096)], Places(_chain.Writable));
        _queue.Complete(_chain.Head, 77);
        Assert.Equal((0u, 77u), _driver.AwaitUsed(0));
        Assert.Equal(TakeResult.Empty, Take());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(7)]
    public void An_indirect_table_may_lie_anywhere_and_follow_plain_descriptors(int misalignment)
    {
        long table = 8192 + misalignment;
        _driver.Write(0, new Desc(SharedMemory.Guest(4096 * 4), 8, Next, 1));
        _driver.Write(1, new Desc(SharedMemory.Guest(table), 32, Table | Write, 0));
        PutTable(
            table, new Desc(SharedMemory.Guest(4096 * 5), 9, Next, 1),
            new Desc(SharedMemory.Guest(4096 * 6), 10, Write, 0));
        _driver.Submit(0);
        Assert.Equal(TakeResult.Request, Take());
        Assert.Equal([(4096 * 4, 8), (4096 * 5, 9)], Places(_chain.Readable));
        Assert.Equal([(4096 * 6, 10)], Places(_chain.Writable));
    }

    [Theory, MemberData(nameof(BadChains))]
    public void A_bad_chain_costs_that_request_only(string kind, string fault)
    {
        Spoil(kind);
        _driver.Submit(0);
        Assert.Equal(TakeResult.BadChain, Take());
        Assert.Contains(fault, _queue.Fault, StringComparison.Ordinal);
        Assert.Equal((0u, 0u), _driver.AwaitUsed(0));

        _driver.SubmitChain([(8192, 40, false), (12288, 16, true)]);
        Assert.Equal(TakeResult.Request, Take());
        Assert.Equal([(8192, 40)], Places(_chain.Readable));
    }

    [Fact]
    public void Without_the_feature_an_indirect_descriptor_is_bad()
    {
        var queue = new SplitQueue(Size, 0, indirect: false, eventIndex: true);
        Assert.True(queue.TryMap(_memory.Current, Addresses));
        _driver.SubmitChain([(8192, 40, false)], table: 4096 * 4);
        Assert.Equal(TakeResult.BadChain, queue.TryTake(_memory.Current, _chain));
    }

    [Theory]
    [InlineData(Size, false)]
    [InlineData(Size + 1, true)]
    [InlineData(0x8000, true)]
    [InlineData(0xFFFF, true)]
    public void An_index_that_jumps_by_more_than_the_queue_breaks_it(int index, bool broken)
    {
        _driver.Write(0, new Desc(SharedMemory.Guest(8192), 40, 0, 0));
        _driver.Publish((ushort)index);
        Assert.Equal(broken ? TakeResult.Broken : TakeResult.Request, Take());
    }

    [Fact]
    public void A_map_without_the_rings_changes_nothing_for_who_holds_an_older_one()
    {
        _driver.SubmitChain([(8192, 40, false)]);
        Assert.Equal(TakeResult.Request, Take());
        using var empty = new GuestMemory();
        Assert.False(_queue.TryMap(empty.Current, Addresses));

        // Only one of the rings goes.
        foreach (RingAddresses gone in (RingAddresses[])[
            Addresses with { Descriptors = 16 }, Addresses with { Available = 16 }, Addresses with { Used = 16 }])
        {
            Assert.False(_queue.TryMap(_memory.Current, gone));
        }

        _queue.Complete(_chain.Head, 7);
        Assert.Equal((0u, 7u), _driver.AwaitUsed(0));
    }

    [Fact]
    public void A_queue_whose_rings_were_never_found_is_no_way_into_memory()
    {
        SplitQueue queue = NewQueue(eventIndex: true, map: false);
        foreach (Action use in (Action[])[
            () => queue.TryTake(_memory.Current, _chain), () => queue.Complete(0, 0), () => queue.MustCall(),
            () => queue.EnableKicks(), () => _ = queue.HasWork, queue.ResumeUsed])
        {
            Assert.Throws<InvalidOperationException>(use);
        }

        // Only without event indexes does that write anything.
        Assert.Throws<InvalidOperationException>(new SplitQueue(Size, 0, true, eventIndex: false).DisableKicks);
    }

    [Fact]
    public void A_head_outside_of_the_queue_breaks_it()
    {
        _driver.Submit(Size);
        Assert.Equal(TakeResult.Broken, Take());
        Assert.Contains("descriptor 16", _queue.Fault, StringComparison.Ordinal);
    }

    [Fact]
    public void Rings_outside_of_memory_across_a_border_or_not_aligned_cannot_be_mapped()
    {
        RingAddresses good = Addresses;
        foreach (RingAddresses bad in new[]
        {
            good with { Descriptors = 0 }, good with { Descriptors = good.Descriptors + 8 },
            good with { Available = good.Available + 1 }, good with { Used = good.Used + 2 },
            good with { Used = ulong.MaxValue - 3 }, good with { Descriptors = _shared.User(_shared.Border - 16) },
        })
        {
            Assert.False(NewQueue(true, map: false).TryMap(_memory.Current, bad));
        }

        Assert.True(NewQueue(true, map: false).TryMap(_memory.Current, good));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Kicks_and_calls_happen_only_when_they_are_wanted(bool eventIndex)
    {
        using var driver = new DriverQueue(_shared, Size, eventIndex);
        var queue = new SplitQueue(Size, 0, true, eventIndex);
        Assert.True(queue.TryMap(_memory.Current, AddressesOf(driver)));
        queue.DisableKicks();
        Assert.False(queue.EnableKicks());
        driver.SubmitChain([(8192, 40, false)]);
        Assert.Equal(1, driver.Kicks);
        Assert.True(queue.HasWork);
        queue.DisableKicks();
        Assert.Equal(TakeResult.Request, queue.TryTake(_memory.Current, _chain));
        driver.SubmitChain([(8192, 40, false)]);
        Assert.Equal(1, driver.Kicks); // it is at work
        Assert.True(queue.EnableKicks()); // and must look again

        queue.Complete(0, 0);
        Assert.True(queue.MustCall());
        Assert.Equal((0u, 0u), driver.AwaitUsed(0));
        Suppress(driver, eventIndex);
        Assert.Equal(TakeResult.Request, queue.TryTake(_memory.Current, _chain));
        queue.Complete(0, 0);
        Assert.False(queue.MustCall());
    }

    [Fact]
    public void Indexes_wrap_around_and_no_request_allocates()
    {
        List<(long, int, bool)> parts = [(8192, 40, false), (12288, 16, true), (20480, 4096, true)];
        for (int i = 0; i < 10; i++)
        {
            Round();
        }

        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 70_000; i++)
        {
            Round();
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        void Round()
        {
            _driver.SubmitChain(parts, table: 4096 * 9);
            if (_queue.TryTake(_memory.Current, _chain) != TakeResult.Request)
            {
                throw new InvalidOperationException("no request");
            }

            _queue.Complete(_chain.Head, 5);
            _ = _queue.MustCall();
            _ = _driver.AwaitUsed(0);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Random_descriptors_never_lead_outside_of_the_memory(int seed)
    {
        var random = new Random(seed);
        int requests = 0, bad = 0;
        for (int round = 0; round < 100_000; round++)
        {
            for (int i = 0; i < 4; i++)
            {
                _driver.Write(random.Next(Size), RandomDescriptor(random));
                PutTable(8192 + (random.Next(40) * 16), RandomDescriptor(random));
            }

            _driver.Submit((ushort)random.Next(Size));
            TakeResult result = Take();
            if (result == TakeResult.Request)
            {
                requests++;
                AssertInside(_chain.Readable);
                AssertInside(_chain.Writable);
                _queue.Complete(_chain.Head, 1);
            }
            else
            {
                Assert.Equal(TakeResult.BadChain, result);
                bad++;
            }

            _ = _driver.AwaitUsed(0);
        }

        Assert.True(requests > 1000 && bad > 1000, $"{requests} good and {bad} bad chains try too little");
    }

    private RingAddresses Addresses => AddressesOf(_driver);

    private RingAddresses AddressesOf(DriverQueue driver) =>
        new(_shared.User(driver.Descriptors), _shared.User(driver.Available), _shared.User(driver.Used));

    private SplitQueue NewQueue(bool eventIndex, bool map = true)
    {
        var queue = new SplitQueue(Size, 0, indirect: true, eventIndex);
        Assert.True(!map || queue.TryMap(_memory.Current, Addresses));
        return queue;
    }

    private TakeResult Take() => _queue.TryTake(_memory.Current, _chain);

    private void Suppress(DriverQueue driver, bool eventIndex)
    {
        ushort* available = (ushort*)_shared.At(driver.Available);
        if (eventIndex)
        {
            available[2 + Size] = 100;
        }
        else
        {
            available[0] = 1;
        }
    }

    private void PutTable(long offset, params ReadOnlySpan<Desc> descriptors) =>
        descriptors.CopyTo(new Span<Desc>(_shared.At(offset), descriptors.Length));

    private void Spoil(string kind)
    {
        const long table = 8192, data = 65536;
        ulong good = SharedMemory.Guest(data);
        void Indirect(uint length, ushort flags = 0) =>
            _driver.Write(0, new Desc(SharedMemory.Guest(table), length, (ushort)(Table | flags), 1));
        _driver.Write(1, new Desc(good, 8, 0, 0));
        switch (kind)
        {
            case "length 0": _driver.Write(0, new Desc(good, 0, 0, 0)); break;
            case "outside": _driver.Write(0, new Desc(5, 8, 0, 0)); break;
            case "wraps around": _driver.Write(0, new Desc(ulong.MaxValue - 3, 8, Write, 0)); break;
            case "half outside": _driver.Write(0, new Desc(SharedMemory.Guest(_shared.Size - 4), 8, 0, 0)); break;
            case "readable behind writable": _driver.Write(0, new Desc(good, 8, Next | Write, 1)); break;
            case "circle": _driver.Write(0, new Desc(good, 8, Next, 0)); break;
            case "next outside": _driver.Write(0, new Desc(good, 8, Next, Size)); break;
            case "indirect in indirect":
                Indirect(16);
                PutTable(table, new Desc(SharedMemory.Guest(table), 16, Table, 0));
                break;
            case "indirect with next": Indirect(16, Next); break;
            case "indirect of length 0": Indirect(0); break;
            case "indirect with a part": Indirect(24); break;
            case "indirect outside": _driver.Write(0, new Desc(16, 16, Table, 0)); break;
            case "indirect too long": Indirect(33 * 16); break;
            case "indirect next outside":
                Indirect(16);
                PutTable(table, new Desc(good, 8, Next, 1));
                break;
            case "indirect circle":
                Indirect(32);
                PutTable(table, new Desc(good, 8, Next, 1), new Desc(good, 8, Next, 0));
                break;
            case "over 4 GiB":
                // More than any memory here: found before the address is looked at.
                _driver.Write(0, new Desc(good, 8, Next, 1));
                _driver.Write(1, new Desc(good, uint.MaxValue, 0, 0));
                break;
            default: throw new ArgumentOutOfRangeException(nameof(kind));
        }
    }

    private Desc RandomDescriptor(Random random)
    {
        ulong address = random.Next(8) switch
        {
            0 => (ulong)random.NextInt64(),
            1 => SharedMemory.Guest(_shared.Size - random.Next(64)),
            2 => SharedMemory.Guest(_shared.Border - random.Next(64)),
            _ => SharedMemory.Guest(8192 + (random.Next(40) * 16)),
        };
        uint length = random.Next(6) switch
        {
            0 => (uint)random.NextInt64(1L << 32),
            1 => 0,
            _ => (uint)(16 * random.Next(1, 20)),
        };
        ushort flags = (ushort)(random.Next(10) == 0 ? random.Next(8) : random.Next(4));
        return new Desc(address, length, flags, (ushort)random.Next(random.Next(10) == 0 ? 70_000 : Size));
    }

    private void AssertInside(ReadOnlySpan<IoSegment> segments)
    {
        foreach (IoSegment segment in segments)
        {
            nint from = (nint)(segment.Pointer - _shared.At(0));
            Assert.InRange(from, 0, (nint)_shared.Size - 1);
            Assert.InRange((ulong)from + segment.Length, 1ul, (ulong)_shared.Size);
        }
    }

    private List<(long, int)> Places(ReadOnlySpan<IoSegment> segments)
    {
        var places = new List<(long, int)>();
        foreach (IoSegment segment in segments)
        {
            places.Add((segment.Pointer - _shared.At(0), (int)segment.Length));
        }

        return places;
    }
}
