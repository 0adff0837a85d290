using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Posix;
using PassthroughFs.Core.IntegrationTests.Ways;
using PassthroughFs.Core.IntegrationTests.Wire;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Vhost;

/// <summary>Several requests of one queue at once.</summary>
public sealed class ThreadPoolTests : IDisposable
{
    private const int SIGSTOP = 19;
    private const int SIGCONT = 18;

    private readonly TempDirectory _shared = new();

    public ThreadPoolTests() => Require.Root();

    public void Dispose() => _shared.Dispose();

    [Fact]
    public void A_request_that_hangs_does_not_hold_up_those_behind_it()
    {
        Require.Fuse();
        using var slow = new TempDirectory();
        File.WriteAllText(slow["file"], "slow");
        Directory.CreateDirectory(_shared["mount"]);
        using var mount = MountProcess.Start(
            slow.Path, _shared["mount"], "--entry-timeout", "0", "--attr-timeout", "0");
        using var watchdog = new Watchdog(mount);
        using var daemon = Start("--thread-pool-size", "2");
        var channel = new VhostChannel(daemon.SocketPath);
        using var posix = new DispatchPosix(channel);
        Assert.Equal(Core.Api.Errno.OK, posix.Client.Lookup(1, "mount"u8, out WireNode directory));
        Assert.Equal(Core.Api.Errno.OK, posix.Client.Lookup(directory.Id, "file"u8, out WireNode file));
        GetAttrSlots slots = new(channel, 4);

        mount.Signal(SIGSTOP);
        try
        {
            daemon.Await(() => ProcessState.IsStopped(mount.Pid), "the mount is not stopped");

            // Two at once, for which there is one kick; then one after another.
            channel.Queue(1).Submit(slots.Prepare(0, file.Id), slots.Prepare(1, FuseClient.Root));
            Assert.Equal(1, slots.Await());
            for (int i = 0; i < 20; i++)
            {
                slots.GetAttr(1 + (i % 3), FuseClient.Root);
                Assert.Equal(1 + (i % 3), slots.Await());
            }
        }
        finally
        {
            mount.Signal(SIGCONT);
        }

        Assert.Equal(0, slots.Await());
    }

    [Theory]
    [InlineData(1, FrontEnd.AllFeatures)]
    [InlineData(4, FrontEnd.AllFeatures)]
    [InlineData(4, FrontEnd.Version1 | FrontEnd.Protocol)]
    public void Many_requests_at_once_are_each_answered_once(int threads, ulong features)
    {
        using var daemon = Start("--thread-pool-size", $"{threads}");
        var channel = new VhostChannel(daemon.SocketPath, features);
        using var posix = new DispatchPosix(channel);
        GetAttrSlots slots = new(channel, 16);
        var random = new Random(1);
        var free = new Stack<int>(Enumerable.Range(0, 16));
        for (int i = 0; i < 20_000; i++)
        {
            // In bursts, so that threads fall asleep in between.
            for (int burst = random.Next(free.Count + 1); burst > 0; burst--)
            {
                slots.GetAttr(free.Pop(), FuseClient.Root);
            }

            for (int burst = random.Next(16 - free.Count + 1); burst > 0; burst--)
            {
                free.Push(slots.Await());
            }
        }

        while (free.Count < 16)
        {
            free.Push(slots.Await());
        }

        Assert.Equal(Enumerable.Range(0, 16), free.Order());
    }

    [Fact]
    public void A_queue_that_is_stopped_under_load_loses_nothing()
    {
        using var daemon = Start("--thread-pool-size", "3");
        var channel = new VhostChannel(daemon.SocketPath);
        using var posix = new DispatchPosix(channel);
        GetAttrSlots slots = new(channel, 16);
        for (int round = 0; round < 100; round++)
        {
            for (int i = 0; i < 16; i++)
            {
                slots.GetAttr(i, FuseClient.Root);
            }

            int next = channel.FrontEnd.Stop(1);
            channel.FrontEnd.Start(1, channel.Memory, channel.Queue(1), startAt: next);
            Assert.Equal(
                Enumerable.Range(0, 16), Enumerable.Range(0, 16).Select(_ => slots.Await()).ToArray().Order());
        }
    }

    private DaemonProcess Start(params string[] options) =>
        new(_shared.Path, ["--num-request-queues", "2", .. options]);
}
