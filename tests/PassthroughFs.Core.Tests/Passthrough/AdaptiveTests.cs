using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using Microsoft.Extensions.Logging;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;
using PassthroughFs.Core.Passthrough;
using Xunit;

namespace PassthroughFs.Core.Tests.Passthrough;

/// <summary>Inodes have descriptors while the budget lasts, and kernel handles after that.</summary>
public sealed class AdaptiveTests : DescriptorCheck
{
    private const int Budget = 40;

    private readonly HostDirectory _directory = new();

    public AdaptiveTests() => Privileges.RequireRoot();

    [Fact]
    public void A_tree_within_the_budget_costs_exactly_the_calls_of_descriptors()
    {
        Fill(_directory.Path, 50);
        string[] adaptive = CallsOfASession(InodeFileHandles.Adaptive);
        Assert.Equal(CallsOfASession(InodeFileHandles.Never), adaptive);
        Assert.True(adaptive.Length > 200);
        Assert.DoesNotContain("NameToHandleAt", adaptive);
    }

    [Fact]
    public void Above_the_budget_those_used_last_have_descriptors_and_all_stay_what_they_are()
    {
        Fill(_directory.Path, 300);
        using PassthroughFileSystem fs = New();
        var nodes = new List<Entry>();
        string[] calls = CallsOf(() =>
        {
            for (int i = 0; i < 300; i++)
            {
                nodes.Add(Lookup(fs, $"f{i}"));
                for (int hot = 0; hot < Math.Min(i, 5); hot++)
                {
                    Assert.Equal(nodes[hot].Attributes.Ino, InoOf(fs, nodes[hot]));
                }

                Assert.True(fs.HeldFds <= Budget, $"{fs.HeldFds} descriptors");
            }
        });
        Assert.DoesNotContain("OpenByHandleAt", calls);
        Assert.True(fs.Inodes.FdCount > Budget / 2);
        Assert.All(nodes[..5], entry => Assert.True(HasFd(fs, entry.Node)));
        Assert.True(HasFd(fs, nodes[^1].Node));
        Assert.False(HasFd(fs, nodes[100].Node));
        for (int i = 0; i < 300; i++)
        {
            Assert.Equal(nodes[i].Node, Lookup(fs, $"f{i}").Node);
            Assert.Equal(nodes[i].Attributes.Ino, InoOf(fs, nodes[i]));
            Assert.True(fs.HeldFds <= Budget, $"{fs.HeldFds} descriptors");
        }

        nodes.ForEach(entry => fs.Forget(default, entry.Node, 2));
        Assert.Equal((1, 1), (fs.Inodes.Count, fs.Inodes.FdCount));
    }

    [Fact]
    public void What_is_used_again_has_a_descriptor_again_and_then_costs_one_call()
    {
        Fill(_directory.Path, 100);
        using PassthroughFileSystem fs = New();
        Entry first = Lookup(fs, "f0");
        for (int i = 1; i < 100; i++)
        {
            Lookup(fs, $"f{i}");
        }

        Assert.False(HasFd(fs, first.Node));
        InoOf(fs, first);
        InoOf(fs, first);
        Assert.True(HasFd(fs, first.Node));
        Assert.Equal(["Statx"], CallsOf(() => InoOf(fs, first)));
        Assert.Equal(["Statx"], CallsOf(() => Lookup(fs, "f0")));
    }

    [Fact]
    public void Where_all_are_used_those_without_a_descriptor_take_it_from_none()
    {
        Fill(_directory.Path, Budget + 10);
        using PassthroughFileSystem fs = New();
        Entry[] nodes = [.. Enumerable.Range(0, Budget + 10).Select(i => Lookup(fs, $"f{i}"))];
        string[] calls = CallsOf(() =>
        {
            for (int round = 0; round < 20; round++)
            {
                Array.ForEach(nodes, entry => InoOf(fs, entry));
            }
        });

        // An inode that gives its descriptor away costs two calls more than the one that takes it saves.
        int closed = calls.Count(call => call == "Close") - calls.Count(call => call == "OpenByHandleAt");
        Assert.InRange(closed, -20 * 20, 20 * 2);
        Assert.True(calls.Count(call => call == "OpenByHandleAt") < 20 * 25, "most are found by descriptor");
    }

