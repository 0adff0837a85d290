using System;
using System.Text;

namespace PassthroughFs.Core.IntegrationTests.Platform;

/// <summary>Names as the kernel sees them.</summary>
internal static class Bytes
{
    /// <summary>Text as UTF-8 with a NUL behind it.</summary>
    public static byte[] Z(string text) => Z(Encoding.UTF8.GetBytes(text));

    /// <summary>Bytes with a NUL behind them.</summary>
    public static byte[] Z(ReadOnlySpan<byte> bytes)
    {
        byte[] result = new byte[bytes.Length + 1];
        bytes.CopyTo(result);
        return result;
    }

    /// <summary>Bytes that differ from place to place and from seed to seed.</summary>
    public static byte[] Pattern(int length, int seed = 1)
    {
        byte[] result = new byte[length];
        new Random(seed).NextBytes(result);
        return result;
    }
}
