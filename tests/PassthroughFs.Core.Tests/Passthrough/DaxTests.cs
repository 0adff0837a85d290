using System;
using System.IO;
using System.Linq;
using System.Text;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Passthrough;
using PassthroughFs.Core.Tests.Protocol;
using Xunit;
using static PassthroughFs.Core.Protocol.FuseOpcode;

namespace PassthroughFs.Core.Tests.Passthrough;

/// <summary>Files of the host in a window that really maps them.</summary>
public sealed class DaxTests : DescriptorCheck
{
    private static readonly int s_page = Environment.SystemPageSize;

    private readonly HostDirectory _directory = new();
    private readonly MappedWindow _window = new(8);

    [Theory]
    [InlineData(InodeFileHandles.Never)]
    [InlineData(InodeFileHandles.Prefer)]
    public void What_a_mapping_shows_is_the_file(InodeFileHandles handles)
    {
        string path = Pages("f", "abc");
        using var fs = New(config => config.InodeFileHandles = handles);
        NodeId node = Node(fs, "f");
        Map(fs, node, filePage: 1, page: 2, pages: 2);
        Assert.Equal(File.ReadAllBytes(path).AsSpan(s_page), _window[2ul * (ulong)s_page, 2 * s_page]);
        Assert.Equal(0, At(1));
        Assert.Equal(0, At(4));

        // The host's change is seen at once: it is the same memory.
        Change(path, s_page, "B");
        Assert.Equal((byte)'B', At(2));
    }

    [Fact]
    public void What_is_written_to_a_mapping_is_in_the_file_at_once()
    {
        string path = Pages("f", "ab");
        using var fs = New();
        Map(fs, Node(fs, "f"), writable: true, pages: 2);
        "through"u8.CopyTo(_window[(ulong)s_page, 7]);
        Assert.Equal("through", Encoding.ASCII.GetString(File.ReadAllBytes(path), s_page, 7));
        Change(path, s_page, "answer!");
        Assert.Equal("answer!"u8, _window[(ulong)s_page, 7]);
        Assert.Equal(2 * s_page, new FileInfo(path).Length);
    }

    [Fact]
    public void Mappings_are_replaced_and_removed_range_by_range()
    {
        Pages("f", "abcd");
        Pages("g", "ABCD");
        using var fs = New();
        NodeId f = Node(fs, "f"), g = Node(fs, "g");
        Map(fs, f, pages: 4);
        Map(fs, g, page: 4, pages: 4);
        Assert.Equal("abcdABCD", Shown());
        Map(fs, g, filePage: 2, page: 1, pages: 2);
        Assert.Equal("aCDdABCD", Shown());

        // Whose a range is does not matter; nothing mapped there is no error.
        Assert.Equal(Errno.OK, Unmap(fs, f, (0, 1), (3, 2)));
        Assert.Equal(".CD..BCD", Shown());
        Assert.Equal(Errno.OK, Unmap(fs, g, (0, 1), (0, 8)));
        Assert.Equal("........", Shown());
    }

    [Fact]
    public void A_mapping_outlives_its_handle_its_name_and_its_node()
    {
        string path = Pages("f", "a");
        using var fs = New();
        NodeId node = Node(fs, "f");
        Handle handle = Open(fs, node, Linux.O_RDWR);
        Map(fs, node, handle: handle, writable: true);
        Assert.Equal(Errno.OK, fs.Release(default, node, handle, default));
        File.Delete(path);
        fs.Forget(default, node, 1);
        Assert.Equal((byte)'a', At(0));
    }

    [Fact]
    public void A_mapping_may_lie_behind_the_files_end_and_does_not_make_it_longer()
    {
        string path = Pages("f", "a");
        using var fs = New(config => config.SealSize = true);
        Map(fs, Node(fs, "f"), pages: 3, writable: true);
        Map(fs, Node(fs, "f"), filePage: 100, page: 3, writable: true);
        _window[0, 1][0] = (byte)'z';
        Assert.Equal(s_page, new FileInfo(path).Length);

        // What the file grows by is there.
        File.AppendAllText(path, "more");
        Assert.Equal((byte)'m', At(1));
    }

