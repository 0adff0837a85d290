using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.IntegrationTests.Posix;
using PassthroughFs.Core.IntegrationTests.Wire;
using PassthroughFs.Core.Passthrough;
using Xunit;
using static PassthroughFs.Core.Api.Linux;
using static PassthroughFs.Core.IntegrationTests.Posix.Octal;

namespace PassthroughFs.Core.IntegrationTests.Security;

/// <summary>Numbers that name nothing any more, or never did, are EBADF and harm nobody.</summary>
public sealed class StaleNumberTests
{
    private delegate Errno OnNode(FuseClient client, ulong node);

    private delegate Errno OnHandle(FuseClient client, ulong node, ulong handle);

    private static readonly Dictionary<string, OnNode> NodeCalls = new()
    {
        ["lookup"] = (c, n) => c.Lookup(n, "x"u8, out _),
        ["getattr"] = (c, n) => c.GetAttr(n, null, out _),
        ["setattr"] = (c, n) => c.SetAttr(n, SetAttrFields.FATTR_MODE, mode: O(777)),
        ["setattr size"] = (c, n) => c.SetAttr(n, SetAttrFields.FATTR_SIZE),
        ["readlink"] = (c, n) => c.ReadLink(n, out _),
        ["symlink"] = (c, n) => c.Symlink(n, "x"u8, "t"u8, out _),
        ["mknod"] = (c, n) => c.Mknod(n, "x"u8, S_IFREG | O(644), 0, 0, out _),
        ["mkdir"] = (c, n) => c.Mkdir(n, "x"u8, O(755), 0, out _),
        ["unlink"] = (c, n) => c.Unlink(n, "x"u8),
        ["rmdir"] = (c, n) => c.Rmdir(n, "x"u8),
        ["rename from"] = (c, n) => c.Rename(n, "x"u8, 1, "y"u8, 0),
        ["rename to"] = (c, n) => c.Rename(1, "kept"u8, n, "y"u8, 0),
        ["link"] = (c, n) => c.Link(n, 1, "x"u8, out _),
        ["link into"] = (c, n) => c.Link(1, n, "x"u8, out _),
        ["open"] = (c, n) => c.Open(n, O_RDWR, out _),
        ["opendir"] = (c, n) => c.OpenDir(n, O_RDONLY, out _),
        ["create"] = (c, n) => c.Create(n, "x"u8, O_RDWR, S_IFREG | O(644), 0, out _, out _),
        ["tmpfile"] = (c, n) => c.TmpFile(n, O_RDWR, S_IFREG | O(644), 0, out _, out _),
        ["access"] = (c, n) => c.Access(n, R_OK),
        ["statfs"] = (c, n) => c.StatFs(n, out _),
        ["syncfs"] = (c, n) => c.SyncFs(n),
        ["setxattr"] = (c, n) => c.SetXattr(n, "user.x"u8, "v"u8, 0),
        ["getxattr"] = (c, n) => c.GetXattr(n, "user.x"u8, new byte[9], out _),
        ["listxattr"] = (c, n) => c.ListXattr(n, new byte[9], out _),
        ["removexattr"] = (c, n) => c.RemoveXattr(n, "user.x"u8),
    };

    private static readonly Dictionary<string, OnHandle> HandleCalls = new()
    {
        ["read"] = (c, n, h) => c.Read(n, h, 0, new byte[9], out _),
        ["write"] = (c, n, h) => c.Write(n, h, 0, new byte[9], out _),
        ["flush"] = (c, n, h) => c.Flush(n, h),
        ["release"] = (c, n, h) => c.Release(n, h),
        ["releasedir"] = (c, n, h) => c.Release(n, h, directory: true),
        ["fsync"] = (c, n, h) => c.FSync(n, h, false),
        ["fsyncdir"] = (c, n, h) => c.FSync(n, h, false, directory: true),
        ["fallocate"] = (c, n, h) => c.FAllocate(n, h, 0, 0, 9),
        ["lseek"] = (c, n, h) => c.LSeek(n, h, 0, SEEK_HOLE, out _),
        ["readdir"] = (c, n, h) => c.ReadDir(n, h, 0, 4096, out _),
        ["readdirplus"] = (c, n, h) => c.ReadDirPlus(n, h, 0, 4096, out _),
        ["copy from"] = (c, n, h) => c.CopyFileRange(n, h, 0, n, h, 100, 5, out _),
        ["copy from, narrow"] = (c, n, h) => c.CopyFileRange(n, h, 0, n, h, 100, 5, out _, wide: false),
        ["getattr"] = (c, n, h) => c.GetAttr(n, h, out _),
        ["setattr size"] = (c, n, h) => c.SetAttr(n, SetAttrFields.FATTR_SIZE | SetAttrFields.FATTR_FH, h),
    };

    public static TheoryData<string> NodeCallNames => [.. NodeCalls.Keys];

    public static TheoryData<string> HandleCallNames => [.. HandleCalls.Keys];

