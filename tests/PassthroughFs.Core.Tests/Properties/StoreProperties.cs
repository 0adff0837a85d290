using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using FsCheck;
using FsCheck.Fluent;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Passthrough;
using PassthroughFs.Core.Testing;
using Xunit;

namespace PassthroughFs.Core.Tests.Properties;

/// <summary>The stores against their models.</summary>
public sealed class StoreProperties : DescriptorCheck
{
    private static readonly TestDescriptors s_descriptors = new();

    [Fact]
    public void The_allocator_makes_what_its_layout_says_and_takes_it_apart_again() =>
        Cases.Holds(
            InodeAllocatorSpec.Sequences,
            steps => InodeAllocatorSpec.Check(new InodeAllocator(), 2, steps)
                ?? InodeAllocatorSpec.Check(
                    new InodeAllocator(InodeAllocator.MaxHostIno - 5), InodeAllocator.MaxHostIno - 5, steps));

    [Fact]
    public void Whatever_way_threads_meet_the_allocator_makes_no_number_twice() =>
        Prop.ForAll<int>(seed =>
        {
            var allocator = new InodeAllocator();
            var made = new ConcurrentDictionary<ulong, InodeKey>();
            Threads.Run(2, thread =>
            {
                var random = new Random(seed + thread);
                for (int i = 0; i < 50; i++)
                {
                    ulong ino = (ulong)random.Next(4) + (random.Next(2) == 0 ? 0 : InodeAllocator.MaxHostIno - 1);
                    var key = new InodeKey(ino, (ulong)random.Next(4), 0);
                    Assert.True(allocator.TryAllocate(key, out NodeId node));
                    Assert.True(allocator.TryDecode(node, out InodeKey decoded));
                    bool isVirtual = (node.Value & InodeAllocator.VirtualBit) != 0;
                    Assert.Equal(isVirtual ? key with { Ino = decoded.Ino } : key, decoded);
                    Assert.True(made.TryAdd(node.Value, key) || (!isVirtual && made[node.Value] == key));
                }
            });
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(Cases.Number(200)));

    public static TheoryData<string, InodeStoreSetup> Setups => new()
    {
        { "descriptors", new InodeStoreSetup() },
        { "descriptors, no birth times", new InodeStoreSetup { HasBirthTimes = false, UseMountIds = true } },
        { "host numbers", new InodeStoreSetup { UseHostIno = true, RetainedMappings = 2 } },
        { "handles", new InodeStoreSetup { UseHandles = true, RetainedMappings = 100 } },
        {
            "handles and host numbers",
            new InodeStoreSetup { UseHandles = true, UseHostIno = true, UseMountIds = true }
        },
        {
            "handles, and descriptors of some",
            new InodeStoreSetup { UseHandles = true, SomeHaveDescriptors = true, UseMountIds = true }
        },
        { "reopened", Reopened with { RetainedMappings = 3, Restart = null } },
        { "reopened after a restart", Reopened },
        { "reopened after a restart, host numbers", Reopened with { UseHostIno = true } },
        { "reopened after a restart, handles alone", Reopened with { SomeHaveDescriptors = false } },
        { "nothing remembered", new InodeStoreSetup { RetainedMappings = 0 } },
        { "descriptors that become handles", Adaptive },
        { "descriptors that become handles, mounts", Adaptive with { UseMountIds = true, RetainedMappings = 100 } },
        { "descriptors that become handles, host numbers", Adaptive with { UseHostIno = true, RetainedMappings = 2 } },
    };

    private static InodeStoreSetup Adaptive => new()
    {
        UseHandles = true,
        Create = setup => new InodeStore(
            setup.UseHostIno ? new InodeAllocator() : null, setup.RetainedMappings, null, false, hasRing: true),
        CloseDescriptor = CloseDescriptor,
        KeepDescriptor = (store, node, fd) =>
        {
            using HostInode inode = store.Get(node);
            return store.TryKeepFd(inode, fd);
        },
    };

    private static InodeStoreSetup Reopened => new()
    {
        UseHandles = true,
        SomeHaveDescriptors = true,
        Reopens = true,
        RetainedMappings = 1000,
        Restart = Successor,
    };

    [Theory]
    [MemberData(nameof(Setups), DisableDiscoveryEnumeration = true)]
    public void The_inode_store_agrees_with_its_model(string name, InodeStoreSetup setup)
    {
        Assert.NotNull(name);
        Cases.Holds(InodeStoreSpec.Sequences, steps => InodeStoreSpec.Check(setup, s_descriptors, steps));
    }

    /// <summary>Picks all that have a descriptor, as one that is cold is picked, and closes that of one.</summary>
    private static bool CloseDescriptor(InodeStore store, NodeId node, KernelHandle handle)
    {
        int[] picked = new int[store.Count];
        int count = store.PickCold(picked, 1, takesUsed: true);
        bool isClosed = false;
        foreach (int slot in picked.AsSpan(0, count))
        {
            if (store.Picked(slot).Node == node)
            {
                isClosed = store.CloseFd(slot, handle, -1);
            }
            else
            {
                store.PutBack(slot, forGood: false);
            }
        }

        Assert.False(store.IsClosing);
        return isClosed;
    }

    /// <summary>A store that goes on from another's state, written and read.</summary>
    private static InodeStore Successor(InodeStore store)
    {
        var state = new NodeState();
        state.Mounts.Add(new SavedHostMount(new HostMount([], 1, 2, new KernelHandle(1, [1]), true, 3), 4));
        state.Inodes.AddRange(store.Snapshot(out ulong nextNode, out _));
        state.NextNode = nextNode;
        store.Allocator?.Save(state);
        var stream = new MemoryStream();
        NodeStateFormat.Write(state, stream);
        stream.Position = 0;
        NodeState read = NodeStateFormat.Read(stream);
        InodeAllocator? allocator = store.Allocator is null ? null : new InodeAllocator();
        allocator?.Restore(read, pair => pair);
        var successor = new InodeStore(allocator, 1000, reopens: true);
        successor.Restore(read.NextNode, read.Inodes);
        return successor;
    }

    [Fact]
    public void The_handle_store_agrees_with_its_model() =>
        Cases.Holds(HandleStoreSpec.Sequences, steps =>
        {
            using var store = new HandleStore();
            return HandleStoreSpec.Check(store, s_descriptors, steps);
        });

    [Fact]
    public void A_failing_sequence_shrinks_to_its_shortest()
    {
        // The sequence fails while it has a removal after an addition; everything else must be left out.
        Step<HandleStoreStep>[] steps =
        [
            .. Enumerable.Range(0, 40).Select(i => new Step<HandleStoreStep>(
                i == 30 ? HandleStoreStep.Release : i == 11 ? HandleStoreStep.Add : HandleStoreStep.Get, i, i, i)),
        ];
        bool Fails(IEnumerable<Step<HandleStoreStep>> candidate) =>
            candidate.SkipWhile(step => step.Kind != HandleStoreStep.Add)
                .Any(step => step.Kind == HandleStoreStep.Release);
        while (Steps.Shrink(steps).FirstOrDefault(Fails) is { } smaller)
        {
            steps = smaller;
        }

        Assert.Equal([new(HandleStoreStep.Add, 0, 0, 0), new(HandleStoreStep.Release, 0, 0, 0)], steps);
    }
}