    [Theory]
    [InlineData(Linux.O_RDONLY, false, Errno.OK)]
    [InlineData(Linux.O_RDWR, false, Errno.OK)]
    [InlineData(Linux.O_RDWR, true, Errno.OK)]
    [InlineData(Linux.O_RDONLY, true, Errno.EACCES)]
    [InlineData(Linux.O_WRONLY, true, Errno.EACCES)]
    [InlineData(Linux.O_WRONLY, false, Errno.EACCES)]
    public void A_handle_allows_what_it_was_opened_for(uint flags, bool writable, Errno expected)
    {
        Pages("f", "a");
        using var fs = New();
        NodeId node = Node(fs, "f");
        Handle handle = Open(fs, node, flags);
        Assert.Equal(expected, Setup(fs, node, handle: handle, writable: writable));
        Assert.Equal(expected == Errno.OK ? 1 : 0, _window.Asked);
        Assert.Equal(expected == Errno.OK ? "a......." : "........", Shown());
    }

    [Theory]
    [InlineData(true, false, null, false)]
    [InlineData(false, false, null, true)]
    [InlineData(false, true, null, false)]
    [InlineData(false, false, Linux.O_RDWR, true)]
    [InlineData(false, false, Linux.O_RDONLY, false)]
    [InlineData(true, false, Linux.O_RDWR, false)]
    public void What_cannot_be_replaced_at_once_is_mapped_for_writing_where_that_is_allowed(
        bool replacesAtOnce, bool readOnly, uint? opened, bool writable)
    {
        Pages("f", "a");
        using var fs = New(config => config.ReadOnly = readOnly);
        _window.ReplacesAtOnce = replacesAtOnce;
        NodeId node = Node(fs, "f");
        Map(fs, node, handle: opened is { } flags ? Open(fs, node, flags) : default);
        Assert.Equal(writable, _window.LastIsWritable);
    }

    [Fact]
    public void A_program_that_runs_is_mapped_for_reading()
    {
        string path = Path.Combine(_directory.Path, "program");
        File.Copy("/bin/sleep", path);
        using var program = System.Diagnostics.Process.Start(path, ["60"]);
        try
        {
            // Until then it is a copy of this process, which has another program open.
            while (File.ReadAllText($"/proc/{program.Id}/comm") != "program\n")
            {
                System.Threading.Thread.Sleep(1);
            }

            using var fs = New();
            _window.ReplacesAtOnce = false;
            Map(fs, Node(fs, "program"));
            Assert.False(_window.LastIsWritable);
            Assert.Equal(Errno.ETXTBSY, Setup(fs, Node(fs, "program"), writable: true));
        }
        finally
        {
            program.Kill();
            program.WaitForExit();
        }
    }

    [Fact]
    public void Nothing_but_regular_files_and_their_own_handles_is_mapped()
    {
        Pages("f", "a");
        Pages("g", "b");
        _directory.Folder("d");
        File.CreateSymbolicLink(Path.Combine(_directory.Path, "l"), "f");
        using var fs = New();
        NodeId f = Node(fs, "f"), d = Node(fs, "d");
        Handle ofG = Open(fs, Node(fs, "g"), Linux.O_RDWR);
        Assert.Equal(Errno.OK, fs.OpenDir(default, d, 0, out OpenReply listing));
        Assert.Equal(Errno.EBADF, Setup(fs, f, handle: ofG));
        Assert.Equal(Errno.EBADF, Setup(fs, f, handle: new Handle(4711)));
        Assert.Equal(Errno.EBADF, Setup(fs, f, handle: listing.Handle));
        Assert.Equal(Errno.EISDIR, Setup(fs, d, handle: listing.Handle));
        Assert.Equal(Errno.EISDIR, Setup(fs, d));
        Assert.Equal(Errno.EISDIR, Setup(fs, d, writable: true));
        Assert.Equal(Errno.EBADF, Setup(fs, Node(fs, "l")));
        Assert.Equal(Errno.EBADF, Setup(fs, new NodeId(4711)));
        Assert.Equal("........", Shown());
    }

