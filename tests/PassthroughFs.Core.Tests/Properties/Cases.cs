using System;
using System.Globalization;
using FsCheck;
using FsCheck.Fluent;
using PassthroughFs.Core.Testing;
using Xunit;

namespace PassthroughFs.Core.Tests.Properties;

/// <summary>How many cases a property is tried on.</summary>
internal static class Cases
{
    private const int Usual = 10_000;

    /// <summary>
    /// PTFS_CASES, or 10,000; a property whose case costs more says how many it is tried on where 10,000 are usual.
    /// </summary>
    public static int Number(int ofUsual = Usual)
    {
        string? wanted = Environment.GetEnvironmentVariable("PTFS_CASES");
        int usual = wanted is null ? Usual : int.Parse(wanted, CultureInfo.InvariantCulture);
        return Math.Max(1, (int)((long)usual * ofUsual / Usual));
    }

    /// <summary>Tries a check that says what is wrong, and fails with the shortest sequence it finds.</summary>
    public static void Holds<TKind>(
        Arbitrary<Step<TKind>[]> sequences, Func<Step<TKind>[], string?> check, int ofUsual = Usual)
        where TKind : struct, Enum =>
        Prop.ForAll(sequences, steps =>
        {
            string? fault = check(steps);
            Assert.True(fault is null, $"{fault}\n[{string.Join(", ", steps)}]");
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(Number(ofUsual)));
}
