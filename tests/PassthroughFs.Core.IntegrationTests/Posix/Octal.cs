using System;
using System.Globalization;

namespace PassthroughFs.Core.IntegrationTests.Posix;

/// <summary>File modes as everybody writes them.</summary>
internal static class Octal
{
    /// <summary>The number whose octal digits are these: O(755).</summary>
    public static uint O(int digits) => Convert.ToUInt32(digits.ToString(CultureInfo.InvariantCulture), 8);
}
