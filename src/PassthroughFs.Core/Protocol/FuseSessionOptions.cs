using System;

namespace PassthroughFs.Core.Protocol;

/// <summary>What a <see cref="FuseSession"/> asks of the client. Checked when the session is made.</summary>
public sealed class FuseSessionOptions
{
    /// <summary>The most data of one WRITE, in bytes: 4096 to 65535 pages of 4096. Default 1 MiB.</summary>
    /// <remarks>One READ asks for no more than this, rounded up to a page.</remarks>
    public int MaxWrite { get; init; } = 1024 * 1024;

    /// <summary>The most the client reads ahead, in bytes; it may want less. Default 1 MiB.</summary>
    public int MaxReadahead { get; init; } = 1024 * 1024;

    /// <summary>How many requests that no process waits for may be under way: 1 to 65535. Default 64.</summary>
    public int MaxBackground { get; init; } = 64;

    /// <summary>
    /// From how many of those on the client counts as congested: 1 to <see cref="MaxBackground"/>. Default (null):
    /// three quarters of it.
    /// </summary>
    public int? CongestionThreshold { get; init; }

    /// <summary>
    /// The steps in which times are kept, as a power of ten from 1 (the finest) to 1,000,000,000 (a second).
    /// Default 1.
    /// </summary>
    public int TimeGranularityNanoseconds { get; init; } = 1;

    /// <summary>How many events of each kind are logged a second at most; 0 logs none. Default 10.</summary>
    public int MaxEventsPerSecond { get; init; } = 10;

    internal int EffectiveCongestionThreshold => CongestionThreshold ?? Math.Max(1, MaxBackground * 3 / 4);

    /// <exception cref="ArgumentException">A value is out of range; the message names it.</exception>
    internal void Validate()
    {
        Check(nameof(MaxWrite), MaxWrite, FuseProtocol.PageSize, ushort.MaxValue * FuseProtocol.PageSize);
        Check(nameof(MaxReadahead), MaxReadahead, 0, int.MaxValue);
        Check(nameof(MaxBackground), MaxBackground, 1, ushort.MaxValue);
        Check(nameof(MaxEventsPerSecond), MaxEventsPerSecond, 0, int.MaxValue);
        if (CongestionThreshold is { } threshold && (threshold < 1 || threshold > MaxBackground))
        {
            throw new ArgumentException(
                $"{nameof(CongestionThreshold)} is {threshold}; it must be from 1 to {nameof(MaxBackground)} " +
                $"({MaxBackground}).");
        }

        if (TimeGranularityNanoseconds is not (1 or 10 or 100 or 1000 or 10_000 or 100_000 or 1_000_000 or 10_000_000
            or 100_000_000 or 1_000_000_000))
        {
            throw new ArgumentException(
                $"{nameof(TimeGranularityNanoseconds)} is {TimeGranularityNanoseconds}; it must be a power of ten " +
                "from 1 to 1000000000.");
        }
    }

    private static void Check(string name, int value, int least, int most)
    {
        if (value < least || value > most)
        {
            throw new ArgumentException($"{name} is {value}; it must be from {least} to {most}.");
        }
    }
}
