using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Reflection;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Passthrough;
using PassthroughFs.Core.Wrappers;
using Xunit;

namespace PassthroughFs.Core.Tests.Wrappers;

/// <summary>Names that are hidden are nowhere to be had.</summary>
public sealed class FilteredFileSystemTests : DescriptorCheck
{
    private readonly HostDirectory _directory = new();
    private readonly PassthroughFileSystem _inner;
    private readonly IFileSystem _fs;

    public FilteredFileSystemTests()
    {
        _directory.File("seen", "1");
        _directory.File(".hidden", "2");
        Directory.CreateDirectory(Path.Combine(_directory.Folder("folder"), ".git"));
        _inner = new PassthroughFileSystem(new PassthroughConfig { RootDir = _directory.Path });
        Assert.Equal(Errno.OK, _inner.Import());
        _fs = new FilteredFileSystem(_inner, (_, name) => name.StartsWith("."u8));
    }

    private static RequestContext Context => default;

    public static TheoryData<string, Errno> Uses => new()
    {
        { "lookup", Errno.ENOENT }, { "unlink", Errno.ENOENT }, { "rmdir", Errno.ENOENT },
        { "rename from", Errno.ENOENT }, { "rename to", Errno.EPERM }, { "link", Errno.EPERM },
        { "create", Errno.EPERM }, { "mknod", Errno.EPERM }, { "mkdir", Errno.EPERM }, { "symlink", Errno.EPERM },
    };

    [Theory]
    [MemberData(nameof(Uses))]
    public void No_operation_takes_a_hidden_name(string use, Errno error)
    {
        foreach (string name in new[] { ".hidden", ".new" })
        {
            Assert.Equal(error, Use(use, System.Text.Encoding.UTF8.GetBytes(name)));
        }

        Assert.Equal(Errno.OK, Use(use, use is "lookup" or "unlink" or "rename from" ? "seen"u8 : "new"u8, isSeen: true));
        Assert.Equal("2", File.ReadAllText(Path.Combine(_directory.Path, ".hidden")));
    }