    [Fact]
    public void Open_files_take_the_place_of_inodes()
    {
        Fill(_directory.Path, 100);
        using PassthroughFileSystem fs = New();
        Entry[] nodes = [.. Enumerable.Range(0, 100).Select(i => Lookup(fs, $"f{i}"))];
        foreach (Entry entry in nodes[..36])
        {
            Assert.Equal(Errno.OK, fs.Open(default, entry.Node, Linux.O_RDONLY, 0, out _));
            Assert.True(fs.HeldFds <= Budget, $"{fs.HeldFds} descriptors");
        }

        foreach (Entry entry in nodes[36..90])
        {
            // More than the budget: what is open stays, and inodes have none.
            Assert.Equal(Errno.OK, fs.Open(default, entry.Node, Linux.O_RDONLY, 0, out _));
        }

        Assert.Equal((90, 1), (fs.Handles.Count, fs.Inodes.FdCount));
        Array.ForEach(nodes, entry => Assert.Equal(entry.Attributes.Ino, InoOf(fs, entry)));
    }

    [Fact]
    public void At_the_limit_of_the_process_inodes_make_room_for_every_operation()
    {
        Fill(_directory.Path, 200);
        using PassthroughFileSystem fs = New(1000);
        Entry[] nodes = [.. Enumerable.Range(0, 20).Select(i => Lookup(fs, $"f{i}"))];
        var request = new CreateRequest { Flags = Linux.O_RDWR, Mode = 0x180 };
        using OpenFileLimit limit = OpenFileLimit.LeaveFree(70); // of which an eighth of the limit is nobody's
        for (int i = 20; i < 200; i++)
        {
            // The last descriptor is gone before each of them.
            Array.Resize(ref nodes, i + 1);
            nodes[i] = Lookup(fs, $"f{i}");
            Assert.Equal(nodes[i % 7].Attributes.Ino, InoOf(fs, nodes[i % 7]));
            Errno result = (i % 6) switch
            {
                0 => fs.Open(default, nodes[i].Node, Linux.O_RDWR, 0, out OpenReply open) is not Errno.OK and var bad
                    ? bad : fs.Flush(default, nodes[i].Node, open.Handle, default) is not Errno.OK and var failed
                    ? failed : fs.Release(default, nodes[i].Node, open.Handle, default),
                1 => fs.Create(default, NodeId.Root, $"new{i}", request, out Entry made, out OpenReply open)
                    is not Errno.OK and var bad ? bad : fs.Release(default, made.Node, open.Handle, default),
                2 => fs.TmpFile(default, NodeId.Root, request, out Entry made, out OpenReply open)
                    is not Errno.OK and var bad ? bad : fs.Release(default, made.Node, open.Handle, default),
                3 => fs.SetAttr(
                    default, nodes[i].Node, new SetAttrRequest { Valid = SetAttrFields.FATTR_SIZE, Size = 5 }, out _),
                4 => fs.Mkdir(default, NodeId.Root, $"d{i}", 0x1c0, 0, out Entry made) is not Errno.OK and var bad
                    ? bad : fs.Lookup(default, made.Node, "..", out _),
                _ => fs.OpenDir(default, NodeId.Root, 0, out OpenReply open) is not Errno.OK and var bad
                    ? bad : fs.ReleaseDir(default, NodeId.Root, open.Handle, 0),
            };
            Assert.Equal((i, Errno.OK), (i, result));
        }
    }

