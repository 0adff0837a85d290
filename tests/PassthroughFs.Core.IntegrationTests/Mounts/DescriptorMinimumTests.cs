using System;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Vhost;
using PassthroughFs.Core.IntegrationTests.Ways;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Mounts;

/// <summary>A limit of open files that is too low: the programs say so, even where the runtime can open no more.</summary>
public sealed class DescriptorMinimumTests
{
    [Theory]
    [InlineData(48, "is below 96, and serving takes 128 at least")]
    [InlineData(64, "is below 96, and serving takes 128 at least")]
    [InlineData(96, "is 96, and serving takes 128 at least")]
    [InlineData(127, "is 127, and serving takes 128 at least")]
    public void A_mount_says_that_the_limit_is_too_low(int limit, string expected)
    {
        Require.Fuse();
        using var source = new TempDirectory();
        using var at = new TempDirectory();
        AssertRefused(limit, expected, [.. MountProcess.Command, source.Path, at.Path]);
    }

    [Theory]
    [InlineData(48)]
    [InlineData(64)]
    [InlineData(110)]
    public void A_daemon_says_that_the_limit_is_too_low(int limit)
    {
        using var shared = new TempDirectory();
        AssertRefused(
            limit,
            "is below 128: raise it",
            [DaemonProcess.Host, DaemonProcess.Program, "--socket-path", shared["socket"], "--shared-dir", shared.Path]);
    }

    private static void AssertRefused(int limit, string expected, string[] command)
    {
        ShellResult result = Shell.Run("bash", ["-c", $"ulimit -n {limit}; exec \"$@\"", "bash", .. command]);
        Assert.Equal(1, result.ExitCode);
        Assert.Contains(
            $"the limit of open files (RLIMIT_NOFILE) {expected}", result.Error, StringComparison.OrdinalIgnoreCase);
        Assert.Single(result.Error.TrimEnd().Split('\n'));
    }
}
