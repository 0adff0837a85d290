namespace PassthroughFs.Core.Api;

/// <summary>A point in time as Linux keeps it.</summary>
/// <param name="Seconds">Seconds since 1970-01-01 UTC; may be negative.</param>
/// <param name="Nanoseconds">Nanoseconds within the second, 0 to 999,999,999.</param>
public readonly record struct Timestamp(long Seconds, uint Nanoseconds);
