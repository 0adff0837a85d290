using System;
using System.IO;
using System.Linq;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Platform;

/// <summary>
/// What a machine may lack. The one place that decides between a skip and, where everything is required, a failure.
/// </summary>
internal static class Require
{
    private static bool All => Environment.GetEnvironmentVariable("PTFS_REQUIRE_ALL") == "1";

    public static bool IsRoot => Native.GetEUid() == 0;

    public static void Root() => That(IsRoot, "root");

    public static void Fuse() => That(IsRoot && File.Exists("/dev/fuse"), "root and /dev/fuse");

    /// <summary>A kernel with these file systems.</summary>
    public static void FileSystem(params string[] names)
    {
        string known = File.ReadAllText("/proc/filesystems");
        foreach (string name in names)
        {
            That(known.Contains($"\t{name}\n", System.StringComparison.Ordinal), $"a kernel with {name}");
        }
    }

    public static void Program(params string[] names)
    {
        foreach (string name in names)
        {
            That(FindProgram(name) is not null, name);
        }
    }

    public static string? FindProgram(string name) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "/usr/bin:/bin").Split(':')
            .Append("/usr/sbin").Append("/sbin")
            .Select(directory => Path.Combine(directory, name))
            .FirstOrDefault(File.Exists);

    public static void That(bool present, string what)
    {
        if (present)
        {
            return;
        }

        if (All)
        {
            Assert.Fail($"needs {what}, and PTFS_REQUIRE_ALL=1 forbids to skip");
        }

        Assert.Skip($"needs {what}");
    }
}
