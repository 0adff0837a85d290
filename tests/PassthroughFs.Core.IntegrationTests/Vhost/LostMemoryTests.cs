using System;
using System.IO;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Posix;
using PassthroughFs.Core.IntegrationTests.Vhost.Seccomp;
using PassthroughFs.Core.IntegrationTests.Wire;
using PassthroughFs.PtfsVirtiofsd.Seccomp;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Vhost;

/// <summary>A VMM that takes pages of the guest's memory away.</summary>
public sealed class LostMemoryTests : IDisposable
{
    private const uint SetMemTable = 5;

    private readonly TempDirectory _shared = new();

    public LostMemoryTests() => Require.Root();

    public void Dispose() => _shared.Dispose();

    [Theory]
    [InlineData(0, 1)]
    [InlineData(0, 2)]
    [InlineData(4096, 1)]
    public void Memory_that_is_shortened_costs_nobody_else_anything(long left, int queue)
    {
        using DaemonProcess daemon = Start();
        daemon.ExpectFaults = true;
        for (int vmm = 0; vmm < 2; vmm++)
        {
            using var channel = new VhostChannel(daemon.SocketPath);
            var client = new FuseClient(channel); // not disposed of, which would be one request more
            Assert.Equal(Core.Api.Errno.OK, client.GetAttr(FuseClient.Root, null, out _));

            // From here on this process must not touch the memory either.
            Assert.Equal(0, Native.FTruncate(channel.Memory.Fd, left));
            VhostNative.Signal(channel.Queue(queue).Kick);
            _ = channel.FrontEnd.Stop(queue); // after the queue has looked
        }

        using var next = new DispatchPosix(new VhostChannel(daemon.SocketPath));
        next.WriteFile("f", "served"u8);
        Assert.Equal("served", File.ReadAllText(_shared["f"]));
    }

    [Fact]
    public void Memory_that_takes_seals_cannot_be_shortened_any_more()
    {
        const int Size = 1 << 20;
        using DaemonProcess daemon = Start();
        using var frontEnd = new FrontEnd(daemon.SocketPath);
        frontEnd.Negotiate();
        int fd = VhostNative.NewMemory(Size, takesSeals: true);
        try
        {
            frontEnd.MustSend(SetMemTable, FrontEnd.Numbers(1, 0, Size, 0, 0), fd);
            Assert.Equal(-1, Native.FTruncate(fd, Size / 2));
            Assert.Equal(0, Native.FTruncate(fd, Size * 2));
        }
        finally
        {
            _ = Native.Close(fd);
        }
    }

    [Fact]
    public void Where_memory_may_not_be_made_executable_the_daemon_says_that_nothing_is_answered()
    {
        // As a service manager forbids it, but to the runtime, which asks for whole pages.
        const uint arguments = 16, executable = 4, accessDenied = 13, pageBits = 0xFFF;
        var writer = new BpfAssembler();
        int allowed = writer.NewLabel();
        writer.Load(0);
        writer.JumpUnlessEqual(Native.IsArm64 ? 226u : 10u, allowed); // mprotect
        writer.Load(arguments + 8);
        writer.And(pageBits);
        writer.JumpIfEqual(0, allowed);
        writer.Load(arguments + 16);
        writer.And(executable);
        writer.JumpIfEqual(0, allowed);
        writer.Return(FilterProgram.Error | accessDenied);
        writer.Mark(allowed);
        writer.Return(FilterProgram.Allow);
        using var directory = new TempDirectory();
        using DaemonProcess daemon = DaemonProcess.StartedBy(
            FilteredCalls.Under(writer.Assemble(), directory["filter"]), _shared.Path, "--num-request-queues", "2");
        daemon.AwaitOutput("Memory may not be made executable here, so that SIGBUS cannot be answered");
        using var next = new DispatchPosix(new VhostChannel(daemon.SocketPath));
        next.WriteFile("f", "served"u8);
    }

    [Fact]
    public void Where_it_may_nothing_is_said()
    {
        using DaemonProcess daemon = Start();
        using var posix = new DispatchPosix(new VhostChannel(daemon.SocketPath));
        posix.WriteFile("f", "served"u8);
        Assert.DoesNotContain("executable", daemon.Output, StringComparison.Ordinal);
    }

    private DaemonProcess Start() => new(_shared.Path, "--num-request-queues", "2");
}
