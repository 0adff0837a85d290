using System;
using Xunit;

namespace PassthroughFs.Core.Tests;

/// <summary>What a machine must let a test do: otherwise it is skipped, and fails where nothing may be.</summary>
internal static class Privileges
{
    public static void RequireRoot() => Require(Environment.IsPrivilegedProcess, "needs root");

    public static void Require(bool has, string what)
    {
        if (!has)
        {
            Assert.SkipWhen(Environment.GetEnvironmentVariable("PTFS_REQUIRE_ALL") != "1", what);
            Assert.Fail($"PTFS_REQUIRE_ALL=1, and {what}.");
        }
    }
}
