using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Threading;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Posix;
using PassthroughFs.Core.IntegrationTests.Vhost;
using PassthroughFs.Core.IntegrationTests.Ways;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Mounts;

/// <summary>Who starts a program may have closed its standard input, output or error.</summary>
public sealed class StandardDescriptorTests
{
    [Theory]
    [InlineData("<&-")]
    [InlineData(">&-")]
    [InlineData("2>&-")]
    [InlineData("<&- >&- 2>&-")]
    public void A_mount_without_them_serves_and_writes_its_log_into_nothing_else(string closing)
    {
        using var source = new TempDirectory();
        using var at = new TempDirectory();
        File.WriteAllText(source["f"], "kept");
        using MountProcess mount = MountProcess.Launch(
            source.Path, at.Path,
            [
                "sh", "-c", $"exec \"$@\" {closing}", "sh", .. MountProcess.Command, "--log-level", "debug", source.Path,
                at.Path,
            ]);
        Assert.True(
            SpinWait.SpinUntil(() => MountProcess.IsMounted(at.Path), TimeSpan.FromMinutes(1)), mount.Output + mount.Error);
        AssertTheirOwn(mount.Pid, closing);
        File.AppendAllText(at["f"], ", and more");
        Assert.Equal("kept, and more", File.ReadAllText(source["f"]));
        Assert.Equal(0, Shell.Run("umount", [at.Path]).ExitCode);
        Assert.Equal(0, mount.AwaitExit());
    }

    [Theory]
    [InlineData(">&-")]
    [InlineData("<&- >&- 2>&-")]
    public void A_daemon_without_them_listens(string closing)
    {
        Require.Root();
        using var shared = new TempDirectory();
        using var at = new TempDirectory();
        using MountProcess daemon = MountProcess.Launch(
            shared.Path, at.Path,
            [
                "sh", "-c", $"exec \"$@\" {closing}", "sh", DaemonProcess.Host, DaemonProcess.Program, "--sandbox", "none",
                "--num-request-queues", "2", "--socket-path", at["socket"], "--shared-dir", shared.Path,
            ]);
        Assert.True(
            SpinWait.SpinUntil(() => File.Exists(at["socket"]), TimeSpan.FromMinutes(1)), daemon.Output + daemon.Error);
        AssertTheirOwn(daemon.Pid, closing);
        using (var posix = new DispatchPosix(new VhostChannel(at["socket"], bySlots: true)))
        {
            posix.WriteFile("f", "x"u8);
        }

        Assert.Equal("x", File.ReadAllText(shared["f"]));
        daemon.Signal(Native.SIGTERM);
        Assert.Equal(0, daemon.AwaitExit());
    }

    private static void AssertTheirOwn(int pid, string closing)
    {
        IEnumerable<string?> open = Enumerable.Range(0, 3).Select(fd => new FileInfo($"/proc/{pid}/fd/{fd}").LinkTarget);
        Assert.Equal(closing.Count(c => c == '&'), open.Count(target => target == "/dev/null"));
    }
}
