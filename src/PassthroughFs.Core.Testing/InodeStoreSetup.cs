using System;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Passthrough;

namespace PassthroughFs.Core.Testing;

/// <summary>What kind of host and store an <see cref="InodeStoreSpec"/> is run on.</summary>
public sealed record InodeStoreSetup
{
    /// <summary>Inodes are known by kernel handle: the host may give a deleted file's number away at once.</summary>
    public bool UseHandles { get; init; }

    /// <summary>
    /// With <see cref="UseHandles"/>: half of the inodes have a descriptor as well, and are known by their number.
    /// </summary>
    public bool SomeHaveDescriptors { get; init; }

    /// <summary>Forgotten inodes are opened again by NodeId.</summary>
    public bool Reopens { get; init; }

    /// <summary>Another store that goes on with the NodeIds of one, as after a restart; null for none.</summary>
    public Func<InodeStore, InodeStore>? Restart { get; init; }

    /// <summary>
    /// With <see cref="UseHandles"/>: inodes come by descriptor and without handle. This closes the descriptor of a
    /// live one, which is kept by the handle given from then on; returns whether it did. Null for none.
    /// </summary>
    public Func<InodeStore, NodeId, KernelHandle, bool>? CloseDescriptor { get; init; }

    /// <summary>
    /// With <see cref="CloseDescriptor"/>: gives a live inode without a descriptor one; returns whether it did.
    /// </summary>
    public Func<InodeStore, NodeId, int, bool>? KeepDescriptor { get; init; }

    /// <summary>Another way to make the store; null for its public constructor.</summary>
    public Func<InodeStoreSetup, InodeStore>? Create { get; init; }

    /// <summary>The host says when a file was born.</summary>
    public bool HasBirthTimes { get; init; } = true;

    /// <summary>The mount is part of the identity.</summary>
    public bool UseMountIds { get; init; }

    /// <summary>NodeIds come from the host's numbers.</summary>
    public bool UseHostIno { get; init; }

    /// <summary>How many forgotten inodes are remembered.</summary>
    public int RetainedMappings { get; init; } = 4;

    /// <summary>A store for this setup.</summary>
    public InodeStore CreateStore() => Create?.Invoke(this) ??
        new(UseHostIno ? new InodeAllocator() : null, Math.Max(0, RetainedMappings), Reopens);
}
