using System;
using System.IO;
using System.Linq;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Posix;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Vhost;

/// <summary>A front end that sends other descriptors than it should: it is refused, and holds up nobody.</summary>
public sealed class DescriptorTests : IDisposable
{
    private const uint SetMemTable = 5;
    private const uint SetKick = 12;
    private const uint SetCall = 13;
    private const uint SetError = 14;
    private const uint SetBackend = 21;
    private const uint AddMemory = 37;

    private readonly TempDirectory _shared = new();

    public DescriptorTests() => Require.Root();

    public static TheoryData<string, uint> Odd => new(
        from kind in new[] { "pipe", "inotify", "socket", "directory", "memfd", "terminal", "epoll", "path" }
        from request in new[] { SetKick, SetCall, SetError, SetBackend, SetMemTable, AddMemory }
        where !(kind == "memfd" && request is SetMemTable or AddMemory) && !(kind == "socket" && request == SetBackend)
        select (kind, request));

    public void Dispose() => _shared.Dispose();

    [Theory, MemberData(nameof(Odd))]
    public void A_descriptor_of_another_kind_is_refused_and_the_next_vmm_served(string kind, uint request)
    {
        using DaemonProcess daemon = Start();
        int fd = VhostNative.NewOdd(kind, out int companion);
        try
        {
            using var frontEnd = new FrontEnd(daemon.SocketPath);
            frontEnd.Negotiate(protocol: FrontEnd.ReplyAck | FrontEnd.MemSlots | FrontEnd.BackendReq);
            byte[] payload = request switch
            {
                SetMemTable => FrontEnd.Numbers(1, 0, 4096, 0, 0),
                AddMemory => FrontEnd.Numbers(0, 0, 4096, 0, 0),
                SetBackend => [],
                _ => FrontEnd.Numbers(1),
            };
            Assert.NotEqual(0u, frontEnd.Send(request, payload, fd));
        }
        finally
        {
            _ = Native.Close(fd);
            _ = Native.Close(companion);
        }

        using var next = new DispatchPosix(new VhostChannel(daemon.SocketPath));
        next.WriteFile("f", "served"u8);
        Assert.Equal("served", File.ReadAllText(_shared["f"]));
    }

    [Fact]
    public void A_call_that_is_full_stops_no_queue()
    {
        using DaemonProcess daemon = Start();
        var channel = new VhostChannel(daemon.SocketPath);
        int call = VhostNative.NewFullEvent();
        channel.FrontEnd.MustSend(SetCall, FrontEnd.Numbers(1), call);
        for (int i = 0; i < 10; i++)
        {
            channel.Queue(1).Write(0, new Desc(12345, 40, 0, 0)); // bad chains are called for without being asked
            channel.Queue(1).Submit(0);
            daemon.Await(() => channel.Queue(1).HasUsed, "the queue stands still");
            _ = channel.Queue(1).AwaitUsed();
        }

        Assert.NotEqual(0, channel.FrontEnd.Stop(1));
        _ = Native.Close(call);
        channel.Dispose();

        using var next = new DispatchPosix(new VhostChannel(daemon.SocketPath));
        next.WriteFile("f", "served"u8);
    }

    private DaemonProcess Start() => new(_shared.Path, "--num-request-queues", "2");
}
