using System;
using System.Linq;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Passthrough;
using PassthroughFs.Core.Vfs;
using Xunit;

namespace PassthroughFs.Core.Tests.Mounts;

/// <summary>One negotiation for all mounts.</summary>
public sealed class VfsSessionTests : DescriptorCheck
{
    private const InitFlags Everything = (InitFlags)ulong.MaxValue;
    private const InitFlags NoOpen = InitFlags.FUSE_NO_OPEN_SUPPORT;

    private readonly HostDirectory _directory = new();

    private static RequestContext Context => default;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_passthrough_does_as_was_negotiated_before_it_came(bool noOpen)
    {
        var vfs = new Vfs.Vfs(new VfsOptions { Flags = VfsOptions.DefaultFlags | (noOpen ? NoOpen : 0) });
        vfs.Init(Context, NoOpen, out InitFlags accepted);
        Assert.Equal(noOpen ? NoOpen : 0, accepted);
        using PassthroughFileSystem fs = Passthrough();
        vfs.Mount("/submnt/A", fs);
        Assert.True(vfs.TryGet("/submnt/A", out PassthroughFileSystem? found));
        Assert.Same(fs, found);
        _directory.File("f");
        Assert.Equal(Errno.OK, vfs.LookupPath(Context, "/submnt/A/f", out Entry entry));
        Errno opened = vfs.Open(Context, entry.Node, Linux.O_RDONLY, default, out _);
        Assert.Equal(noOpen ? Errno.ENOSYS : Errno.OK, opened);
        vfs.Destroy(Context);
    }

    [Fact]
    public void What_the_passthroughs_want_is_what_the_client_gets()
    {
        PassthroughConfig config = new() { RootDir = _directory.Path, Writeback = true, KillprivV2 = true };
        using var direct = new PassthroughFileSystem(config);
        direct.Init(Context, Everything, out InitFlags alone);
        var vfs = new Vfs.Vfs(new VfsOptions { Flags = config.WantedFlags });
        using PassthroughFileSystem a = Passthrough();
        vfs.Mount("/a", a);
        vfs.Init(Context, Everything, out InitFlags together);
        Assert.Equal(alone, together);
        Assert.True(together.HasFlag(InitFlags.FUSE_WRITEBACK_CACHE | InitFlags.FUSE_HANDLE_KILLPRIV_V2));
    }

    [Fact]
    public void What_one_cannot_honour_is_left_out_for_all()
    {
        var vfs = new Vfs.Vfs();
        StampedBackend a = new(1);
        StampedBackend b = new(2) { Honours = Everything & ~InitFlags.FUSE_ATOMIC_O_TRUNC };
        vfs.Mount("/a", a);
        vfs.Mount("/b", b);
        Assert.Equal(Errno.OK, vfs.Init(Context, Everything, out InitFlags accepted));
        Assert.Equal(VfsOptions.DefaultFlags & ~InitFlags.FUSE_ATOMIC_O_TRUNC, accepted);
        Assert.Equal(accepted, a.Inits[^1]);
        Assert.Equal(accepted, b.Inits[^1]);
    }

    [Fact]
    public void What_only_allows_something_need_not_be_honoured()
    {
        var vfs = new Vfs.Vfs();
        StampedBackend a = new(1) { Honours = InitFlags.FUSE_ATOMIC_O_TRUNC | InitFlags.FUSE_DONT_MASK };
        vfs.Mount("/a", a);
        vfs.Init(Context, Everything, out InitFlags accepted);
        Assert.Equal(VfsOptions.DefaultFlags, accepted);
        DirectoryList list = new();
        vfs.LookupPath(Context, "/a", out Entry entry);
        Assert.Equal(Errno.OK, vfs.ReadDirPlus(Context, entry.Node, Handle.None, 0, list));
        Assert.All(list.Items, item => Assert.Equal(NodeId.None, item.Entry.Node));
        Assert.Equal([".", "..", "11", "12", "13"], list.Items.Select(item => item.Name));
    }

    [Fact]
    public void Who_cannot_honour_what_was_agreed_on_is_refused_later()
    {
        var vfs = new Vfs.Vfs();
        vfs.Init(Context, Everything, out _);
        StampedBackend a = new(1) { Honours = Everything & ~InitFlags.FUSE_DONT_MASK };
        VfsException e = Assert.Throws<VfsException>(() => vfs.Mount("/a", a));
        Assert.Equal(Errno.EOPNOTSUPP, e.Error);
        Assert.Contains("FUSE_DONT_MASK", e.Message, StringComparison.Ordinal);
        Assert.Equal(1, a.Destroys);
        StampedBackend b = new(1) { InitResult = Errno.EIO };
        Assert.Equal(Errno.EIO, Assert.Throws<VfsException>(() => vfs.Mount("/a", b)).Error);
        Assert.Empty(vfs.Mounts);
    }

    [Fact]
    public void One_that_refuses_the_session_ends_it_for_those_that_began()
    {
        var vfs = new Vfs.Vfs();
        StampedBackend a = new(1);
        StampedBackend b = new(2) { InitResult = Errno.EIO };
        vfs.Mount("/a", a);
        vfs.Mount("/b", b);
        Assert.Equal(Errno.EIO, vfs.Init(Context, Everything, out _));
        Assert.Equal((1, 0), (a.Destroys, b.Destroys));
        b.InitResult = Errno.OK;
        Assert.Equal(Errno.OK, vfs.Init(Context, Everything, out _));
    }

    [Fact]
    public void The_end_of_a_session_reaches_all_and_the_next_starts_clean()
    {
        var vfs = new Vfs.Vfs();
        StampedBackend a = new(1);
        StampedBackend b = new(2);
        vfs.Mount("/a", a);
        VfsMount detached = vfs.Mount("/b", b);
        vfs.Init(Context, Everything, out _);
        vfs.LookupPath(Context, "/a/50", out Entry held);
        vfs.LookupPath(Context, "/b/50", out _);
        vfs.Unmount("/b");
        vfs.Destroy(Context);
        Ended.Wait(detached);
        Assert.Equal((1, 1), (a.Destroys, b.Destroys));
        vfs.Destroy(Context);
        Assert.Equal(1, a.Destroys);

        Assert.Equal(Errno.OK, vfs.Init(Context, Everything, out _));
        Assert.Equal(Errno.OK, vfs.Init(Context, Everything, out _));
        Assert.Equal(2, a.Destroys);

        // Nothing is held of the old session: an unmount ends at once, and all indexes are free again.
        Ended.Wait(vfs.Unmount("/a"));
        for (int i = 0; i < 255; i++)
        {
            vfs.Mount($"/m/{i}", new StampedBackend(i));
        }

        vfs.Forget(Context, held.Node, 1);
    }

    protected override void Cleanup() => _directory.Dispose();

    private PassthroughFileSystem Passthrough() =>
        new(new PassthroughConfig { RootDir = _directory.Path, DoImport = false });
}
