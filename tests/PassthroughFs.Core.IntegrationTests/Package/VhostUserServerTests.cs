using System;
using System.Collections.Generic;
using System.IO;
using System.Net.Sockets;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.Win32.SafeHandles;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Posix;
using PassthroughFs.Core.IntegrationTests.Vhost;
using PassthroughFs.Core.IntegrationTests.Wire;
using PassthroughFs.Core.Passthrough;
using PassthroughFs.Core.Protocol;
using PassthroughFs.VhostUser;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Package;

/// <summary>PassthroughFs.VhostUser as a program uses it, in this process.</summary>
public sealed class VhostUserServerTests : IDisposable
{
    private readonly TempDirectory _source = new();
    private readonly TempDirectory _at = new();
    private readonly List<IDisposable> _ended = [];

    private string SocketPath => _at["socket"];

    public void Dispose()
    {
        _ended.ForEach(item => item.Dispose());
        _at.Dispose();
        _source.Dispose();
    }

    [Fact]
    public async Task Front_ends_are_served_one_after_another_until_the_server_stops()
    {
        await using VhostUserServer server = VhostUserServer.Start(FileSystem(), SocketPath, Options());
        for (int i = 0; i < 2; i++)
        {
            using var posix = new DispatchPosix(new VhostChannel(SocketPath));
            posix.WriteFile($"file{i}", "content"u8);
            Assert.Equal("content", File.ReadAllText(_source[$"file{i}"]));
            using var second = new FrontEnd(SocketPath);
            Assert.True(second.IsClosed());
        }

        Assert.False(server.Completion.IsCompleted);
        Assert.Equal(VhostUserEnd.Quiet, await server.StopAsync(TestContext.Current.CancellationToken));
        Assert.False(File.Exists(SocketPath));
        server.Stop();
        Assert.Throws<SocketException>(() => new FrontEnd(SocketPath));
    }

    [Fact]
    public async Task The_only_front_end_there_was_to_be_ends_the_server()
    {
        await using VhostUserServer server = VhostUserServer.Start(
            FileSystem(), SocketPath, Options(options => options.Once = true));
        Exchange(new VhostChannel(SocketPath));
        Assert.Equal(VhostUserEnd.Quiet, await Ended(server));
        Assert.False(File.Exists(SocketPath));
    }

    [Fact]
    public async Task A_socket_that_is_connected_is_served_until_its_other_end_is_closed()
    {
        using Socket listening = Listen();
        var channel = Task.Run(() => new VhostChannel(SocketPath), TestContext.Current.CancellationToken);
        using Socket accepted = await listening.AcceptAsync(TestContext.Current.CancellationToken);
        await using VhostUserServer server = VhostUserServer.Create(
            FileSystem(), VhostUserSocket.FromConnected(Borrow(accepted)), Options());
        server.Serve();
        Exchange(await channel);
        Assert.Equal(VhostUserEnd.Quiet, await Ended(server));
    }

    [Fact]
    public async Task A_socket_that_listens_already_is_taken_over_and_not_removed()
    {
        using Socket listening = Listen();
        await using VhostUserServer server = VhostUserServer.Create(
            FileSystem(), VhostUserSocket.FromListening(Borrow(listening)), Options());
        server.Serve();
        Exchange(new VhostChannel(SocketPath));
        await server.StopAsync(TestContext.Current.CancellationToken);
        Assert.True(File.Exists(SocketPath));
    }

    [Fact]
    public async Task A_server_that_is_stopped_before_it_serves_never_does()
    {
        VhostUserServer server = VhostUserServer.Create(FileSystem(), VhostUserSocket.Listen(SocketPath), Options());
        server.Stop();
        server.Serve();
        Assert.Equal(VhostUserEnd.Quiet, await Ended(server));
        Assert.False(File.Exists(SocketPath));
        await server.DisposeAsync();
        await server.DisposeAsync();
    }