    [Fact]
    public void Every_operation_with_a_name_is_asked_about_it()
    {
        string[] with =
        [
            .. typeof(IFileSystem).GetMethods()
                .Where(method => method.GetParameters().Any(parameter =>
                    parameter.ParameterType == typeof(ReadOnlySpan<byte>) && parameter.Name is "name" or "newName"))
                .Where(method => !method.Name.Contains("Xattr", StringComparison.Ordinal))
                .Select(method => method.Name).Order(),
        ];
        string[] own =
        [
            .. typeof(FilteredFileSystem).GetMethods(BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly)
                .Select(method => method.Name).Where(name => !name.StartsWith("ReadDir", StringComparison.Ordinal)).Order(),
        ];
        Assert.Equal(with, own);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Listings_do_not_show_them_and_go_on_behind_them(bool plus)
    {
        for (int i = 0; i < 3000; i++)
        {
            _directory.File($".{i}");
        }

        _directory.File("zz");
        Assert.Equal(Errno.OK, _fs.OpenDir(Context, NodeId.Root, Linux.O_RDONLY, out OpenReply opened));
        var names = new List<string>();
        ulong offset = 0;
        while (true)
        {
            var list = new DirectoryList(2);
            Assert.Equal(Errno.OK, plus
                ? _fs.ReadDirPlus(Context, NodeId.Root, opened.Handle, offset, list)
                : _fs.ReadDir(Context, NodeId.Root, opened.Handle, offset, list));
            if (list.Items.Count == 0)
            {
                break;
            }

            offset = list.Offset;
            names.AddRange(list.Items.Select(item => item.Name));
            foreach (DirectoryList.Item item in list.Items)
            {
                _fs.Forget(Context, item.Entry.Node, 1);
            }
        }

        _fs.ReleaseDir(Context, NodeId.Root, opened.Handle, 0);
        Assert.Equal(["folder", "seen", "zz"], names.Where(name => name is not ("." or "..")).Order());

        // What was looked up for the others has gone back.
        var nodes = new NodeId[16];
        Assert.Equal(1, _inner.ListNodes(0, nodes, out _));
    }

    [Fact]
    public void It_allocates_nothing_for_a_request()
    {
        var sink = new CountingSink();
        Assert.Equal(Errno.OK, _fs.OpenDir(Context, NodeId.Root, Linux.O_RDONLY, out OpenReply opened));
        List();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
        {
            List();
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(101 * 2, sink.Count);
        _fs.ReleaseDir(Context, NodeId.Root, opened.Handle, 0);

        void List()
        {
            _fs.Lookup(Context, NodeId.Root, ".hidden"u8, out _);
            _fs.Lookup(Context, NodeId.Root, "seen"u8, out Entry seen);
            _fs.Forget(Context, seen.Node, 1);
            _fs.ReadDirPlus(Context, NodeId.Root, opened.Handle, 0, sink);
            sink.ForgetAll(_fs);
        }
    }

    [Fact]
    public void A_filter_may_be_around_a_filter()
    {
        var both = new FilteredFileSystem(_fs, (directory, name) => directory == NodeId.Root && name.SequenceEqual("seen"u8));
        Assert.Equal(Errno.OK, both.OpenDir(Context, NodeId.Root, Linux.O_RDONLY, out OpenReply opened));
        var list = new DirectoryList();
        Assert.Equal(Errno.OK, both.ReadDirPlus(Context, NodeId.Root, opened.Handle, 0, list));
        Assert.Equal(["folder"], list.Items.Select(item => item.Name).Where(name => name is not ("." or "..")));
        both.ReleaseDir(Context, NodeId.Root, opened.Handle, 0);
    }

    protected override void Cleanup()
    {
        _inner.Dispose();
        _directory.Dispose();
    }

    /// <summary>Counts entries but "." and "..", and gives their lookups back.</summary>
    private sealed class CountingSink : DirectorySink
    {
        private readonly NodeId[] _nodes = new NodeId[16];
        private int _nodeCount;

        public int Count { get; private set; }

        public override int Room => int.MaxValue;

        public override bool Fits(int nameLength) => true;

        public override bool TryAdd(ulong ino, ulong offset, uint type, ReadOnlySpan<byte> name) => true;

        public override bool TryAdd(ulong ino, ulong offset, uint type, ReadOnlySpan<byte> name, in Entry entry)
        {
            if (entry.Node != NodeId.None)
            {
                _nodes[_nodeCount++] = entry.Node;
                Count++;
            }

            return true;
        }

        public void ForgetAll(IFileSystem fs)
        {
            while (_nodeCount > 0)
            {
                fs.Forget(default, _nodes[--_nodeCount], 1);
            }
        }
    }

    private Errno Use(string use, ReadOnlySpan<byte> name, bool isSeen = false)
    {
        Assert.Equal(Errno.OK, _fs.Lookup(Context, NodeId.Root, "seen"u8, out Entry seen));
        Assert.Equal(Errno.OK, _fs.Lookup(Context, NodeId.Root, "folder"u8, out Entry folder));
        Entry made = default;
        Errno error = use switch
        {
            "lookup" => _fs.Lookup(Context, NodeId.Root, name, out made),
            "unlink" => _fs.Unlink(Context, NodeId.Root, name),
            "rmdir" => isSeen ? MakeAndRemove(name) : _fs.Rmdir(Context, NodeId.Root, name),
            "rename from" => _fs.Rename(Context, NodeId.Root, name, folder.Node, "moved"u8, 0),
            "rename to" => _fs.Rename(Context, NodeId.Root, "seen"u8, folder.Node, name, 0),
            "link" => _fs.Link(Context, seen.Node, folder.Node, name, out made),
            "create" => _fs.Create(
                Context, folder.Node, name, new CreateRequest { Mode = 0x1A4, Flags = Linux.O_RDWR }, out made, out _),
            "mknod" => _fs.Mknod(Context, folder.Node, name, Linux.S_IFREG | 0x1A4, 0, 0, out made),
            "mkdir" => _fs.Mkdir(Context, folder.Node, name, 0x1ED, 0, out made),
            _ => _fs.Symlink(Context, folder.Node, name, "target"u8, out made),
        };
        _fs.Forget(Context, made.Node, 1);
        return error;
    }

    private Errno MakeAndRemove(ReadOnlySpan<byte> name)
    {
        Assert.Equal(Errno.OK, _fs.Mkdir(Context, NodeId.Root, name, 0x1ED, 0, out Entry made));
        _fs.Forget(Context, made.Node, 1);
        return _fs.Rmdir(Context, NodeId.Root, name);
    }
}