    [Fact]
    public void Of_what_is_read_only_nothing_is_mapped_for_writing()
    {
        Pages("f", "a");
        using var fs = New(config => config.ReadOnly = true);
        Assert.Equal(Errno.EROFS, Setup(fs, Node(fs, "f"), writable: true));
        Assert.Equal(Errno.OK, Setup(fs, Node(fs, "f")));
        Assert.Equal("a.......", Shown());
    }

    [Fact]
    public void Without_opens_the_node_is_mapped()
    {
        Pages("f", "a");
        using var fs = New(config => (config.NoOpen, config.CachePolicy) = (true, CachePolicy.Always));
        Assert.Equal(Errno.OK, fs.Init(default, (InitFlags)ulong.MaxValue, out _));
        Map(fs, Node(fs, "f"), writable: true);
        Assert.Equal("a.......", Shown());
    }

    [Fact]
    public void Where_the_host_checks_it_checks_mappings_too()
    {
        Privileges.RequireRoot();
        string path = Pages("f", "a");
        File.SetUnixFileMode(_directory.Path, UnixFileMode.OtherRead | UnixFileMode.OtherExecute);
        File.SetUnixFileMode(path, UnixFileMode.OtherRead);
        using var fs = New(config => config.CheckPermissions = true);
        NodeId node = Node(fs, "f");
        var caller = new RequestContext { Uid = 54321, Gid = 54321 };
        DaxMapping mapping = new(0, new DaxRange(0, (ulong)s_page), Writable: true);
        Assert.Equal(Errno.EACCES, fs.SetupMapping(caller, node, default, mapping, _window));
        Assert.Equal(Errno.OK, fs.SetupMapping(caller, node, default, mapping with { Writable = false }, _window));
    }