    [Fact]
    public async Task It_ends_although_requests_hang_and_says_so()
    {
        using var hanging = new HangingFileSystem(FileSystem());
        VhostUserServer server = VhostUserServer.Start(
            hanging, SocketPath, Options(options => options.EndTimeout = TimeSpan.FromMilliseconds(300)));
        using var channel = new VhostChannel(SocketPath);
        var client = new FuseClient(channel); // not disposed of, which would be one request more
        Assert.Equal(Errno.OK, client.GetAttr(FuseClient.Root, null, out _));
        hanging.Begin();
        new GetAttrSlots(channel, 1).GetAttr(0, FuseClient.Root);
        hanging.AwaitFirst();
        Assert.Equal(1, server.RequestsUnderWay);
        Assert.Contains("FUSE_GETATTR", Assert.Single(Lines(server)), StringComparison.Ordinal);
        Assert.Equal(VhostUserEnd.StillInUse, await server.StopAsync(TestContext.Current.CancellationToken));
        Assert.False(File.Exists(SocketPath));
        hanging.Dispose();
        Assert.True(SpinWait.SpinUntil(() => server.RequestsUnderWay == 0, TimeSpan.FromSeconds(30)));
        await server.DisposeAsync();

        static string[] Lines(VhostUserServer server) =>
            server.DescribeRequests().Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    [Fact]
    public void A_queue_has_no_more_descriptors_than_the_options_say()
    {
        using VhostUserServer server = VhostUserServer.Start(
            FileSystem(), SocketPath, Options(options => options.MaxQueueSize = 512));
        Assert.ThrowsAny<Exception>(() => new VhostChannel(SocketPath)); // whose queues have 1024
    }

    [Fact]
    public void Mistakes_are_told_with_what_to_do()
    {
        AssertFails("Threads is 0: give a number from 1 to 256", options => options.Threads = 0);
        AssertFails("StandbyThreads is 257: give", options => options.StandbyThreads = 257);
        AssertFails("MaxQueueSize is 1000: give a power of two", options => options.MaxQueueSize = 1000);
        AssertFails("DaxWindowSize is 5: give a multiple of", options => options.DaxWindowSize = 5);
        AssertFails("FrontEndTimeout is 00:00:00: give", options => options.FrontEndTimeout = TimeSpan.Zero);
        AssertFails("GoneTimeout is negative: give", options => options.GoneTimeout = TimeSpan.FromSeconds(-1));
        AssertFails("RequestQueues is 65: give a number from 1 to 64", options => options.Device.RequestQueues = 65);
        AssertFails("give 1 to 36 bytes", options => options.Device.Tag = new string('x', 37));
        AssertFails("give 1 to 36 bytes", options => options.Device.Tag = "");
        AssertFails("Session is null: give", options => options.Device.Session = null!);
        AssertFails("Device is null: give", options => options.Device = null!);
        AssertFails(
            "Session: MaxWrite is 1; it must be",
            options => options.Device.Session = new FuseSessionOptions { MaxWrite = 1 });

        AssertSocketFails("too long: give at most 105 bytes", _at[new string('x', 200)]);
        AssertSocketFails("its directory does not exist, create it", _at["none/socket"]);
        File.WriteAllText(_at["file"], "");
        AssertSocketFails("is taken by something that is no socket: choose another", _at["file"]);
        using (VhostUserServer.Start(FileSystem(), SocketPath))
        {
            AssertSocketFails("is in use by another program: choose another", SocketPath);
        }

        using var file = new SafeFileHandle(1, ownsHandle: false);
        Assert.Contains(
            "is no listening socket: let",
            Assert.Throws<VhostUserException>(() => VhostUserSocket.FromListening(file)).Message,
            StringComparison.Ordinal);
        using Socket listening = Listen();
        Assert.Contains(
            "is no connected socket: give",
            Assert.Throws<VhostUserException>(() => VhostUserSocket.FromConnected(Borrow(listening))).Message,
            StringComparison.Ordinal);
    }

    private void AssertFails(string message, Action<VhostUserServerOptions> change)
    {
        VhostUserException fault = Assert.Throws<VhostUserException>(
            () => VhostUserServer.Start(FileSystem(), SocketPath, Options(change)));
        Assert.Contains(message, fault.Message, StringComparison.Ordinal);
        Assert.Equal(VhostUserFault.Usage, fault.Fault);
        Assert.False(File.Exists(SocketPath));
    }

    private void AssertSocketFails(string message, string path) => Assert.Contains(
        message, Assert.Throws<VhostUserException>(() => VhostUserServer.Start(FileSystem(), path)).Message,
        StringComparison.Ordinal);

    private static Task<VhostUserEnd> Ended(VhostUserServer server) =>
        server.Completion.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);

    private void Exchange(VhostChannel channel)
    {
        using var posix = new DispatchPosix(channel);
        posix.WriteFile("file", "content"u8);
        Assert.Equal("content", File.ReadAllText(_source["file"]));
    }

    private static VhostUserServerOptions Options(Action<VhostUserServerOptions>? change = null)
    {
        var options = new VhostUserServerOptions { Device = new FsDeviceOptions { RequestQueues = 2 } };
        change?.Invoke(options);
        return options;
    }

    private Socket Listen()
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(SocketPath));
        socket.Listen();
        return socket;
    }

    private static SafeFileHandle Borrow(Socket socket) => new(socket.Handle, ownsHandle: false);

    private PassthroughFileSystem FileSystem()
    {
        var fileSystem = new PassthroughFileSystem(new PassthroughConfig { RootDir = _source.Path });
        _ended.Add(fileSystem);
        return fileSystem;
    }

    private sealed class HangingFileSystem(IFileSystem inner) : DelegatingFileSystem(inner), IDisposable
    {
        private readonly ManualResetEventSlim _release = new();
        private readonly ManualResetEventSlim _hangs = new();
        private volatile bool _begins;

        public void Begin() => _begins = true;

        public void AwaitFirst() => _hangs.Wait();

        public override Errno GetAttr(in RequestContext context, NodeId node, Handle handle, out AttrReply reply)
        {
            if (_begins)
            {
                _hangs.Set();
                _release.Wait();
            }

            return base.GetAttr(context, node, handle, out reply);
        }

        public void Dispose() => _release.Set();
    }
}
