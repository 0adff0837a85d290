using System;
using System.IO;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Posix;
using PassthroughFs.Core.IntegrationTests.Wire;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Vhost;

/// <summary>Files of the shared directory in the VMM's memory: DAX, by both ways of asking for it.</summary>
public sealed class WindowTests : IDisposable
{
    private const int Page = 2 << 20; // what Linux maps at a time
    private const int Pages = 8;
    private const InitFlags Offer =
        FuseClient.DefaultOffer | InitFlags.FUSE_MAP_ALIGNMENT | InitFlags.FUSE_HAS_INODE_DAX;

    private const ulong ForWindows = FrontEnd.Shmem | FrontEnd.BackendSendFd;

    private readonly TempDirectory _shared = new();
    private DaemonProcess? _daemon;
    private VmmWindow? _window;

    public WindowTests() => Require.Root();

    private VmmWindow Window => _window!;

    /// <summary>Each node that the guest knows is held open; nothing else may be.</summary>
    private int OpenFiles => _daemon!.OpenBelow(_shared.Path).Length;

    public void Dispose()
    {
        _daemon?.Dispose();
        _window?.Dispose();
        _shared.Dispose();
        Assert.Empty(_window?.Faults ?? []);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Files_are_read_and_written_through_the_window(bool standard)
    {
        byte[] f = WriteFile("f", 3, 1), g = WriteFile("g", 2, 2);
        using FuseClient client = Connect(standard);
        Assert.True(client.Accepted.HasFlag(InitFlags.FUSE_MAP_ALIGNMENT | InitFlags.FUSE_HAS_INODE_DAX));
        ulong nodeF = Node(client, "f"), nodeG = Node(client, "g");
        Map(client, nodeF, 0, 0);
        Map(client, nodeF, 2, 1);
        Map(client, nodeG, 1, 5, writable: true);
        Assert.True(f.AsSpan(0, Page).SequenceEqual(Shown(0)));
        Assert.True(f.AsSpan(2 * Page, Page).SequenceEqual(Shown(1)));
        Assert.True(g.AsSpan(Page, Page).SequenceEqual(Shown(5)));
        "from the guest"u8.CopyTo(Shown(5));
        Assert.Equal("from the guest"u8, File.ReadAllBytes(_shared["g"]).AsSpan(Page, 14));

        // Another in the place of one, the same one for writing, two in the place of one.
        Map(client, nodeG, 0, 0);
        Assert.True(g.AsSpan(0, Page).SequenceEqual(Shown(0)));
        Map(client, nodeF, 2, 1, writable: true);
        Shown(1)[7] = 77;
        Assert.Equal(77, File.ReadAllBytes(_shared["f"])[(2 * Page) + 7]);
        client.SetupMapping(nodeF, 0, 4 * Page, 2 * Page, false).Is(Errno.OK);
        Assert.True(f.AsSpan(0, 2 * Page).SequenceEqual(Window.Span(4 * Page, 2 * Page)));

        client.RemoveMapping(nodeF, (1 * Page, Page), (4 * Page, 2 * Page), (7 * Page, Page)).Is(Errno.OK);
        Assert.Equal([1, 0, 0, 0, 0, 0, 0, 0], Used());
        client.RemoveMapping(nodeF, (0, ulong.MaxValue)).Is(Errno.OK);
        Assert.Equal(new int[Pages], Used());
        Assert.Equal(2, OpenFiles);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void What_the_guest_may_not_map_the_vmm_never_hears_of(bool standard)
    {
        WriteFile("f", 1, 1);
        Directory.CreateDirectory(_shared["d"]);
        using FuseClient client = Connect(standard, "--readonly");
        ulong node = Node(client, "f");
        client.SetupMapping(node, 0, 0, Page, writable: true).Is(Errno.EROFS);
        client.SetupMapping(node, 0, Pages * Page, Page, false).Is(Errno.EINVAL);
        client.SetupMapping(node, 0, 1, Page, false).Is(Errno.EINVAL);
        client.SetupMapping(node, 0, 0, ulong.MaxValue - 4095, false).Is(Errno.EINVAL);
        client.SetupMapping(node, 0, 0, Page, false, handle: 4711).Is(Errno.EBADF);
        client.SetupMapping(Node(client, "d"), 0, 0, Page, false).Is(Errno.EISDIR);
        client.RemoveMapping(node, (Pages * Page, Page)).Is(Errno.EINVAL);
        client.RemoveMapping(node, (0, Page)).Is(Errno.OK);
        Assert.Empty(Window.Requests);
        Map(client, node, 0, 0);
        Assert.Equal(["map 0->0+200000"], Window.Requests);
    }

    [Fact]
    public void Whole_mappings_only_are_replaced_and_removed_where_the_vmm_has_no_others()
    {
        WriteFile("f", 4, 1);
        using FuseClient client = Connect(standard: true);
        ulong node = Node(client, "f");
        client.SetupMapping(node, 0, Page, 2 * Page, true).Is(Errno.OK);
        client.SetupMapping(node, 0, Page, Page, false).Is(Errno.EBUSY);
        client.SetupMapping(node, 0, 2 * Page, 2 * Page, false).Is(Errno.EBUSY);
        client.SetupMapping(node, 0, Page + 4096, 4096, false).Is(Errno.EBUSY);
        client.RemoveMapping(node, (Page, Page)).Is(Errno.EBUSY);
        client.RemoveMapping(node, (2 * Page, Page)).Is(Errno.EBUSY);
        Assert.Single(Window.Requests);
        Map(client, node, 0, 0);
        Map(client, node, 1, 3);
        client.SetupMapping(node, 0, 0, 4 * Page, false).Is(Errno.OK);

        // For writing though nobody has asked for it: another could not take its place at once.
        Assert.Equal(
            ["map 0->200000+400000 rw", "map 0->0+200000 rw", "map 200000->600000+200000 rw", "unmap 0+200000",
                "unmap 200000+400000", "unmap 600000+200000", "map 0->0+800000 rw"],
            Window.Requests);
    }

    [Fact]
    public void A_guest_that_maps_page_by_page_comes_to_an_end()
    {
        WriteFile("f", 1, 1);
        using FuseClient client = Connect(standard: true);
        ulong node = Node(client, "f");
        for (ulong i = 0; i < 1024; i++)
        {
            client.SetupMapping(node, 0, i * 4096, 4096, false).Is(Errno.OK);
        }

        client.SetupMapping(node, 0, 1024 * 4096, 4096, false).Is(Errno.ENOSPC);
        client.SetupMapping(node, 0, 4096, 4096, false).Is(Errno.OK);
        client.RemoveMapping(node, (0, ulong.MaxValue)).Is(Errno.OK);
        client.SetupMapping(node, 0, 1024 * 4096, 4096, false).Is(Errno.OK);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_end_of_a_session_unmaps_everything_and_the_next_one_begins_with_nothing(bool standard)
    {
        WriteFile("f", 2, 1);
        using FuseClient client = Connect(standard);
        ulong node = Node(client, "f");
        Map(client, node, 0, 0);
        Map(client, node, 1, 3);
        client.Call(Op.Destroy, 0, default, out _).Is(Errno.OK);
        Assert.Equal(new int[Pages], Used());
        string[] unmapped = standard ? ["unmap 0+200000", "unmap 600000+200000"] : ["unmap 0+ffffffffffffffff"];
        Assert.Equal(unmapped, Window.Requests.Skip(2));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_vmm_that_refuses_is_asked_again_next_time(bool standard)
    {
        WriteFile("f", 1, 1);
        using FuseClient client = Connect(standard);
        ulong node = Node(client, "f");
        Window.Mood = VmmMood.Refusing;
        client.SetupMapping(node, 0, 0, Page, false).Is(Errno.EIO);
        Window.Mood = VmmMood.Poor;
        client.SetupMapping(node, 0, 0, Page, false).Is(Errno.ENOMEM);
        Window.Mood = VmmMood.Obedient;
        Map(client, node, 0, 0);
        Assert.Equal(1, Used()[0]);
        Assert.Equal(1, OpenFiles);
    }

    [Theory]
    [InlineData(true, "Gone", "it has ended")]
    [InlineData(false, "Gone", "it has ended")]
    [InlineData(true, "Confused", "what comes back is message 10")]
    [InlineData(false, "Silent", "there is no answer")]
    public async Task A_vmm_that_does_not_answer_costs_the_guest_its_mappings_and_nothing_else(
        bool standard, string mood, string said)
    {
        WriteFile("f", 1, 1);
        using FuseClient client = Connect(standard);
        _daemon!.ExpectFaults = true;
        ulong node = Node(client, "f");
        Window.Mood = Enum.Parse<VmmMood>(mood);
        CancellationToken cancel = TestContext.Current.CancellationToken;
        Task<Errno> waiting = Task.Run(() => client.SetupMapping(node, 0, 0, Page, false), cancel);
        if (Window.Mood == VmmMood.Silent)
        {
            // One queue waits. The other one works; the test's requests take them by turns.
            _daemon.Await(() => !Window.Requests.IsEmpty, "the VMM is asked");
            client.Call(Op.Forget, node, new Packer().U64(0).Done(), out _).Is(Errno.OK);
            client.GetAttr(node, null, out _).Is(Errno.OK);
            Assert.False(waiting.IsCompleted, "it has waited, too");
        }

        (await waiting.WaitAsync(TimeSpan.FromSeconds(20), cancel)).Is(Errno.EIO);
        _daemon.AwaitOutput(said);
        Assert.Equal(1, OpenFiles);
        for (int i = 0; i < 4; i++)
        {
            client.SetupMapping(node, 0, 0, Page, false).Is(Errno.EIO);
            client.GetAttr(node, null, out _).Is(Errno.OK);
        }

        Assert.Single(Window.Requests);
    }

    [Fact]
    public void A_vmm_that_vanishes_with_mappings_leaves_nothing_behind()
    {
        WriteFile("f", 1, 1);
        int fds = 0;
        for (int i = 0; i < 5; i++)
        {
            var channel = Open(standard: i % 2 == 0);
            var client = new FuseClient(channel, Offer);
            Map(client, Node(client, "f"), 0, 0);
            channel.Dispose();
            Window.Dispose();
            _window = null;
            _daemon!.Await(() => _daemon.OpenBelow(_shared.Path).Length == 0, "files are held");
            _daemon.Await(() => i == 0 || _daemon.FdCount <= fds, "descriptors are left");
            fds = i == 0 ? _daemon.FdCount : fds;
        }
    }

    [Fact]
    public void After_a_reset_the_vmm_has_nothing_mapped_and_is_asked_to_unmap_nothing()
    {
        WriteFile("f", 1, 1);
        VhostChannel channel = Open(standard: true);
        FrontEnd frontEnd = channel.FrontEnd;
        var before = new FuseClient(channel, Offer);
        Map(before, Node(before, "f"), 0, 0);
        int[] bases = [.. Enumerable.Range(0, 3).Select(frontEnd.Stop)];
        frontEnd.MustSend(34, default);
        Window.Reset();
        for (int queue = 0; queue < 3; queue++)
        {
            frontEnd.Start(queue, channel.Memory, channel.Queue(queue), startAt: bases[queue]);
        }

        using var after = new FuseClient(channel, Offer);
        Map(after, Node(after, "f"), 0, 0);
        Assert.Equal(["map 0->0+200000 rw", "map 0->0+200000 rw"], Window.Requests);
    }

    [Fact]
    public void The_window_is_announced_as_region_0_and_only_with_the_option()
    {
        using (var with = new FrontEnd(Start().SocketPath))
        {
            with.Negotiate(protocol: FrontEnd.ReplyAck | FrontEnd.Shmem);
            Assert.Equal(ForWindows, with.AskNumber(15) & ForWindows);
            byte[] config = with.Ask(44);
            Assert.Equal(8 + (256 * 8), config.Length);
            ulong[] words = [.. config.Chunk(8).Select(word => BitConverter.ToUInt64(word))];
            Assert.Equal([1, Pages * Page], words[..2]);
            Assert.All(words[2..], word => Assert.Equal(0u, word));
        }

        _daemon!.Dispose();
        _daemon = new DaemonProcess(_shared.Path);
        using var without = new FrontEnd(_daemon.SocketPath);
        Assert.Equal(0u, without.AskNumber(15) & ForWindows);
        without.Negotiate();
        Assert.Equal(new byte[8 + (256 * 8)], without.Ask(44));
    }

    [Theory]
    [InlineData(FrontEnd.BackendReq | FrontEnd.BackendSendFd, 0UL)]
    [InlineData(FrontEnd.BackendReq | FrontEnd.ReplyAck, 0UL)]
    [InlineData(FrontEnd.BackendSendFd | FrontEnd.ReplyAck | FrontEnd.Shmem, 0UL)]
    [InlineData(FrontEnd.BackendReq | FrontEnd.BackendSendFd | FrontEnd.ReplyAck, FrontEnd.ReplyAck)]
    public void Without_all_that_it_takes_there_is_no_window(ulong protocol, ulong channel)
    {
        _window = new VmmWindow(true, Pages * Page);
        using var memory = new SharedMemory(16L << 20);
        using var queue = new DriverQueue(memory, 64);
        using var frontEnd = new FrontEnd(Start().SocketPath);
        frontEnd.Negotiate(protocol: protocol);
        if (channel == 0)
        {
            Window.Attach(frontEnd);
        }

        frontEnd.Share(memory);
        frontEnd.Start(1, memory, queue);
        byte[] body = new Packer().U32(7).U32(45).U32(0).U64((ulong)Offer).Fill(64);
        byte[] init = new Packer().U32(104).U32(26).U64(2).U64(0).U32(0).U32(0).U32(0).U32(0).Raw(body).Done();
        long at = memory.Take(4096), to = memory.Take(4096);
        init.CopyTo(memory.Span(at, 104));
        queue.SubmitChain([(at, 104, false), (to, 80, true)]);
        Assert.Equal((0u, 80u), queue.AwaitUsed());
        Assert.Equal(0u, BitConverter.ToUInt32(memory.Span(to + 16 + 12, 4)) & (uint)InitFlags.FUSE_MAP_ALIGNMENT);
    }

    [Theory]
    [InlineData("--dax-window-size 4097", "--dax-window-size 4097 is not whole pages: give a multiple of 4096 bytes")]
    [InlineData("--dax-window-size 1T", "--dax-window-size 1T is no size: give bytes")]
    [InlineData("--dax-window-size 99999999999999999999", "99999999999999999999 is no size")]
    [InlineData("--dax-window-size 9999999G", "--dax-window-size 9999999G is no size")]
    [InlineData("--dax-window-size G", "--dax-window-size G is no size")]
    [InlineData("--dax-window-size -1", "--dax-window-size")]
    [InlineData("--dax-file-size 1M", "--dax-file-size needs --dax-window-size")]
    [InlineData("--dax-file-size 1M --dax-window-size 0", "--dax-file-size needs --dax-window-size")]
    [InlineData("--dax-file-size x --dax-window-size 1G", "--dax-file-size x is no size")]
    public void Sizes_that_make_no_sense_are_refused_in_one_line(string options, string said)
    {
        string[] usual = [DaemonProcess.Program, "--socket-path", _shared["s"], "--shared-dir", _shared.Path];
        ShellResult result = Shell.Run(DaemonProcess.Host, [.. usual, .. options.Split(' ')]);
        Assert.Equal(2, result.ExitCode);
        Assert.StartsWith("ptfs-virtiofsd: ", result.Error, StringComparison.Ordinal);
        Assert.Contains(said, result.Error, StringComparison.Ordinal);
        Assert.Single(result.Error.TrimEnd().Split('\n'));
    }

    private DaemonProcess Start(params string[] options) => _daemon ??= new DaemonProcess(
        _shared.Path,
        ["--num-request-queues", "2", "--dax-window-size", $"{Pages * Page}", "--dax-file-size", "1", .. options]);

    private VhostChannel Open(bool standard, params string[] options)
    {
        _window = new VmmWindow(standard, Pages * Page);
        return new VhostChannel(Start(options).SocketPath, window: _window);
    }

    private FuseClient Connect(bool standard, params string[] options) => new(Open(standard, options), Offer);

    private byte[] WriteFile(string name, int pages, int seed)
    {
        byte[] data = Bytes.Pattern(pages * Page, seed);
        File.WriteAllBytes(_shared[name], data);
        return data;
    }

    private static ulong Node(FuseClient client, string name)
    {
        client.Lookup(FuseClient.Root, System.Text.Encoding.UTF8.GetBytes(name), out WireNode node).Is(Errno.OK);
        return node.Id;
    }

    private static void Map(FuseClient client, ulong node, int filePage, int page, bool writable = false) =>
        client.SetupMapping(node, (ulong)filePage * Page, (ulong)page * Page, Page, writable).Is(Errno.OK);

    private Span<byte> Shown(int page) => Window.Span(page * Page, Page);

    /// <summary>Where anything is seen at all.</summary>
    private int[] Used() =>
        [.. Enumerable.Range(0, Pages).Select(page => Shown(page).ContainsAnyExcept((byte)0) ? 1 : 0)];
}
