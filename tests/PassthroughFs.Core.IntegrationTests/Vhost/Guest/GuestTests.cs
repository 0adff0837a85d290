using System;
using System.IO;
using System.Linq;
using System.Security.Cryptography;
using PassthroughFs.Core.IntegrationTests.Mounts;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Posix;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Vhost.Guest;

/// <summary>A Linux guest in QEMU, with its own virtio-fs driver.</summary>
public sealed class GuestTests : IDisposable
{
    private readonly TempDirectory _shared = new();
    private readonly TempDirectory _images = new();

    public void Dispose()
    {
        _shared.Dispose();
        _images.Dispose();
    }

    [Fact]
    public void A_guest_does_real_work_on_the_share_and_host_and_guest_agree()
    {
        Require.Root();
        GuestImage.RequireAll();
        FillShare();
        using var daemon = new DaemonProcess(
            _shared.Path, "--allow-direct-io", "--killpriv-v2", "--once", "--log-level", "information", "--sandbox", "namespace");
        using (var guest = new GuestMachine(daemon.SocketPath, GuestImage.Build(_images)))
        {
            guest.AwaitEnd();
            Assert.Contains("PTFS-GUEST-OK", guest.Output, StringComparison.Ordinal);
        }

        Assert.Equal(0, daemon.AwaitExit());
        CheckShare();
    }

    [Fact]
    public void A_vmm_that_is_killed_leaves_nothing_and_what_was_synced_is_there()
    {
        Require.Root();
        GuestImage.RequireAll();
        FillShare();

        // QEMU has no window for DAX; to offer one changes nothing.
        using var daemon = new DaemonProcess(
            _shared.Path, "--num-request-queues", "2", "--log-level", "information", "--dax-window-size", "1G",
            "--dax-file-size", "1");
        using (var guest = new GuestMachine(daemon.SocketPath, GuestImage.Build(_images)))
        {
            // In the middle of its work.
            guest.AwaitOutput("booted after");
            daemon.Await(() => File.Exists(_shared["out/behind-sync"]), "the guest does not work");
            guest.Kill();
        }

        daemon.AwaitOutput("The VMM has disconnected");
        Assert.Equal("owned", File.ReadAllText(_shared["out/synced"]));
        daemon.Await(() => daemon.OpenBelow(_shared.Path).Length == 0, "files are held");
        using var posix = new DispatchPosix(new VhostChannel(daemon.SocketPath));
        Assert.Equal("small\n"u8.ToArray(), posix.ReadFile("in/small 1"));
    }

    [Fact]
    public void A_vmm_whose_daemon_is_killed_still_ends_when_it_is_told_to()
    {
        Require.Root();
        GuestImage.RequireAll();
        FillShare();
        using var daemon = new DaemonProcess(_shared.Path, "--num-request-queues", "2");
        using (var guest = new GuestMachine(daemon.SocketPath, GuestImage.Build(_images)))
        {
            guest.AwaitOutput("booted after");
            daemon.Await(() => File.Exists(_shared["out/behind-sync"]), "the guest does not work");
            daemon.Kill();
            guest.Quit();
        }

        Assert.Equal("owned", File.ReadAllText(_shared["out/synced"]));
        using var next = DaemonProcess.At(daemon.SocketPath, _shared.Path, "--num-request-queues", "2");
        using var posix = new DispatchPosix(new VhostChannel(next.SocketPath));
        Assert.Equal("small\n"u8.ToArray(), posix.ReadFile("in/small 1"));
    }

    [Fact]
    public void A_guest_that_is_told_of_submounts_sees_file_systems_of_their_own()
    {
        GuestImage.RequireAll();
        using var scene = new SubmountScene();
        using var daemon = new DaemonProcess(scene.Source, "--announce-submounts", "--once");
        using (var guest = new GuestMachine(daemon.SocketPath, GuestImage.Build(_images, "submounts.sh")))
        {
            guest.AwaitEnd();
            Assert.True(guest.Output.Contains("PTFS-GUEST-OK", StringComparison.Ordinal), guest.Output);
        }

        Assert.Equal(0, daemon.AwaitExit());
        Assert.DoesNotContain("AnnounceSubmounts", daemon.Output, StringComparison.Ordinal);
        Assert.Equal("written\n", File.ReadAllText(Path.Combine(scene.Source, "over/d/f")));
    }

    private void FillShare()
    {
        string input = _shared["in"];
        Directory.CreateDirectory(Path.Combine(input, "many"));
        byte[] big = Bytes.Pattern(4 << 20);
        File.WriteAllBytes(Path.Combine(input, "big"), big);
        File.WriteAllText(Path.Combine(input, "small 1"), "small\n");
        File.WriteAllText(
            Path.Combine(input, "sums"), $"{Hash(big)}  big\n{Hash("small\n"u8.ToArray())}  small 1\n");
        File.CreateSymbolicLink(Path.Combine(input, "link"), "small 1");
        string owned = Path.Combine(input, "owned");
        File.WriteAllText(owned, "owned");
        _ = Native.Chmod(Bytes.Z(owned), Octal.O(640));
        _ = Native.LChown(Bytes.Z(owned), 65533, 65532);
        for (int i = 0; i < 10_000; i++)
        {
            File.Create(Path.Combine(input, "many", $"{i}")).Dispose();
        }
    }

    private void CheckShare()
    {
        string output = _shared["out"];
        Assert.Equal(
            [
                "behind-sync", "big", "c", "copy", "direct", "fifo", "locked", "many", "mapping", "null", "odd",
                "replaced", "sparse", "sums", "synced",
            ],
            Directory.GetFileSystemEntries(output).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        string sum = Hash(File.ReadAllBytes(Path.Combine(output, "big")));
        Assert.StartsWith(sum, File.ReadAllText(Path.Combine(output, "sums")), StringComparison.Ordinal);
        foreach (string copy in new[] { "copy", "odd", "direct" })
        {
            Assert.Equal(sum, Hash(File.ReadAllBytes(Path.Combine(output, copy))));
        }

        Assert.Equal("first\nsecond\n", File.ReadAllText(Path.Combine(output, "c/b/moved")));
        Assert.Equal(100_000, new FileInfo(Path.Combine(output, "sparse")).Length);
        string replaced = Path.Combine(output, "replaced");
        Assert.Equal(new DateTime(2001, 2, 3, 4, 5, 6, DateTimeKind.Utc), File.GetLastWriteTimeUtc(replaced));
        Assert.Equal("1000:1001", Shell.Run("stat", ["-c", "%u:%g", replaced]).Out.Trim());
        Assert.Equal("fifo", Shell.Run("stat", ["-c", "%F", Path.Combine(output, "fifo")]).Out.Trim());
        Assert.Equal(
            "character special file 1:3",
            Shell.Run("stat", ["-c", "%F %t:%T", Path.Combine(output, "null")]).Out.Trim());
        byte[] mapping = File.ReadAllBytes(Path.Combine(output, "mapping"));
        Assert.Equal(Enumerable.Range(0, 65536).Select(i => (byte)((i * 7) + (i / 256))), mapping);
        string[] many = [.. Directory.GetFiles(Path.Combine(output, "many")).Order(StringComparer.Ordinal)];
        Assert.Equal(500, many.Length);
        Assert.All(many, file => Assert.Equal(Path.GetFileName(file) + "\n", File.ReadAllText(file)));
    }

    private static string Hash(byte[] bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));
}
