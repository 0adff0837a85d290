using System.Collections.Generic;
using System.IO;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;
using PassthroughFs.Core.Passthrough;
using Xunit;

namespace PassthroughFs.Core.Tests.Passthrough;

/// <summary>Inodes that are kept by handle and lose their last name while the client holds them.</summary>
public sealed class RemovalTests : DescriptorCheck
{
    private readonly HostDirectory _directory = new();

    public RemovalTests() => Privileges.RequireRoot();

    [Fact]
    public void What_loses_its_last_name_has_a_descriptor_until_it_is_forgotten()
    {
        using PassthroughFileSystem fs = New();
        File.WriteAllText(Path.Combine(_directory.Path, "file"), "x");
        Directory.CreateDirectory(Path.Combine(_directory.Path, "d"));
        Entry file = Lookup(fs, "file");
        Entry directory = Lookup(fs, "d");
        Assert.Equal(1, fs.Inodes.FdCount);
        Assert.Equal(Errno.OK, fs.Unlink(default, NodeId.Root, "file"));
        Assert.Equal(Errno.OK, fs.Rmdir(default, NodeId.Root, "d"));
        Assert.Equal(3, fs.Inodes.FdCount);
        Assert.Equal(Errno.OK, fs.GetAttr(default, file.Node, Handle.None, out AttrReply reply));
        Assert.Equal((0u, file.Attributes.Ino), (reply.Attributes.Nlink, reply.Attributes.Ino));
        Assert.Equal(Errno.OK, fs.GetAttr(default, directory.Node, Handle.None, out reply));
        Assert.Equal(directory.Attributes.Ino, reply.Attributes.Ino);
        fs.Forget(default, file.Node, 1);
        fs.Forget(default, directory.Node, 1);
        Assert.Equal((1, 1), (fs.Inodes.FdCount, fs.Inodes.Count));
    }

    [Fact]
    public void What_keeps_a_name_has_no_descriptor_afterwards()
    {
        using PassthroughFileSystem fs = New();
        Directory.CreateDirectory(Path.Combine(_directory.Path, "full/in"));
        File.WriteAllText(Path.Combine(_directory.Path, "a"), "x");
        Lookup(fs, "full");
        Lookup(fs, "a");
        Assert.Equal(Errno.OK, fs.Link(default, Lookup(fs, "a").Node, NodeId.Root, "b", out Entry link));
        Assert.Equal(Errno.ENOTEMPTY, fs.Rmdir(default, NodeId.Root, "full"));
        Assert.Equal(Errno.EISDIR, fs.Rename(default, NodeId.Root, "a", NodeId.Root, "full"));
        Assert.Equal(Errno.OK, fs.Unlink(default, NodeId.Root, "a"));
        Assert.Equal(1, fs.Inodes.FdCount);
        Assert.Equal(3ul, fs.Inodes.LookupCount(link.Node));
    }

    [Fact]
    public void What_is_not_known_is_removed_without_being_opened()
    {
        using PassthroughFileSystem fs = New();
        File.WriteAllText(Path.Combine(_directory.Path, "known"), "x");
        File.WriteAllText(Path.Combine(_directory.Path, "unknown"), "x");
        Lookup(fs, "known");
        var calls = new List<string>();
        Sys.Hear(calls.Add);
        Assert.Equal(Errno.OK, fs.Unlink(default, NodeId.Root, "unknown"));
        Sys.Hear(null);
        Assert.Equal(["Statx", "UnlinkAt"], calls);
    }

    [Fact]
    public void An_open_asks_once_for_the_kind_of_a_file_system()
    {
        using PassthroughFileSystem fs = New();
        File.WriteAllText(Path.Combine(_directory.Path, "file"), "x");
        NodeId node = Lookup(fs, "file").Node;
        Assert.Equal(["OpenByHandleAt", "Statx", "Fstatfs"], CallsOfOpen(fs, node, out _));
        Assert.Equal(["OpenByHandleAt", "Statx"], CallsOfOpen(fs, node, out _));
    }

    [Fact]
    public void A_file_without_a_size_is_open_for_direct_reads()
    {
        using var fs = new PassthroughFileSystem(
            new PassthroughConfig { RootDir = "/proc/sys/kernel", CachePolicy = CachePolicy.Always });
        Assert.Equal(Errno.OK, fs.Init(default, (InitFlags)ulong.MaxValue, out _));
        CallsOfOpen(fs, Lookup(fs, "ostype").Node, out OpenReplyFlags flags);
        Assert.Equal(OpenReplyFlags.FOPEN_DIRECT_IO | OpenReplyFlags.FOPEN_NOFLUSH, flags);
    }

    protected override void Cleanup() => _directory.Dispose();

    private static Entry Lookup(PassthroughFileSystem fs, string name)
    {
        Assert.Equal(Errno.OK, fs.Lookup(default, NodeId.Root, name, out Entry entry));
        return entry;
    }

    private static List<string> CallsOfOpen(PassthroughFileSystem fs, NodeId node, out OpenReplyFlags flags)
    {
        var calls = new List<string>();
        Sys.Hear(calls.Add);
        Errno result = fs.Open(default, node, Linux.O_RDONLY, 0, out OpenReply reply);
        Sys.Hear(null);
        Assert.Equal(Errno.OK, result);
        Assert.Equal(Errno.OK, fs.Release(default, node, reply.Handle, default));
        flags = reply.Flags;
        return calls;
    }

    private PassthroughFileSystem New()
    {
        var fs = new PassthroughFileSystem(new PassthroughConfig
        {
            RootDir = _directory.Path,
            InodeFileHandles = InodeFileHandles.Mandatory,
        });
        Assert.Equal(Errno.OK, fs.Init(default, (InitFlags)ulong.MaxValue, out _));
        return fs;
    }
}
