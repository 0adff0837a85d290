using System;
using System.IO;
using System.Linq;
using System.Text;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Posix;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Vhost;

/// <summary>VMMs that come, go, and say odd things.</summary>
public sealed class ConnectionTests : IDisposable
{
    private readonly TempDirectory _shared = new();
    private DaemonProcess? _daemon;

    public ConnectionTests() => Require.Root();

    public void Dispose()
    {
        _daemon?.Dispose();
        _shared.Dispose();
    }

    [Fact]
    public void A_second_connection_is_refused_and_the_first_goes_on()
    {
        DaemonProcess daemon = Start();
        using (var first = new DispatchPosix(new VhostChannel(daemon.SocketPath)))
        {
            first.WriteFile("a", "one"u8);
            using var second = new FrontEnd(daemon.SocketPath);
            Assert.True(second.IsClosed());
            daemon.AwaitOutput("A second VMM wants to connect: refused");
            Assert.Equal("one"u8.ToArray(), first.ReadFile("a"));
        }

        using var next = new DispatchPosix(new VhostChannel(daemon.SocketPath));
        Assert.Equal("one"u8.ToArray(), next.ReadFile("a"));
    }

    [Fact]
    public void A_vmm_that_vanishes_leaves_nothing_open_and_the_next_one_is_served()
    {
        DaemonProcess daemon = Start();
        Write(daemon, "warm", "up"u8);
        daemon.Await(() => daemon.OpenBelow(_shared.Path).Length == 0, "files are held");
        int fds = daemon.FdCount;
        for (int i = 0; i < 20; i++)
        {
            // Files and directories open, no goodbye of any kind.
            var channel = new VhostChannel(daemon.SocketPath);
            var posix = new DispatchPosix(channel);
            posix.WriteFile($"file{i}", "kept"u8);
            _ = posix.MustOpen($"file{i}", 0);
            channel.Dispose();
        }

        daemon.Await(() => daemon.OpenBelow(_shared.Path).Length == 0, "files are held");
        daemon.Await(() => daemon.FdCount <= fds, "descriptors are left");
        Assert.Equal("kept", File.ReadAllText(_shared["file19"]));
        Write(daemon, "after", "wards"u8);
    }

    [Theory]
    [InlineData(FrontEnd.AllFeatures, true)]
    [InlineData(FrontEnd.Version1 | FrontEnd.Protocol, false)]
    [InlineData(FrontEnd.Version1 | FrontEnd.Indirect, false)]
    [InlineData(FrontEnd.Version1 | FrontEnd.EventIndex | FrontEnd.Indirect, false)]
    public void Front_ends_agree_on_what_they_like(ulong features, bool bySlots)
    {
        DaemonProcess daemon = Start();
        using var posix = new DispatchPosix(new VhostChannel(daemon.SocketPath, features, bySlots));
        byte[] data = Bytes.Pattern(300_000);
        posix.WriteFile("f", data);
        Assert.Equal(data, posix.ReadFile("f"));
        Assert.Equal(data, File.ReadAllBytes(_shared["f"]));
    }

    [Fact]
    public void A_queue_that_was_stopped_goes_on_where_it_was()
    {
        DaemonProcess daemon = Start();
        var channel = new VhostChannel(daemon.SocketPath);
        using var posix = new DispatchPosix(channel);
        posix.WriteFile("f", "before"u8);
        int fd = posix.MustOpen("f", 0);
        for (int i = 0; i < 3; i++)
        {
            // As a VMM does it when the guest is paused: the session and its open files stay.
            int[] bases = [.. Enumerable.Range(0, 3).Select(channel.FrontEnd.Stop)];
            for (int queue = 0; queue < 3; queue++)
            {
                channel.FrontEnd.Start(queue, channel.Memory, channel.Queue(queue), startAt: bases[queue]);
            }

            Assert.Equal("before"u8.ToArray(), posix.ReadAll(fd));
            _ = posix.LSeek(fd, 0, 0, out _);
        }
    }

    [Fact]
    public void A_broken_ring_stops_that_queue_and_no_other()
    {
        DaemonProcess daemon = Start();
        _daemon!.ExpectFaults = true;
        var channel = new VhostChannel(daemon.SocketPath);
        using var posix = new DispatchPosix(channel);
        channel.Queue(0).Publish(30_000, kickAlways: true);
        Assert.True(VhostNative.Await(channel.Queue(0).Error, 10_000));
        daemon.AwaitOutput("Queue 0 takes no requests any more: the available index went from");
        posix.Client.GetAttr(1, null, out _).Is(Core.Api.Errno.OK);
        posix.Client.GetAttr(1, null, out _).Is(Core.Api.Errno.OK);
    }