    [Fact]
    public void A_file_without_a_name_keeps_its_descriptor()
    {
        Fill(_directory.Path, 200);
        using PassthroughFileSystem fs = New();
        Entry gone = Lookup(fs, "f0");
        Assert.Equal(Errno.OK, fs.Unlink(default, NodeId.Root, "f0"));
        for (int i = 1; i < 200; i++)
        {
            Lookup(fs, $"f{i}");
        }

        Assert.Equal(Errno.OK, fs.GetAttr(default, gone.Node, Handle.None, out AttrReply reply));
        Assert.Equal((gone.Attributes.Ino, 0u), (reply.Attributes.Ino, reply.Attributes.Nlink));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_file_that_is_deleted_while_it_has_no_descriptor_is_stale_and_never_another(bool isOpen)
    {
        Fill(_directory.Path, 100);
        using PassthroughFileSystem fs = New();
        Entry file = Lookup(fs, "f0");
        OpenReply open = default;
        Assert.Equal(Errno.OK, isOpen ? fs.Open(default, file.Node, Linux.O_RDONLY, 0, out open) : Errno.OK);
        for (int i = 1; i < 100; i++)
        {
            Lookup(fs, $"f{i}");
        }

        Assert.False(HasFd(fs, file.Node));
        File.Delete(Path.Combine(_directory.Path, "f0"));
        for (int i = 0; i < 200; i++)
        {
            // ext4 gives the number to one of the next.
            _directory.File("f0", $"{i}");
            Entry other = Lookup(fs, "f0");
            Assert.NotEqual(file.Node, other.Node);
            Assert.Equal(other.Attributes.Ino, InoOf(fs, other));
            Assert.Equal(other.Node, Lookup(fs, "f0").Node);
            Errno result = fs.GetAttr(default, file.Node, Handle.None, out AttrReply reply);
            Assert.Equal(isOpen ? Errno.OK : Errno.ESTALE, result);
            Assert.True(result != Errno.OK || (reply.Attributes.Ino, 0u) == (file.Attributes.Ino, reply.Attributes.Nlink));
            File.Delete(Path.Combine(_directory.Path, "f0"));
            fs.Forget(default, other.Node, 2);
        }
    }

    [Fact]
    public void Inodes_of_a_file_system_without_handles_keep_descriptors_and_are_asked_once()
    {
        using var mount = ProcMount(Path.Combine(_directory.Path, "p"));
        Fill(_directory.Path, 100);
        using PassthroughFileSystem fs = New();
        Entry proc = Lookup(fs, "p");
        string[] names = [.. Directory.GetFiles(mount.Path).Select(Path.GetFileName).Take(30)!];
        Entry[] kept = [.. names.Select(name => Lookup(fs, name, proc.Node))];
        Entry[] files = [.. Enumerable.Range(0, 100).Select(i => Lookup(fs, $"f{i}"))];
        Assert.All(kept, entry => Assert.True(HasFd(fs, entry.Node)));
        Assert.True(fs.Inodes.FdCount < 45);
        void UseAll()
        {
            for (int round = 0; round < 5; round++)
            {
                Array.ForEach(files, entry => InoOf(fs, entry));
            }
        }

        // Each file has lost its descriptor once then, and has its handle.
        UseAll();
        string[] calls = CallsOf(UseAll);

        // Descriptors come and go, of those that have a handle already.
        Assert.Contains("OpenByHandleAt", calls);
        Assert.DoesNotContain("NameToHandleAt", calls);
        Assert.All(kept, entry => Assert.Equal(entry.Attributes.Ino, InoOf(fs, entry)));
    }

    [Fact]
    public void Inodes_that_cannot_be_opened_become_handles_on_other_mounts_too()
    {
        using var mount = TestMount.Tmpfs(Path.Combine(_directory.Path, "m"));
        for (int i = 0; i < 200; i++)
        {
            File.CreateSymbolicLink(Path.Combine(mount.Path, $"l{i}"), $"to{i}");
        }

        using (PassthroughFileSystem fs = New())
        {
            Entry directory = Lookup(fs, "m");
            Entry[] links = [.. Enumerable.Range(0, 200).Select(i => Lookup(fs, $"l{i}", directory.Node))];
            Assert.True(fs.HeldFds <= Budget, $"{fs.HeldFds} descriptors");
            for (int i = 0; i < 200; i++)
            {
                byte[] target = new byte[10];
                Assert.Equal(Errno.OK, fs.ReadLink(default, links[i].Node, target, out int length));
                Assert.Equal($"to{i}", System.Text.Encoding.UTF8.GetString(target, 0, length));
            }

            Array.ForEach(links, entry => fs.Forget(default, entry.Node, 1));
            fs.Forget(default, directory.Node, 1);
            Assert.Equal((2, 1), (fs.HeldFds, fs.Inodes.FdCount));
        }
    }

    [Fact]
    public void File_systems_of_one_process_share_what_it_may_open()
    {
        string a = _directory.Folder("a"), b = _directory.Folder("b");
        Fill(a, 400);
        Fill(b, 400);
        using OpenFileLimit limit = OpenFileLimit.LeaveFree(280);
        using PassthroughFileSystem first = New(null, a);
        using PassthroughFileSystem second = New(null, b);
        for (int i = 0; i < 400; i++)
        {
            Lookup(first, $"f{i}");
        }

        int alone = first.Inodes.FdCount;
        Assert.InRange(alone, 20, 270);
        for (int i = 0; i < 400; i++)
        {
            Lookup(second, $"f{i}");
            Assert.True(first.Inodes.FdCount + second.Inodes.FdCount <= alone + 20);
        }

        Assert.InRange(second.Inodes.FdCount, alone / 3, alone);
        Assert.InRange(first.Inodes.FdCount, alone / 3, alone);
    }

    [Fact]
    public void Where_handles_do_not_work_inodes_are_kept_by_descriptor_and_one_line_says_so()
    {
        using ILoggerFactory loggers = LoggerFactory.Create(builder => builder.AddProvider(new LoggedLines(_lines)));
        using var fs = new PassthroughFileSystem(
            new PassthroughConfig { RootDir = "/proc/sys", InodeFileHandles = InodeFileHandles.Adaptive },
            loggers.CreateLogger<PassthroughFileSystem>());
        Assert.Equal(Errno.OK, fs.Import());
        Entry entry = Lookup(fs, "kernel");
        Assert.True(HasFd(fs, entry.Node));
        string line = Assert.Single(_lines);
        Assert.Contains("InodeFileHandles Adaptive", line, StringComparison.Ordinal);
        Assert.Contains("Information", line, StringComparison.Ordinal);
    }

    [Fact]
    public void A_budget_above_the_limit_is_cut_and_said()
    {
        using ILoggerFactory loggers = LoggerFactory.Create(builder => builder.AddProvider(new LoggedLines(_lines)));
        using OpenFileLimit limit = OpenFileLimit.LeaveFree(200);
        using var fs = new PassthroughFileSystem(
            new PassthroughConfig
            {
                RootDir = _directory.Path,
                InodeFileHandles = InodeFileHandles.Adaptive,
                FdBudget = int.MaxValue,
            },
            loggers.CreateLogger<PassthroughFileSystem>());
        Assert.Equal(Errno.OK, fs.Import());
        Fill(_directory.Path, 300);
        for (int i = 0; i < 300; i++)
        {
            Lookup(fs, $"f{i}");
        }

        Assert.InRange(fs.Inodes.FdCount, 1, 190);
        Assert.Contains("FdBudget", Assert.Single(_lines), StringComparison.Ordinal);
    }

    protected override void Cleanup() => _directory.Dispose();

    private readonly List<string> _lines = [];

    private static TestMount ProcMount(string path) => TestMount.Bind("/proc/sys/vm", path);

    private static void Fill(string directory, int files)
    {
        for (int i = 0; i < files; i++)
        {
            File.WriteAllText(Path.Combine(directory, $"f{i}"), $"{i}");
        }
    }

    private static Entry Lookup(PassthroughFileSystem fs, string name, NodeId? directory = null)
    {
        Assert.Equal(Errno.OK, fs.Lookup(default, directory ?? NodeId.Root, name, out Entry entry));
        return entry;
    }

    private static ulong InoOf(PassthroughFileSystem fs, in Entry entry)
    {
        Assert.Equal(Errno.OK, fs.GetAttr(default, entry.Node, Handle.None, out AttrReply reply));
        return reply.Attributes.Ino;
    }

    private static bool HasFd(PassthroughFileSystem fs, NodeId node)
    {
        using HostInode inode = fs.Inodes.Get(node);
        return inode.Fd >= 0;
    }

    /// <summary>The system calls that something makes, in order.</summary>
    private static string[] CallsOf(Action action)
    {
        var calls = new List<string>(10_000);
        Sys.Hear(calls.Add);
        action();
        Sys.Hear(null);
        return [.. calls];
    }

    private string[] CallsOfASession(InodeFileHandles handles)
    {
        using PassthroughFileSystem fs = New(null, handles: handles);
        string[] calls = CallsOf(() =>
        {
            Entry[] nodes = [.. Enumerable.Range(0, 50).Select(i => Lookup(fs, $"f{i}"))];
            Array.ForEach(nodes, entry => InoOf(fs, entry));
            Assert.Equal(Errno.OK, fs.OpenDir(default, NodeId.Root, 0, out OpenReply open));
            Assert.Equal(Errno.OK, fs.ReadDirPlus(default, NodeId.Root, open.Handle, 0, new DirectoryList()));
            Assert.Equal(Errno.OK, fs.ReleaseDir(default, NodeId.Root, open.Handle, 0));
            Assert.Equal(Errno.OK, fs.Mkdir(default, NodeId.Root, "d", 0x1c0, 0, out Entry directory));
            Assert.Equal(Errno.OK, fs.Link(default, nodes[0].Node, directory.Node, "link", out _));
            Assert.Equal(Errno.OK, fs.Rename(default, directory.Node, "link", NodeId.Root, "link"));
            Assert.Equal(Errno.OK, fs.Unlink(default, NodeId.Root, "link"));
            Assert.Equal(Errno.OK, fs.Rmdir(default, NodeId.Root, "d"));
            byte[] buffer = new byte[10];
            foreach (Entry entry in nodes)
            {
                Assert.Equal(Errno.OK, fs.Open(default, entry.Node, Linux.O_RDONLY, 0, out open));
                Assert.Equal(Errno.OK, fs.Read(default, entry.Node, open.Handle, 0, buffer, out _));
                Assert.Equal(Errno.OK, fs.Release(default, entry.Node, open.Handle, default));
                fs.Forget(default, entry.Node, 10);
            }
        });
        return calls;
    }

    private PassthroughFileSystem New(
        int? budget = Budget, string? root = null, InodeFileHandles handles = InodeFileHandles.Adaptive)
    {
        var fs = new PassthroughFileSystem(new PassthroughConfig
        {
            RootDir = root ?? _directory.Path,
            InodeFileHandles = handles,
            FdBudget = budget,
        });
        Assert.Equal(Errno.OK, fs.Init(default, (InitFlags)ulong.MaxValue, out _));
        return fs;
    }
}
