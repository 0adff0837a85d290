using System.Globalization;

namespace PassthroughFs.PtfsVirtiofsd;

/// <summary>A range of user or group ids of a user namespace: <c>--uid-map</c>, <c>--gid-map</c>.</summary>
/// <param name="Inside">The first as the daemon and the guest see it.</param>
/// <param name="Outside">The same one outside.</param>
/// <param name="Count">How many there are, at least 1.</param>
internal readonly record struct IdRange(uint Inside, uint Outside, uint Count)
{
    /// <summary>
    /// Reads ":0:100000:65536:": any character that is no digit, and the same between the numbers and behind.
    /// </summary>
    public static bool TryParse(string text, out IdRange range)
    {
        range = default;
        if (text.Length == 0 || char.IsAsciiDigit(text[0]) || text.Split(text[0]) is not ["", var inside, var outside,
            var count, ""])
        {
            return false;
        }

        if (!TryNumber(inside, out uint first) || !TryNumber(outside, out uint host) || !TryNumber(count, out uint length))
        {
            return false;
        }

        // The last number of all is no id.
        range = new IdRange(first, host, length);
        return length > 0 && (ulong)first + length <= uint.MaxValue && (ulong)host + length <= uint.MaxValue;
    }

    /// <summary>As newuidmap(1) and the kernel take it.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Inside} {Outside} {Count}");

    private static bool TryNumber(string text, out uint number) =>
        uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);
}
