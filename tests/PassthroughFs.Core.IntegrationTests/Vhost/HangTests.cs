using System;
using System.IO;
using System.Linq;
using PassthroughFs.Core.IntegrationTests.Faults;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Posix;
using PassthroughFs.Core.IntegrationTests.Wire;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Vhost;

/// <summary>A shared directory whose calls hang: the guest's other requests, its end and the daemon's.</summary>
public sealed class HangTests
{
    private const int SIGUSR1 = 10;

    [Theory]
    [InlineData(3, "--standby-threads", "3")]
    [InlineData(8)]
    [InlineData(5, "--thread-pool-size", "2", "--standby-threads", "4")]
    public void Requests_that_hang_take_no_others_with_them(int count, params string[] options)
    {
        using var source = new FailingSource();
        using var daemon = Start(source, ["--hang-warning", "1", .. options]);
        var channel = new VhostChannel(daemon.SocketPath);
        using var posix = new DispatchPosix(channel);
        GetAttrSlots slots = new(channel, count + 1);
        ulong[] nodes = Nodes(source, posix, count);
        for (int i = 0; i < count; i++)
        {
            source.Set("GetAttr", $"h{i}", "hang");
            slots.GetAttr(i, nodes[i]);
            source.AwaitHanging(i + 1);

            // More than one, as the one that hangs may have left others behind it.
            for (int j = 0; j < 20; j++)
            {
                slots.GetAttr(count, FuseClient.Root);
                Assert.Equal(count, slots.Await());
            }
        }

        daemon.AwaitOutput(" requests hang, the oldest: ");
        Assert.Equal(0, Native.Kill(daemon.Pid, SIGUSR1));
        daemon.AwaitOutput($"{count} requests are under way: ");
        source.Clear();
        Assert.Equal(Enumerable.Range(0, count), Enumerable.Range(0, count).Select(_ => slots.Await()).ToArray().Order());
        daemon.AwaitOutput("No request hangs any more");
        Assert.Single(daemon.Output.Split('\n'), line => line.Contains("hang, the oldest", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData]
    [InlineData("--sandbox", "namespace")]
    [InlineData("--sandbox", "chroot")]
    public void The_daemon_ends_although_its_directory_hangs(params string[] options)
    {
        using var source = new FailingSource();
        using var daemon = Start(source, ["--end-timeout", "1", .. options]);
        var channel = new VhostChannel(daemon.SocketPath);
        GetAttrSlots slots = HangOne(source, channel, 1);
        Assert.Equal(0, Native.Kill(daemon.Pid, Native.SIGTERM));
        Assert.Equal(0, daemon.AwaitExit());
        daemon.AwaitOutput("Ending although 1 requests hang");
        Assert.False(File.Exists(daemon.SocketPath));
        GC.KeepAlive(slots);
        channel.Dispose();
    }

    [Fact]
    public void The_next_VMM_is_served_although_requests_of_the_last_one_hang()
    {
        using var source = new FailingSource();
        using var daemon = Start(source);
        for (int i = 0; i < 3; i++)
        {
            var channel = new VhostChannel(daemon.SocketPath);
            HangOne(source, channel, i + 1);
            channel.Dispose();
        }

        using (var posix = new DispatchPosix(new VhostChannel(daemon.SocketPath)))
        {
            posix.Client.Lookup(FuseClient.Root, "f"u8, out _).IsOk();
            source.Clear();

            // Those that hung come back, to a queue, memory and descriptors that were dropped long ago.
            daemon.Await(() => !OutputOf(daemon).Contains("FUSE_GETATTR", StringComparison.Ordinal), "they still hang");
            posix.Client.Lookup(FuseClient.Root, "f"u8, out _).IsOk();
        }
    }

    private static DaemonProcess Start(FailingSource source, params string[] options) =>
        new(source.Path, ["--num-request-queues", "2", .. options]);

    private static string OutputOf(DaemonProcess daemon)
    {
        int before = daemon.Output.Length;
        Assert.Equal(0, Native.Kill(daemon.Pid, SIGUSR1));
        daemon.Await(() => daemon.Output.AsSpan(before).Contains("under way", StringComparison.Ordinal), "no report");
        return daemon.Output[before..];
    }

    // With a request of this client's under way.
    private static GetAttrSlots HangOne(FailingSource source, VhostChannel channel, int count)
    {
        var posix = new DispatchPosix(channel);
        ulong node = Nodes(source, posix, count, count - 1)[0];
        GetAttrSlots slots = new(channel, 1);
        source.Set("GetAttr", $"h{count - 1}", "hang interruptible");
        slots.GetAttr(0, node);
        source.AwaitHanging(count);
        return slots;
    }

    private static ulong[] Nodes(FailingSource source, DispatchPosix posix, int count, int first = 0)
    {
        File.WriteAllText(Path.Combine(source.Host, "f"), "does not");
        return [.. Enumerable.Range(first, count - first).Select(i =>
        {
            File.WriteAllText(Path.Combine(source.Host, $"h{i}"), "hangs");
            posix.Client.Lookup(FuseClient.Root, System.Text.Encoding.UTF8.GetBytes($"h{i}"), out WireNode node).IsOk();
            return node.Id;
        })];
    }
}
