namespace PassthroughFs.Core.Api;

/// <summary>
/// An opaque number the client gives to whoever owns a POSIX lock (on Linux: one per process and file table).
/// </summary>
/// <param name="Value">The number on the wire; 0 where the client named no owner.</param>
public readonly record struct LockOwner(ulong Value);
