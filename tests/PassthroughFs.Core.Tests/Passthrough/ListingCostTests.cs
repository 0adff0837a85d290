using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;
using PassthroughFs.Core.Passthrough;
using Xunit;

namespace PassthroughFs.Core.Tests.Passthrough;

/// <summary>What READDIRPLUS asks the host for each entry.</summary>
public sealed class ListingCostTests : DescriptorCheck
{
    private const int Files = 50;

    private readonly HostDirectory _directory = new();

    [Theory]
    [InlineData(InodeFileHandles.Never)]
    [InlineData(InodeFileHandles.Mandatory)]
    public void A_new_inode_is_opened_and_looked_at_once_and_a_known_one_is_looked_at(InodeFileHandles handles)
    {
        for (int i = 0; i < Files; i++)
        {
            _directory.File($"f{i}");
        }

        bool hasHandles = handles == InodeFileHandles.Mandatory;
        Privileges.Require(!hasHandles || Environment.IsPrivilegedProcess, "needs to be root");
        using PassthroughFileSystem fs = New(handles);
        string[] calls = CallsOfAListing(fs);
        Assert.Equal(Files, calls.Count(call => call == "OpenAt"));
        Assert.Equal(Files, calls.Count(call => call == "Statx"));
        Assert.Equal(hasHandles ? Files : 0, calls.Count(call => call == "NameToHandleAt"));
        calls = CallsOfAListing(fs);
        Assert.Equal(Files, calls.Count(call => call == "Statx"));
        Assert.Equal(hasHandles ? Files : 0, calls.Count(call => call == "NameToHandleAt"));
        Assert.DoesNotContain("OpenAt", calls);
        Assert.All(
            Enumerable.Range(0, Files),
            i =>
            {
                Assert.Equal(Errno.OK, fs.Lookup(default, NodeId.Root, $"f{i}", out Entry entry));
                Assert.Equal(3ul, fs.Inodes.LookupCount(entry.Node));
            });
    }

    [Fact]
    public void A_host_whose_lists_have_other_numbers_than_its_inodes_costs_one_look_in_the_end()
    {
        // A mount point is listed with the number of what it covers.
        Privileges.RequireRoot();
        using var mount = TestMount.Tmpfs(Path.Combine(_directory.Path, "m"));
        using PassthroughFileSystem fs = New(InodeFileHandles.Never);
        Assert.Equal(Errno.OK, fs.Lookup(default, NodeId.Root, "m", out Entry entry));
        Assert.Contains("OpenAt", CallsOfAListing(fs));
        for (int i = 0; i < 100; i++)
        {
            CallsOfAListing(fs);
        }

        string[] calls = CallsOfAListing(fs);
        Assert.DoesNotContain("OpenAt", calls);
        Assert.Single(calls, call => call == "Statx");
        Assert.Equal(103ul, fs.Inodes.LookupCount(entry.Node));
    }

    protected override void Cleanup() => _directory.Dispose();

    private static string[] CallsOfAListing(PassthroughFileSystem fs)
    {
        Assert.Equal(Errno.OK, fs.OpenDir(default, NodeId.Root, 0, out OpenReply open));
        var calls = new List<string>(1000);
        Sys.Hear(calls.Add);
        Errno result = fs.ReadDirPlus(default, NodeId.Root, open.Handle, 0, new DirectoryList());
        Sys.Hear(null);
        Assert.Equal(Errno.OK, result);
        Assert.Equal(Errno.OK, fs.ReleaseDir(default, NodeId.Root, open.Handle, 0));
        return [.. calls];
    }

    private PassthroughFileSystem New(InodeFileHandles handles)
    {
        var fs = new PassthroughFileSystem(
            new PassthroughConfig { RootDir = _directory.Path, InodeFileHandles = handles });
        Assert.Equal(Errno.OK, fs.Init(default, (InitFlags)ulong.MaxValue, out _));
        return fs;
    }
}