    [Fact]
    public void A_bad_chain_is_given_back_unread_and_logged()
    {
        DaemonProcess daemon = Start();
        var channel = new VhostChannel(daemon.SocketPath);
        using var posix = new DispatchPosix(channel);
        for (int i = 0; i < 100; i++)
        {
            channel.Queue(1).Write(0, new Desc(12345, 40, 0, 0));
            channel.Queue(1).Submit(0);
            Assert.Equal((0u, 0u), channel.Queue(1).AwaitUsed());
        }

        daemon.AwaitOutput("Queue 1: a request is given back unread");
        Assert.True(daemon.Output.Split("given back unread").Length < 10, "a line for each");
        posix.WriteFile("f", "fine"u8);
    }

    [Fact]
    public void A_memory_table_that_is_replaced_while_queues_run_is_used_at_once()
    {
        DaemonProcess daemon = Start();
        var channel = new VhostChannel(daemon.SocketPath);
        using var posix = new DispatchPosix(channel);
        for (int i = 0; i < 20; i++)
        {
            channel.FrontEnd.Share(channel.Memory);
            posix.WriteFile("f", Bytes.Pattern(10_000, i));
            Assert.Equal(Bytes.Pattern(10_000, i), posix.ReadFile("f"));
        }

        string[] Maps() => [.. File.ReadLines($"/proc/{daemon.Pid}/maps")
            .Where(line => line.Contains("memfd:guest", StringComparison.Ordinal))];
        daemon.Await(() => Maps().Length <= 4, "old memory stays mapped");
    }

    [Fact]
    public void The_tag_can_be_read_and_not_written()
    {
        DaemonProcess daemon = Start("--tag", "my files");
        using var frontEnd = new FrontEnd(daemon.SocketPath);
        frontEnd.Negotiate(protocol: FrontEnd.ReplyAck | (1UL << 9));
        byte[] request = new byte[12 + 44];
        request[4] = 44;
        byte[] answer = frontEnd.Ask(24, request);
        Assert.Equal("my files", Encoding.UTF8.GetString(answer, 12, 36).TrimEnd('\0'));
        Assert.Equal(2u, BitConverter.ToUInt32(answer, 12 + 36));
        Assert.Empty(frontEnd.Ask(24, request.AsSpan(0, 20)));
        Assert.NotEqual(0u, frontEnd.Send(25, request));
        Assert.Equal(3u, frontEnd.AskNumber(17));
    }

    [Theory]
    [InlineData(7777)]
    [InlineData(28)]
    public void An_unknown_message_is_refused_if_the_vmm_asks_and_ends_the_connection_if_not(int request)
    {
        DaemonProcess daemon = Start();
        _daemon!.ExpectFaults = true;
        using (var frontEnd = new FrontEnd(daemon.SocketPath))
        {
            frontEnd.Negotiate();
            Assert.NotEqual(0u, frontEnd.Send((uint)request, "????"u8));
            Assert.NotEqual(0u, frontEnd.AskNumber(1));
            frontEnd.Acknowledge = false;
            _ = frontEnd.Send((uint)request, "????"u8);
            Assert.True(frontEnd.IsClosed());
        }

        daemon.AwaitOutput($"The connection is closed: message {request} is not known");
        Write(daemon, "f", "x"u8);
    }

    [Fact]
    public void A_daemon_that_is_killed_leaves_what_was_synced_and_its_place_to_the_next()
    {
        DaemonProcess daemon = Start();
        using (var channel = new VhostChannel(daemon.SocketPath))
        {
            // Not disposed: the one to say goodbye to is gone.
            var posix = new DispatchPosix(channel);
            posix.WriteFile("f", "synced"u8);
            int fd = posix.MustOpen("f", Core.Api.Linux.O_RDWR);
            posix.FSync(fd, dataOnly: false).IsOk();
            daemon.Kill();
            Assert.True(channel.FrontEnd.IsClosed());
            Assert.True(File.Exists(daemon.SocketPath), "killed, it cannot have removed its socket");
        }

        using var next = DaemonProcess.At(daemon.SocketPath, _shared.Path, "--num-request-queues", "2");
        using var again = new DispatchPosix(new VhostChannel(next.SocketPath));
        Assert.Equal("synced"u8.ToArray(), again.ReadFile("f"));
    }

    [Fact]
    public void Once_means_that_the_daemon_ends_with_its_vmm()
    {
        DaemonProcess daemon = Start("--once");
        Write(daemon, "f", "x"u8);
        Assert.Equal(0, daemon.AwaitExit());
        Assert.False(File.Exists(daemon.SocketPath));
    }

    private DaemonProcess Start(params string[] options) => _daemon = new DaemonProcess(
        _shared.Path, ["--num-request-queues", "2", "--log-level", "information", .. options]);

    private void Write(DaemonProcess daemon, string name, ReadOnlySpan<byte> data)
    {
        using (var posix = new DispatchPosix(new VhostChannel(daemon.SocketPath)))
        {
            posix.WriteFile(name, data);
        }

        Assert.Equal(data.ToArray(), File.ReadAllBytes(_shared[name]));
    }
}
