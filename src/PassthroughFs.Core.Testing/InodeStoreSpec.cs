using System;
using System.Collections.Generic;
using FsCheck;

namespace PassthroughFs.Core.Testing;

/// <summary>What happens on a host and with an <see cref="Passthrough.InodeStore"/> that serves it.</summary>
public enum InodeStoreStep
{
    /// <summary>The host gets a new file.</summary>
    Create,

    /// <summary>A file gets one more name.</summary>
    Link,

    /// <summary>A name moves, over another if there is one.</summary>
    Rename,

    /// <summary>A name goes; a file without names and users is gone, and its number free for the next.</summary>
    Unlink,

    /// <summary>Another file system, or the same by another mount, appears at a mount point, or goes from it.</summary>
    Mount,

    /// <summary>A lookup of a name as the server makes it: by identity first, and then to be added.</summary>
    Lookup,

    /// <summary>A lookup that missed at first, because the inode came meanwhile.</summary>
    Add,

    /// <summary>Some lookups are given back.</summary>
    Forget,

    /// <summary>All lookups are given back, and more.</summary>
    ForgetTooMany,

    /// <summary>All lookups are given back while a request uses the inode.</summary>
    ForgetInUse,

    /// <summary>Lookups of the root, or of a node that does not live, are given back.</summary>
    ForgetOthers,

    /// <summary>An inode's descriptor is closed while it lives, and its handle stands for it.</summary>
    CloseDescriptor,

    /// <summary>An inode that lives by its handle gets a descriptor.</summary>
    KeepDescriptor,

    /// <summary>A node is named by its number alone, forgotten or not: its inode is opened by its handle.</summary>
    LookupByNode,

    /// <summary>Another store goes on with what this one has given.</summary>
    Restart,

    /// <summary>Everything is forgotten and the root is there anew.</summary>
    Clear,
}

/// <summary>
/// An <see cref="Passthrough.InodeStore"/> keeps its invariants whatever the host and the client do: an inode that
/// lives has one NodeId and shares it with none, its lookup count is the sum of what was looked up and forgotten, it
/// goes exactly at 0, the root never goes, a forgotten inode gets its NodeId again while it is remembered, as many are
/// remembered as shall be, a number that the host has given to another file is another node, and as many descriptors
/// are open as inodes that have one.
/// </summary>
public static class InodeStoreSpec
{
    /// <summary>Sequences for <see cref="Check"/>.</summary>
    public static Arbitrary<Step<InodeStoreStep>[]> Sequences => Steps.Of(
        (8, InodeStoreStep.Create), (3, InodeStoreStep.Link), (3, InodeStoreStep.Rename), (6, InodeStoreStep.Unlink),
        (1, InodeStoreStep.Mount), (14, InodeStoreStep.Lookup), (5, InodeStoreStep.Add), (10, InodeStoreStep.Forget),
        (3, InodeStoreStep.ForgetTooMany), (2, InodeStoreStep.ForgetInUse), (2, InodeStoreStep.ForgetOthers),
        (4, InodeStoreStep.LookupByNode), (6, InodeStoreStep.CloseDescriptor), (3, InodeStoreStep.KeepDescriptor),
        (1, InodeStoreStep.Restart), (1, InodeStoreStep.Clear));

    /// <summary>Runs a sequence on a store of its own; returns what was wrong, or null.</summary>
    /// <param name="setup">The kind of host and store.</param>
    /// <param name="descriptors">
    /// Gives each inode a descriptor for the store to own; null for none. Not asked for inodes that are known by
    /// handle.
    /// </param>
    /// <param name="steps">The sequence.</param>
    public static string? Check(
        InodeStoreSetup setup, IDescriptors? descriptors, IReadOnlyList<Step<InodeStoreStep>> steps)
    {
        ArgumentNullException.ThrowIfNull(setup);
        ArgumentNullException.ThrowIfNull(steps);
        bool haveDescriptors = !setup.UseHandles || setup.SomeHaveDescriptors || setup.CloseDescriptor is not null;
        using var run = new InodeStoreRun(setup, haveDescriptors ? descriptors : null);
        foreach (Step<InodeStoreStep> step in steps)
        {
            string? fault = run.Do(step) ?? run.Invariants();
            if (fault is not null)
            {
                return $"{step}: {fault}";
            }
        }

        return run.End();
    }
}
