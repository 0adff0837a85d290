using System;
using System.Buffers.Binary;
using System.IO;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Posix;
using PassthroughFs.Core.IntegrationTests.Ways;
using PassthroughFs.Core.IntegrationTests.Wire;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Vhost;

/// <summary>A VMM that takes the rings' memory away while a request is under way.</summary>
public sealed class RingsThatGoTests : IDisposable
{
    private const int SIGSTOP = 19;
    private const int SIGCONT = 18;
    private const int GetAttrBytes = 56;
    private const uint SetMemTable = 5;

    private readonly TempDirectory _shared = new();
    private readonly TempDirectory _slow = new();

    public RingsThatGoTests() => Require.Root();

    public void Dispose()
    {
        _shared.Dispose();
        _slow.Dispose();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void An_answer_goes_through_memory_that_is_pinned_for_its_request(int ringsThatStay)
    {
        Require.Fuse();
        File.WriteAllText(_slow["file"], "slow");
        Directory.CreateDirectory(_shared["mount"]);
        using var mount = MountProcess.Start(
            _slow.Path, _shared["mount"], "--entry-timeout", "0", "--attr-timeout", "0");
        using var watchdog = new Watchdog(mount);
        using var daemon = new DaemonProcess(
            _shared.Path, "--num-request-queues", "2", "--thread-pool-size", "2", "--log-level", "information")
        {
            ExpectFaults = true,
        };
        var channel = new VhostChannel(daemon.SocketPath);
        var posix = new DispatchPosix(channel);
        Assert.Equal(Core.Api.Errno.OK, posix.Client.Lookup(1, "mount"u8, out WireNode directory));
        Assert.Equal(Core.Api.Errno.OK, posix.Client.Lookup(directory.Id, "file"u8, out WireNode file));

        mount.Signal(SIGSTOP);
        try
        {
            daemon.Await(() => ProcessState.IsStopped(mount.Pid), "the mount is not stopped");
            channel.Queue(1).Submit(GetAttr(channel, 0, file.Id));
            daemon.Await(() => ProcessState.IsInStatx(daemon.ServerPid), "the request is not taken");

            // The other thread meets a map without the rings, or with some of them, and then one without any.
            if (ringsThatStay > 0)
            {
                Keep(channel, channel.Queue(1).Available, 1 << 20);
                channel.Queue(1).Submit(GetAttr(channel, 1, FuseClient.Root));
                daemon.AwaitOutput("Queue 1 takes no requests any more: its rings are not in the guest's memory");
            }

            using var other = new SharedMemory(1 << 20);
            channel.FrontEnd.MustSend(
                SetMemTable, FrontEnd.Numbers(1, 0, (ulong)other.Size, 0, 0), other.Fd);
            VhostNative.Signal(channel.Queue(1).Kick);
            daemon.AwaitOutput("Queue 1 takes no requests any more: its rings are not in the guest's memory");
        }
        finally
        {
            mount.Signal(SIGCONT);
        }

        // The request is answered into what was the guest's memory when it was taken.
        daemon.Await(() => channel.Queue(1).HasUsed, "the request is not given back");
        channel.Dispose();
        using var next = new DispatchPosix(new VhostChannel(daemon.SocketPath));
        next.WriteFile("f", "served"u8);
        Assert.Equal("served", File.ReadAllText(_shared["f"]));
    }

    // The table becomes one region: from an offset on, so that what lies before it is gone.
    private static void Keep(VhostChannel channel, long from, long length) => channel.FrontEnd.MustSend(
        SetMemTable,
        FrontEnd.Numbers(
            1, SharedMemory.Guest(from), (ulong)Math.Min(length, channel.Memory.Border - from),
            channel.Memory.User(from), (ulong)from),
        channel.Memory.Fd);

    private static ushort GetAttr(VhostChannel channel, int slot, ulong node)
    {
        const int room = 4096;
        long memory = channel.Memory.Take(room);
        Span<byte> request = channel.Memory.Span(memory, GetAttrBytes);
        request.Clear();
        BinaryPrimitives.WriteInt32LittleEndian(request, GetAttrBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(request[4..], (uint)Op.GetAttr);
        BinaryPrimitives.WriteUInt64LittleEndian(request[8..], (1UL << 40) + (2 * (ulong)slot));
        BinaryPrimitives.WriteUInt64LittleEndian(request[16..], node);
        ushort head = (ushort)(slot * 2);
        ulong at = SharedMemory.Guest(memory);
        channel.Queue(1).Write(head, new Desc(at, GetAttrBytes, Desc.HasNext, (ushort)(head + 1)));
        channel.Queue(1).Write(head + 1, new Desc(at + 1024, 120, Desc.Writable, 0));
        return head;
    }
}
