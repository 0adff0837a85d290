using System;
using System.Collections.Generic;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Linq;

namespace PassthroughFs.Core.Vfs;

/// <summary>User or group ids of the client, one after the other, and which ids of the host they stand for.</summary>
/// <param name="Client">The first id of the client.</param>
/// <param name="Host">The first id of the host.</param>
/// <param name="Count">How many, at least 1.</param>
public readonly record struct IdRange(uint Client, uint Host, uint Count);

/// <summary>Which user or group ids of the host those of a client stand for. Immutable.</summary>
public sealed class IdMap
{
    /// <summary>What stands for an id that has no other: "nobody", as Linux has it.</summary>
    public const uint OverflowId = 65534;

    /// <summary>How many ranges there can be; the same as in Linux.</summary>
    public const int MaxRanges = 340;

    private readonly IdRange[] _ranges;

    /// <summary>A map of these ranges; what is in none of them is not mapped.</summary>
    /// <exception cref="ArgumentException">
    /// There are none or too many, two of them meet, on either side, or one is empty or goes beyond 4294967294.
    /// </exception>
    public IdMap(IEnumerable<IdRange> ranges)
    {
        ArgumentNullException.ThrowIfNull(ranges);
        _ranges = [.. ranges];
        if (Check(_ranges) is { } fault)
        {
            throw new ArgumentException(fault + ".", nameof(ranges));
        }
    }

    private IdMap(IdRange[] ranges) => _ranges = ranges;

    /// <summary>Every id stands for itself.</summary>
    public static IdMap Identity { get; } = new([new IdRange(0, 0, uint.MaxValue)]);

    /// <summary>The ranges, as they were given.</summary>
    public IReadOnlyList<IdRange> Ranges => _ranges;

    /// <summary>
    /// Understands "CLIENT:HOST:COUNT", several with a comma between them: the fields of <c>newuidmap</c> and of
    /// <c>/proc/PID/uid_map</c> (inside, outside, count).
    /// </summary>
    /// <param name="text">The text, as "0:100000:65536,65534:65534:1".</param>
    /// <param name="map">The map, or null.</param>
    /// <param name="fault">What is wrong with the text, for the user; or null.</param>
    public static bool TryParse(
        string text, [NotNullWhen(true)] out IdMap? map, [NotNullWhen(false)] out string? fault)
    {
        ArgumentNullException.ThrowIfNull(text);
        map = null;
        var ranges = new List<IdRange>();
        foreach (string item in text.Split(','))
        {
            string[] fields = item.Split(':');
            if (fields.Length != 3 || !TryParse(fields[0], out uint client) || !TryParse(fields[1], out uint host)
                || !TryParse(fields[2], out uint count))
            {
                fault = $"\"{item}\" is no range of ids: write CLIENT:HOST:COUNT, as 0:100000:65536";
                return false;
            }

            ranges.Add(new IdRange(client, host, count));
        }

        IdRange[] all = [.. ranges];
        fault = Check(all);
        if (fault is not null)
        {
            return false;
        }

        map = new IdMap(all);
        return true;
    }

    /// <summary>The id of the host that a client's stands for; false if it stands for none.</summary>
    public bool TryToHost(uint client, out uint host)
    {
        foreach (ref readonly IdRange range in _ranges.AsSpan())
        {
            // Below the first it wraps around and is beyond every count.
            if (client - range.Client < range.Count)
            {
                host = client - range.Client + range.Host;
                return true;
            }
        }

        host = OverflowId;
        return false;
    }

    /// <summary>The id of the client that stands for one of the host; false if none does.</summary>
    public bool TryToClient(uint host, out uint client)
    {
        foreach (ref readonly IdRange range in _ranges.AsSpan())
        {
            if (host - range.Host < range.Count)
            {
                client = host - range.Host + range.Client;
                return true;
            }
        }

        client = OverflowId;
        return false;
    }

    /// <inheritdoc/>
    public override string ToString() => string.Join(
        ',',
        _ranges.Select(range => string.Create(
            CultureInfo.InvariantCulture, $"{range.Client}:{range.Host}:{range.Count}")));

    private static bool TryParse(string text, out uint number) =>
        uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);

    private static string? Check(IdRange[] ranges)
    {
        if (ranges.Length is 0 or > MaxRanges)
        {
            return $"there are {ranges.Length} ranges of ids: give 1 to {MaxRanges}";
        }

        for (int i = 0; i < ranges.Length; i++)
        {
            (uint client, uint host, uint count) = ranges[i];
            if (count == 0 || client > uint.MaxValue - count || host > uint.MaxValue - count)
            {
                return $"the range {client}:{host}:{count} is empty or goes beyond {uint.MaxValue - 1}";
            }

            foreach (IdRange other in ranges.AsSpan(0, i))
            {
                if (Meet(client, count, other.Client, other.Count) || Meet(host, count, other.Host, other.Count))
                {
                    return $"the ranges {other.Client}:{other.Host}:{other.Count} and {client}:{host}:{count} overlap";
                }
            }
        }

        return null;
    }

    private static bool Meet(uint first, uint count, uint other, uint otherCount) =>
        first < (ulong)other + otherCount && other < (ulong)first + count;
}