    [Theory, MemberData(nameof(NodeCallNames))]
    public void A_node_that_is_not_held_is_EBADF(string call)
    {
        using Server server = Prepared();
        WireNode file = server.Find("f");
        server.Client.Forget(file.Id);
        foreach (ulong node in new[] { file.Id, 0ul, 999_999ul, 1ul << 55, ulong.MaxValue })
        {
            NodeCalls[call](server.Client, node).Is(Errno.EBADF);
        }

        Assert.Equal(["d", "f", "kept"], server.Host.Names(""));
    }

    [Theory, MemberData(nameof(HandleCallNames))]
    public void A_handle_that_is_not_open_or_of_another_node_is_EBADF(string call)
    {
        using Server server = Prepared();
        WireNode file = server.Find("f");
        WireNode other = server.Find("kept");
        server.Client.Open(file.Id, O_RDWR, out ulong closed).IsOk();
        server.Client.Release(file.Id, closed).IsOk();
        server.Client.Open(other.Id, O_RDWR, out ulong foreign).IsOk();
        foreach (ulong handle in new[] { closed, foreign, 424242ul, ulong.MaxValue })
        {
            HandleCalls[call](server.Client, file.Id, handle).Is(Errno.EBADF);
        }

        server.Client.Read(other.Id, foreign, 0, new byte[9], out int count).IsOk();
        Assert.Equal(4, count);
        server.Client.Release(other.Id, foreign).IsOk();
        Assert.Equal("file"u8.ToArray(), server.Host.ReadFile("f"));
        Assert.Equal("kept"u8.ToArray(), server.Host.ReadFile("kept"));
    }

    [Fact]
    public void Forgetting_more_than_was_looked_up_takes_the_node_and_nothing_else()
    {
        using Server server = Prepared();
        WireNode file = server.Find("f");
        WireNode kept = server.Find("kept");
        server.Client.Forget(file.Id, ulong.MaxValue);
        server.Client.Forget(file.Id, ulong.MaxValue);
        server.Client.Forget(FuseClient.Root, ulong.MaxValue);
        server.Client.Forget(123_456, 1);
        server.Client.GetAttr(file.Id, null, out _).Is(Errno.EBADF);
        server.Client.GetAttr(kept.Id, null, out _).IsOk();
        server.Client.GetAttr(FuseClient.Root, null, out _).IsOk();
        Assert.Equal(4ul, server.Find("f").Stat.Size);
    }

    [Theory]
    [InlineData(InodeFileHandles.Never)]
    [InlineData(InodeFileHandles.Prefer)]
    public async Task Forget_against_lookup_from_eight_threads_never_loses_a_held_node(InodeFileHandles handles)
    {
        using Server server = Prepared(c => c.InodeFileHandles = handles);
        int rounds = 0;
        var threads = new Task[8];
        for (int t = 0; t < threads.Length; t++)
        {
            threads[t] = Task.Run(
                () =>
                {
                    for (int i = 0; i < 5000; i++)
                    {
                        server.Client.Lookup(1, "f"u8, out WireNode node).IsOk();
                        server.Client.GetAttr(node.Id, null, out FileStat stat).IsOk();
                        Assert.Equal(4ul, stat.Size);
                        server.Client.Forget(node.Id);
                        Interlocked.Increment(ref rounds);
                    }
                },
                TestContext.Current.CancellationToken);
        }

        await Task.WhenAll(threads);
        Assert.Equal(40_000, rounds);
        WireNode last = server.Find("f");
        server.Client.Forget(last.Id);
        server.Client.GetAttr(last.Id, null, out _).Is(Errno.EBADF);
    }

    [Fact]
    public void Readdirplus_takes_a_lookup_for_each_entry_delivered_and_for_no_other()
    {
        using Server server = Prepared();
        for (int i = 0; i < 40; i++)
        {
            server.Host.WriteFile($"d/f{i:D2}", []);
        }

        WireNode directory = server.Find("d");
        server.Client.OpenDir(directory.Id, O_RDONLY, out ulong handle).IsOk();
        var delivered = new List<ulong>();
        ulong offset = 0;
        while (true)
        {
            // Room for two entries or three, never for all.
            server.Client.ReadDirPlus(directory.Id, handle, offset, 500, out var some).IsOk();
            if (some.Count == 0)
            {
                break;
            }

            offset = (ulong)some[^1].Entry.Cookie;
            foreach ((DirEntry entry, WireNode node) in some)
            {
                Assert.Equal(entry.IsDot, node.Id == 0);
                if (node.Id != 0)
                {
                    delivered.Add(node.Id);
                    Assert.Equal(node.Stat.Ino, entry.Ino);
                }
            }
        }

        server.Client.Release(directory.Id, handle, directory: true).IsOk();
        Assert.Equal(40, delivered.Count);
        foreach (ulong node in delivered)
        {
            server.Client.GetAttr(node, null, out _).IsOk();
            server.Client.Forget(node);
            server.Client.GetAttr(node, null, out _).Is(Errno.EBADF);
        }
    }

    private static Server Prepared(Action<PassthroughConfig>? configure = null)
    {
        var server = new Server(configure);
        server.Host.WriteFile("f", "file"u8);
        server.Host.WriteFile("kept", "kept"u8);
        server.Host.Mkdir("d", O(755)).IsOk();
        return server;
    }
}
