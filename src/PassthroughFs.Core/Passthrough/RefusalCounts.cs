namespace PassthroughFs.Core.Passthrough;

/// <summary>How often clients of a file system were refused something because they have too much of it.</summary>
/// <param name="Nodes">Lookups and creations beyond <see cref="PassthroughConfig.MaxNodes"/>: ENOMEM.</param>
/// <param name="Handles">Opens beyond what the process's memory allows: EMFILE.</param>
/// <param name="LockOwners">Locks of too many owners, or for want of descriptors: ENOLCK.</param>
/// <param name="Descriptors">What descriptors were lacking for: EMFILE, ENFILE.</param>
public readonly record struct RefusalCounts(long Nodes, long Handles, long LockOwners, long Descriptors);
