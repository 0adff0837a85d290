using System;
using System.Globalization;
using System.IO;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.IntegrationTests.Faults;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Ways;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Fsx;

/// <summary>
/// A file under random operations of every kind, against a model. PTFS_FSX is how many there are in each mode,
/// PTFS_FSX_SEED repeats a run that failed, and PTFS_FSX_MODE names the options of the one mode to run.
/// </summary>
public sealed class FsxTests
{
    private const int Default = 25_000;

    private static readonly long s_operations = Number("PTFS_FSX") ?? Default;

    // A run that may hang is not to be waited for. Ten million operations take hours.
    private static readonly int s_limitSeconds = (int)Math.Min(1_000_000, 120 + (s_operations / 200));

    [Theory]
    [InlineData("", Backing.Disk)]
    [InlineData("--writeback", Backing.Disk)]
    [InlineData("--cache never", Backing.Tmpfs)]
    [InlineData("--passthrough", Backing.Disk)]
    [InlineData("--cache always --attr-timeout 3600", Backing.Tmpfs)]
    [InlineData("--io-uring --killpriv-v2", Backing.Tmpfs)]
    [InlineData("--cache always --no-open", Backing.Tmpfs)]
    [InlineData("--cache always --writeback", Backing.Tmpfs)]
    public void A_file_holds_what_was_written(string options, Backing backing)
    {
        SkipUnlessAsked(options);
        Require.Fuse();
        using var source = new TempDirectory(backing);
        using var at = new TempDirectory();
        using MountProcess mount = MountProcess.Start(source.Path, at.Path, Words(options));
        using var watchdog = new Watchdog(mount, s_limitSeconds);
        using var fsx = new Exerciser(at["f"], source["f"], Seed());
        fsx.Run(s_operations);
        fsx.Finish();
    }

    [Theory]
    [InlineData("", true)]
    [InlineData("--writeback", true)]
    [InlineData("--cache never", false)]
    [InlineData("--passthrough", true)]
    [InlineData("--cache always --no-open", false)]
    [InlineData("--io-uring", false)]
    public void Of_what_a_failing_host_does_not_take_nothing_is_acknowledged(string options, bool maps)
    {
        SkipUnlessAsked(options);
        using var scene = new FaultyMount(options, seconds: s_limitSeconds);
        using var fsx = new Exerciser(
            Path.Combine(scene.Mounted.Root, "f"), scene.OnHost("f"), Seed(), mayFail: true, maps,
            collects: options == "--writeback");
        scene.Source.Fail("Write", "f", Errno.ENOSPC, "percent=3");
        scene.Source.Fail("Write", "f", Errno.EIO, "from=65536 percent=3");
        scene.Source.Set("Write", "f", "most=3000 percent=5");
        if (options != "--passthrough")
        {
            // Who maps such a source itself takes a short answer for the end of the file.
            scene.Source.Set("Read", "f", "most=5000 percent=5");
        }

        scene.Source.Fail("Fallocate", "f", Errno.ENOSPC, "percent=10");
        scene.Source.Fail("CopyFileRange", "f", Errno.EIO, "from=32768 percent=10");
        scene.Source.Fail("SetAttr", "f", Errno.EIO, "percent=5");
        scene.Source.Fail("Fsync", "f", Errno.EIO, "percent=5");
        scene.Source.Fail("Flush", "f", Errno.EIO, "percent=5");
        if (!maps)
        {
            // To a mapping it would be a signal.
            scene.Source.Fail("Read", "f", Errno.EIO, "percent=5");
        }

        fsx.Run(s_operations / 2);
        scene.Source.Clear();
        fsx.Finish();
        Assert.InRange(fsx.Failures, 1, int.MaxValue);
    }

    private static void SkipUnlessAsked(string options)
    {
        string? asked = Environment.GetEnvironmentVariable("PTFS_FSX_MODE");
        Assert.SkipUnless(asked is null || asked == options, $"PTFS_FSX_MODE asks for '{asked}' alone");
    }

    private static int Seed() => (int)(Number("PTFS_FSX_SEED") ?? Random.Shared.Next());

    private static long? Number(string variable) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } text
            ? long.Parse(text, CultureInfo.InvariantCulture)
            : null;

    private static string[] Words(string options) => options.Split(' ', StringSplitOptions.RemoveEmptyEntries);
}
