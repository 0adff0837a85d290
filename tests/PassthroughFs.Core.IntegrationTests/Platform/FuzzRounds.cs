using System;
using System.Globalization;

namespace PassthroughFs.Core.IntegrationTests.Platform;

/// <summary>How often the fuzz tests converse with a program: 300 times, or as PTFS_FUZZ_ROUNDS says.</summary>
internal static class FuzzRounds
{
    public static int Count { get; } = int.Parse(
        Environment.GetEnvironmentVariable("PTFS_FUZZ_ROUNDS") ?? "300", CultureInfo.InvariantCulture);
}