    [Fact]
    public void What_the_window_answers_is_the_answer_and_no_file_stays_open()
    {
        Pages("f", "a");
        using var fs = New();
        NodeId node = Node(fs, "f");
        int before = Count;
        DaxMapping mapping = new(0, new DaxRange(0, (ulong)s_page), false);
        Assert.Equal(Errno.ENOSPC, fs.SetupMapping(default, node, default, mapping, new BrokenWindow()));
        Assert.Equal(Errno.EBUSY, fs.RemoveMapping(default, node, [mapping.Range], new BrokenWindow()));
        BrokenWindow throwing = new() { Throws = true };
        Assert.Throws<InvalidOperationException>(
            () => fs.SetupMapping(default, node, default, mapping, throwing));
        Assert.Equal(before, Count);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Files_are_marked_for_mapping_only_where_there_is_a_window(bool hasWindow)
    {
        _directory.File("f", "content");
        using var fs = New(config => config.DaxFileSize = 1);
        Rig rig = Rig.Started(
            fs: fs, transport: new RecordingTransport { DaxWindow = hasWindow ? _window : null });
        Assert.Equal(hasWindow, rig.Session.NegotiatedFlags.HasFlag(InitFlags.FUSE_HAS_INODE_DAX));
        byte[] lookup = FuseCase.Message(FUSE_LOOKUP, new Bytes().Name("f"), node: NodeId.Root.Value);
        byte[] entry = rig.Send(lookup)!;
        const int flags = 16 + 40 + 84; // the last field of an entry's attributes
        Assert.Equal(hasWindow ? 2u : 0u, BitConverter.ToUInt32(entry, flags));
        fs.Lookup(default, NodeId.Root, "f", out Entry direct);
        Assert.Equal(hasWindow, direct.Attributes.Flags.HasFlag(NodeAttributeFlags.FUSE_ATTR_DAX));
    }

    [Fact]
    public void Mapping_and_unmapping_cost_no_managed_memory()
    {
        Pages("f", "ab");
        using var fs = New();
        Rig rig = Rig.Started(fs: fs, transport: new RecordingTransport { DaxWindow = _window });
        ulong node = Node(fs, "f").Value;
        ulong page = (ulong)s_page;
        Pieces setup = Pieces.Whole(FuseCase.Message(
            FUSE_SETUPMAPPING, new Bytes().U64(ulong.MaxValue).U64(page).U64(page).U64(3).U64(0), node: node));
        Pieces remove = Pieces.Whole(FuseCase.Message(
            FUSE_REMOVEMAPPING, new Bytes().U32(2).U64(0).U64(page).U64(page).U64(page), node: node));
        Pieces reply = Pieces.Whole(16);
        Rounds(200);
        Assert.Equal(0, ManagedMemory.LeastOf(() => Rounds(2000)));

        void Rounds(int count)
        {
            for (int i = 0; i < count; i++)
            {
                Round(i);
            }
        }

        void Round(int i)
        {
            int length = rig.Worker.Dispatch(setup.Segments, reply.Segments);
            bool mapped = At(0) == 'b';
            length += rig.Worker.Dispatch(remove.Segments, reply.Segments);
            if (length != 32 || !mapped || At(0) != 0)
            {
                Assert.Fail($"round {i}: {length} {mapped}");
            }
        }
    }

    protected override void Cleanup()
    {
        _window.Dispose();
        _directory.Dispose();
    }

    /// <summary>A file with a page full of each letter.</summary>
    private string Pages(string name, string letters) =>
        _directory.File(name, string.Concat(letters.Select(letter => new string(letter, s_page))));

    private byte At(int page) => _window[(ulong)(page * s_page), 1][0];

    /// <summary>The first byte of each page of the window.</summary>
    private string Shown() =>
        string.Concat(Enumerable.Range(0, 8).Select(page => At(page) == 0 ? '.' : (char)At(page)));

    private static void Change(string path, long offset, string text)
    {
        using FileStream file = File.OpenWrite(path);
        file.Position = offset;
        file.Write(Encoding.ASCII.GetBytes(text));
    }

    private static NodeId Node(PassthroughFileSystem fs, string name)
    {
        Assert.Equal(Errno.OK, fs.Lookup(default, NodeId.Root, name, out Entry entry));
        return entry.Node;
    }

    private static Handle Open(PassthroughFileSystem fs, NodeId node, uint flags)
    {
        Assert.Equal(Errno.OK, fs.Open(default, node, flags, 0, out OpenReply reply));
        return reply.Handle;
    }

    private void Map(
        PassthroughFileSystem fs, NodeId node, int filePage = 0, int page = 0, int pages = 1, bool writable = false,
        Handle handle = default) =>
        Assert.Equal(Errno.OK, Setup(fs, node, filePage, page, pages, writable, handle));

    private Errno Setup(
        PassthroughFileSystem fs, NodeId node, int filePage = 0, int page = 0, int pages = 1, bool writable = false,
        Handle handle = default)
    {
        DaxRange range = new((ulong)(page * s_page), (ulong)(pages * s_page));
        return fs.SetupMapping(
            default, node, handle, new DaxMapping((ulong)(filePage * s_page), range, writable), _window);
    }

    private Errno Unmap(PassthroughFileSystem fs, NodeId node, params (int Page, int Pages)[] ranges)
    {
        DaxRange[] all = [.. ranges.Select(r => new DaxRange((ulong)(r.Page * s_page), (ulong)(r.Pages * s_page)))];
        return fs.RemoveMapping(default, node, all, _window);
    }

    private PassthroughFileSystem New(Action<PassthroughConfig>? configure = null)
    {
        var config = new PassthroughConfig { RootDir = _directory.Path };
        configure?.Invoke(config);
        var fs = new PassthroughFileSystem(config);
        Assert.Equal(Errno.OK, fs.Import());
        return fs;
    }

    private sealed class BrokenWindow : IDaxWindow
    {
        public bool Throws { get; init; }

        public ulong Length => (ulong)s_page;

        public Errno Map(int fd, in DaxMapping mapping) =>
            Throws ? throw new InvalidOperationException() : Errno.ENOSPC;

        public Errno Unmap(in DaxRange range) => Errno.EBUSY;
    }
}
