using System;
using System.Collections.Generic;
using FsCheck;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Passthrough;

namespace PassthroughFs.Core.Testing;

/// <summary>What there is to do with an <see cref="InodeAllocator"/>.</summary>
public enum InodeAllocatorStep
{
    /// <summary>A NodeId for an inode of one of a few devices and mounts.</summary>
    Allocate,

    /// <summary>A NodeId with a virtual number.</summary>
    AllocateVirtual,

    /// <summary>NodeIds on 64 devices at once, so that the limit of pairs is met.</summary>
    AllocateOnMany,

    /// <summary>Take apart a NodeId that was never made.</summary>
    DecodeUnknown,
}

/// <summary>
/// An <see cref="InodeAllocator"/> does what it says: each NodeId has the documented layout, decodes to what it was
/// made from, is no other inode's, and the limits are where they are said to be.
/// </summary>
public static class InodeAllocatorSpec
{
    /// <summary>Sequences for <see cref="Check"/>.</summary>
    public static Arbitrary<Step<InodeAllocatorStep>[]> Sequences => Steps.Of(
        (8, InodeAllocatorStep.Allocate), (4, InodeAllocatorStep.AllocateVirtual),
        (1, InodeAllocatorStep.AllocateOnMany), (1, InodeAllocatorStep.DecodeUnknown));

    /// <summary>Runs a sequence; returns what was wrong, or null.</summary>
    /// <param name="allocator">An allocator that has made nothing yet.</param>
    /// <param name="nextVirtual">The virtual number it makes first: 2, unless it was built to be near its
    /// limit.</param>
    /// <param name="steps">The sequence.</param>
    public static string? Check(
        InodeAllocator allocator, ulong nextVirtual, IReadOnlyList<Step<InodeAllocatorStep>> steps)
    {
        ArgumentNullException.ThrowIfNull(allocator);
        ArgumentNullException.ThrowIfNull(steps);
        var model = new InodeAllocatorModel(nextVirtual);
        var made = new Dictionary<NodeId, InodeKey>();
        foreach (Step<InodeAllocatorStep> step in steps)
        {
            string? fault = null;
            if (step.Kind == InodeAllocatorStep.DecodeUnknown)
            {
                fault = DecodeUnknown(allocator, made, step);
            }
            else if (step.Kind == InodeAllocatorStep.AllocateOnMany)
            {
                for (int dev = 0; dev < 64 && fault is null; dev++)
                {
                    var key = new InodeKey(Ino(step.B), (ulong)((step.A << 6) + dev), 9);
                    fault = Allocate(allocator, model, made, key, false);
                }
            }
            else
            {
                var key = new InodeKey(Ino(step.B), (ulong)(step.A & 3), (ulong)(step.C & 3));
                fault = Allocate(allocator, model, made, key, step.Kind == InodeAllocatorStep.AllocateVirtual);
            }

            if (fault is not null)
            {
                return $"{step}: {fault}";
            }
        }

        foreach ((NodeId node, InodeKey key) in made)
        {
            if (!allocator.TryDecode(node, out InodeKey decoded) || decoded != key)
            {
                return $"node {node} decodes to {decoded} instead of {key}";
            }
        }

        return null;
    }

    // Numbers on both sides of 47 bits, and the largest there is.
    private static ulong Ino(int number) => (number & 3) switch
    {
        0 => InodeAllocator.MaxHostIno - 8 + (ulong)(number >> 2),
        1 => ulong.MaxValue - (ulong)(number >> 2),
        _ => (ulong)number,
    };

    private static string? Allocate(
        InodeAllocator allocator, InodeAllocatorModel model, Dictionary<NodeId, InodeKey> made, in InodeKey key,
        bool isVirtual)
    {
        NodeId expected = model.Allocate(key, isVirtual);
        bool done = isVirtual
            ? allocator.TryAllocateVirtual(key, out NodeId node) : allocator.TryAllocate(key, out node);
        if (node != expected || done != (expected != NodeId.None))
        {
            return $"{key} became {node} ({done}) instead of {expected}";
        }

        if (!done)
        {
            return null;
        }

        if (node.Value is 0 or > (1UL << 56) - 1 || node == NodeId.Root)
        {
            return $"{node} is no NodeId to give away";
        }

        bool usesCounter = (node.Value & InodeAllocator.VirtualBit) != 0;
        InodeKey origin = usesCounter ? key with { Ino = node.Value & InodeAllocator.MaxHostIno } : key;
        return made.TryAdd(node, origin) || (made[node] == key && !usesCounter) ? null
            : $"{key} became {node}, which is {made[node]}";
    }

    private static string? DecodeUnknown(
        InodeAllocator allocator, Dictionary<NodeId, InodeKey> made, Step<InodeAllocatorStep> step)
    {
        // Too many bits, or the number 0 for the pair: nothing was ever made from these.
        ulong unknown = (step.A & 1) == 0
            ? InodeAllocator.MaxNodeId + 1 + (ulong)step.B : (uint)step.B | ((ulong)(uint)(step.C & 1) << 55);
        return allocator.TryDecode(new NodeId(unknown), out InodeKey key) && !made.ContainsKey(new NodeId(unknown))
            ? $"{unknown} decodes to {key}" : null;
    }
}
