using System;
using System.Diagnostics;
using System.IO;
using System.Linq;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Ways;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Mounts;

/// <summary>Requests over io_uring: how it begins and ends. That it serves, the suite shows.</summary>
public sealed class RingTests
{
    [Fact]
    public void Requests_come_by_the_ring_and_the_device_is_hardly_read()
    {
        using var fixture = new MountFixture(Backing.Disk, "--io-uring", "--attr-timeout", "0");
        File.WriteAllText(Path.Combine(fixture.Source, "f"), "served");
        long before = Reads(fixture.Mount.Pid);
        for (int i = 0; i < 500; i++)
        {
            Assert.Equal("served", File.ReadAllText(Path.Combine(fixture.Path, "f")));
        }

        // Each round is an open, a getattr, a read and a release at least; the host's file is read by the server.
        long after = Reads(fixture.Mount.Pid);
        Assert.True(after - before < 1200, $"{after - before} calls of read in 500 rounds");
    }

    [Fact]
    public void Where_it_is_switched_off_one_line_says_what_to_write_where()
    {
        Require.Fuse();
        using var off = new UringSwitch(false);
        using var source = new TempDirectory();
        using var at = new TempDirectory();
        File.WriteAllText(source["f"], "served");
        using MountProcess mount = MountProcess.Launch(
            source.Path, at.Path, [.. MountProcess.Command, "--io-uring", source.Path, at.Path]);
        mount.AwaitServing();
        Assert.Equal("served", File.ReadAllText(at["f"]));
        mount.Signal(Native.SIGTERM);
        Assert.Equal(0, mount.AwaitExit());
        string line = Assert.Single(mount.Error.TrimEnd().Split('\n'));
        Assert.Contains("echo Y > " + UringSwitch.Path, line, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--threads", "2")]
    [InlineData("--passthrough", "--killpriv-v2")]
    public void A_signal_ends_it_under_load_and_leaves_nothing_behind(string option, string another)
    {
        using var source = new TempDirectory();
        using var at = new TempDirectory();
        using MountProcess mount = MountProcess.Start(source.Path, at.Path, "--io-uring", option, another);
        using Process load = Load(at.Path);
        WaitForWork(source.Path);
        mount.Signal(Native.SIGTERM);
        Assert.Equal(0, mount.AwaitExit());
        Assert.False(MountProcess.IsMounted(at.Path));
        Assert.DoesNotContain("   at ", mount.Error, StringComparison.Ordinal);
        Assert.True(load.WaitForExit(TimeSpan.FromSeconds(30)), "a process waits for a server that is gone");
    }

    [Fact]
    public void An_abort_of_the_connection_ends_it_under_load()
    {
        using var source = new TempDirectory();
        using var at = new TempDirectory();
        using MountProcess mount = MountProcess.Start(source.Path, at.Path, "--io-uring");
        using var control = new TempDirectory();
        ShellResult mounted = Shell.Run("mount", ["-t", "fusectl", "fusectl", control.Path]);
        Require.That(mounted.ExitCode == 0, "the file system fusectl");
        using Process load = Load(at.Path);
        WaitForWork(source.Path);
        ShellResult aborted = Shell.Script(
            $$"""
            minor=$(awk '$5 == "{{at.Path}}" { split($3, a, ":"); print a[2] }' /proc/self/mountinfo)
            echo 1 > {{control.Path}}/$minor/abort
            umount {{control.Path}}
            """,
            "/");
        Assert.True(aborted.ExitCode == 0, aborted.All);
        Assert.Equal(1, mount.AwaitExit());
        string line = Assert.Single(mount.Error.TrimEnd().Split('\n'));
        Assert.Contains("aborted from outside", line, StringComparison.Ordinal);
        Assert.True(load.WaitForExit(TimeSpan.FromSeconds(30)), "a process waits for a server that is gone");
    }

    [Fact]
    public void A_killed_server_leaves_nobody_waiting()
    {
        using var source = new TempDirectory();
        using var at = new TempDirectory();
        using MountProcess mount = MountProcess.Start(source.Path, at.Path, "--io-uring");
        using Process load = Load(at.Path);
        WaitForWork(source.Path);
        mount.Signal(Native.SIGKILL);
        Assert.NotEqual(0, mount.AwaitExit());
        Assert.True(load.WaitForExit(TimeSpan.FromSeconds(30)), "a process waits for a server that is gone");
        Assert.Equal(0, Shell.Run("umount", [at.Path], timeoutSeconds: 20).ExitCode);
    }

    /// <summary>Programs that make, read and remove files until they cannot any more.</summary>
    private static Process Load(string directory)
    {
        const string work = """
            cd "$1"
            for w in 1 2 3 4; do
              (while [ -d . ] && mkdir -p d$w && head -c 300000 /dev/zero > d$w/f && cat d$w/f > /dev/null &&
                ls -l d$w > /dev/null && rm -r d$w; do :; done) 2> /dev/null &
            done
            wait
            """;
        return Process.Start(new ProcessStartInfo("bash", ["-c", work, "load", directory]) { WorkingDirectory = "/" })!;
    }

    private static void WaitForWork(string source)
    {
        var clock = Stopwatch.StartNew();
        while (Directory.GetFileSystemEntries(source).Length == 0)
        {
            Assert.True(clock.Elapsed < TimeSpan.FromSeconds(20), "nothing is done on the mount");
            System.Threading.Thread.Sleep(10);
        }

        System.Threading.Thread.Sleep(500);
    }

    private static long Reads(int pid) => File.ReadLines($"/proc/{pid}/io")
        .Where(line => line.StartsWith("syscr:", StringComparison.Ordinal))
        .Sum(line => long.Parse(line.Split(' ')[1], System.Globalization.CultureInfo.InvariantCulture));
}
