using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using Microsoft.Extensions.Logging;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Passthrough;
using PassthroughFs.Core.Tests.Protocol;
using PassthroughFs.Core.Tests.Races;
using Xunit;
using static PassthroughFs.Core.Protocol.FuseOpcode;

namespace PassthroughFs.Core.Tests.Passthrough;

/// <summary>Files that the client reads and writes by itself, with a client that keeps a kernel's rules.</summary>
public sealed class BackingFilesTests : DescriptorCheck
{
    private readonly HostDirectory _directory = new();
    private readonly BackingTransport _transport = new();
    private readonly Lines _log = new();
    private PassthroughFileSystem? _fs;

    [Theory]
    [InlineData(true, true, true, true)]
    [InlineData(false, true, true, false)]
    [InlineData(true, false, true, false)]
    [InlineData(true, true, false, false)]
    public void They_are_agreed_on_if_all_sides_want_them(bool asked, bool offered, bool canNotify, bool expected)
    {
        using var fs = new PassthroughFileSystem(
            new PassthroughConfig { RootDir = _directory.Path, BackingFiles = asked }, _log);
        var rig = new Rig(transport: new BackingTransport { CanNotify = canNotify }, fs: fs);
        ulong flags = offered ? ulong.MaxValue : ulong.MaxValue & ~(ulong)InitFlags.FUSE_PASSTHROUGH;
        byte[] reply = rig.Send(FUSE_INIT, FuseCases.Init(flags: flags))!;
        Assert.Equal(expected, (rig.Session.NegotiatedFlags & InitFlags.FUSE_PASSTHROUGH) != 0);

        // fuse_init_out: max_stack_depth.
        Assert.Equal(expected ? 1u : 0u, BitConverter.ToUInt32(reply, 16 + 36));
        Assert.Equal(asked && !expected ? 1 : 0, _log.Count("BackingFiles"));
    }

    [Fact]
    public void A_transport_without_them_gets_none()
    {
        using var fs = new PassthroughFileSystem(
            new PassthroughConfig { RootDir = _directory.Path, BackingFiles = true }, _log);
        var rig = new Rig(transport: new RecordingTransport(), fs: fs);
        rig.Start();
        Assert.Equal(InitFlags.None, rig.Session.NegotiatedFlags & InitFlags.FUSE_PASSTHROUGH);
        Assert.Equal(1, _log.Count("BackingFiles"));
    }

    [Theory]
    [InlineData(CachePolicy.Never)]
    [InlineData(CachePolicy.Metadata)]
    [InlineData(CachePolicy.Auto)]
    [InlineData(CachePolicy.Always)]
    public void An_open_carries_the_number_and_no_flag_that_the_kernel_refuses_with_it(CachePolicy policy)
    {
        NodeId node = Start(new PassthroughConfig { CachePolicy = policy });
        OpenReply reader = Open(node, Linux.O_RDONLY);
        Assert.Equal(OpenReplyFlags.FOPEN_PASSTHROUGH | OpenReplyFlags.FOPEN_NOFLUSH, reader.Flags);
        OpenReply writer = Open(node, Linux.O_WRONLY);
        Assert.Equal(OpenReplyFlags.FOPEN_PASSTHROUGH | FlushKind.Of(_directory.Path), writer.Flags);
        Assert.Equal([reader.BackingId], _transport.Ids);
        Assert.Equal(reader.BackingId, writer.BackingId);
        Close(node, reader, writer);
    }

    [Fact]
    public void A_node_has_one_number_from_its_first_open_to_its_last_release()
    {
        NodeId node = Start();
        OpenReply first = Open(node, Linux.O_RDONLY);
        OpenReply second = Open(node, Linux.O_RDWR);
        Close(node, first);
        OpenReply third = Open(node, Linux.O_RDONLY);
        Assert.Equal([first.BackingId], new[] { first, second, third }.Select(open => open.BackingId).Distinct());
        Close(node, second);
        Assert.Equal([first.BackingId], _transport.Ids);
        Close(node, third);
        Assert.Empty(_transport.Ids);
        OpenReply later = Open(node, Linux.O_RDONLY);
        Assert.Equal([later.BackingId], _transport.Ids);
        Close(node, later);
        Assert.Empty(_transport.Ids);
    }

    [Fact]
    public void A_release_of_what_is_not_open_takes_nothing_away()
    {
        NodeId node = Start();
        OpenReply open = Open(node, Linux.O_RDONLY);
        Assert.Equal(Errno.EBADF, _fs!.Release(default, node, new Handle(open.Handle.Value + 1), default));
        Assert.Equal(Errno.EBADF, _fs.Release(default, NodeId.Root, open.Handle, default));
        Assert.Single(_transport.Ids);
        Close(node, open);
        Assert.Equal(Errno.EBADF, _fs.Release(default, node, open.Handle, default));
    }

    [Fact]
    public void Created_files_have_one_too_and_directories_have_none()
    {
        Start();
        var request = new CreateRequest { Flags = Linux.O_RDWR | Linux.O_CREAT, Mode = 0x1A4 };
        Assert.Equal(Errno.OK, _fs!.Create(
            default, NodeId.Root, "new"u8, request, out Entry entry, out OpenReply open));
        Assert.Equal([open.BackingId], _transport.Ids);
        Assert.Equal(TimeSpan.Zero, entry.AttributesTimeout);
        Assert.Equal(Errno.OK, _fs.Create(
            default, NodeId.Root, "new"u8, request, out entry, out OpenReply again));
        Assert.Equal(open.BackingId, again.BackingId);
        Assert.Equal(TimeSpan.Zero, entry.AttributesTimeout);
        Assert.Equal(Errno.OK, _fs.OpenDir(default, NodeId.Root, 0, out OpenReply directory));
        Assert.Equal(0, directory.BackingId);
        Assert.Equal(Errno.OK, _fs.ReleaseDir(default, NodeId.Root, directory.Handle, 0));
        Close(entry.Node, open, again);
        Assert.Empty(_transport.Ids);
    }

    [Fact]
    public void Two_first_opens_at_once_end_with_one_number()
    {
        NodeId node = Start();
        OpenReply other = default;
        OpenReply mine;
        using (new AtPoint("BackingTable.Open: registered", () => other = Open(node, Linux.O_RDWR)))
        {
            mine = Open(node, Linux.O_RDWR);
        }

        Assert.Equal(2, _transport.Registered);
        Assert.Equal(other.BackingId, mine.BackingId);
        Assert.Equal([mine.BackingId], _transport.Ids);
        Close(node, mine, other);
        Assert.Empty(_transport.Ids);
    }

    [Fact]
    public void A_first_open_that_comes_late_to_a_node_without_one_goes_its_way()
    {
        NodeId node = Start();
        OpenReply other = default;
        OpenReply mine;
        using (new AtPoint("BackingTable.Open: registered", () =>
        {
            _transport.Answer = Errno.ENOMEM;
            other = Open(node, Linux.O_RDWR);
        }))
        {
            mine = Open(node, Linux.O_RDWR);
        }

        Assert.Equal((0, 0), (mine.BackingId, other.BackingId));
        Assert.Empty(_transport.Ids);
        Close(node, mine, other);
    }

    [Theory]
    [InlineData(Errno.EPERM)]
    [InlineData(Errno.ENOTTY)]
    [InlineData(Errno.ENOSYS)]
    [InlineData(Errno.ELOOP)]
    public void A_refusal_for_good_is_said_once_and_changes_no_open_node(Errno error)
    {
        NodeId node = Start();
        NodeId second = Lookup("second");
        OpenReply before = Open(node, Linux.O_RDONLY);
        _transport.Answer = error;
        OpenReply plain = Open(second, Linux.O_RDONLY);
        Assert.Equal((0, OpenReplyFlags.FOPEN_NOFLUSH), (plain.BackingId, plain.Flags));
        _transport.Answer = Errno.OK;
        OpenReply alsoPlain = Open(second, Linux.O_RDWR);
        OpenReply after = Open(node, Linux.O_RDWR);
        Assert.Equal(0, alsoPlain.BackingId);
        Assert.Equal(before.BackingId, after.BackingId);
        Close(second, plain, alsoPlain);
        Close(node, before, after);
        Assert.Empty(_transport.Ids);
        OpenReply late = Open(node, Linux.O_RDONLY);
        Assert.Equal(0, late.BackingId);
        Close(node, late);
        Assert.Equal(1, _transport.Refused);
        Assert.Equal(1, _log.Count("BackingFiles"));
        Assert.Equal(1, _log.Count(error.ToString()));
    }

    [Fact]
    public void A_refusal_of_one_file_counts_as_long_as_it_is_open()
    {
        NodeId node = Start();
        NodeId second = Lookup("second");
        _transport.Answer = Errno.ENOMEM;
        OpenReply plain = Open(node, Linux.O_RDWR);
        Assert.Equal(0, plain.BackingId);
        _transport.Answer = Errno.OK;
        OpenReply stillPlain = Open(node, Linux.O_RDONLY);
        OpenReply other = Open(second, Linux.O_RDONLY);
        Assert.Equal(0, stillPlain.BackingId);
        Assert.NotEqual(0, other.BackingId);
        Assert.Empty(_transport.Invalidated);
        Close(node, plain, stillPlain);
        Close(second, other);
        OpenReply again = Open(node, Linux.O_RDONLY);
        Assert.NotEqual(0, again.BackingId);
        Close(node, again);
        Assert.Equal(1, _log.Count("BackingFiles"));
    }

    [Fact]
    public void Attributes_of_what_may_be_mapped_to_write_are_not_cached_until_it_is_forgotten()
    {
        NodeId node = Start(new PassthroughConfig { AttrTimeout = TimeSpan.FromHours(1) });
        OpenReply reader = Open(node, Linux.O_RDONLY);
        OpenReply writer = Open(node, Linux.O_WRONLY);
        Assert.Equal(TimeSpan.FromHours(1), Timeout(node));
        Assert.Empty(_transport.Invalidated);

        OpenReply both = Open(node, Linux.O_RDWR);
        Assert.Equal([node], _transport.Invalidated);
        Assert.Equal(TimeSpan.Zero, Timeout(node));
        Close(node, reader, writer, both);

        // A mapping may still be there.
        Assert.Equal(TimeSpan.Zero, Timeout(node));
        both = Open(node, Linux.O_RDWR);
        Close(node, both);
        Assert.Equal([node], _transport.Invalidated);
        Assert.Equal(node, Lookup("file"));
        _fs!.Forget(default, node, 1);
        Assert.Equal(TimeSpan.Zero, Timeout(node));
        _fs.Forget(default, node, 1);
        Assert.Equal(node, Lookup("file"));
        Assert.Equal(TimeSpan.FromHours(1), Timeout(node));
    }

    [Fact]
    public void The_end_of_a_session_ends_all_numbers()
    {
        NodeId node = Start();
        OpenReply open = Open(node, Linux.O_RDWR);
        _fs!.Destroy(default);
        Assert.Empty(_transport.Ids);
        Assert.Equal(Errno.EBADF, _fs.Release(default, node, open.Handle, default));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_client_writes_without_CAP_FSETID_where_nobody_else_removes_set_id_bits(bool killpriv)
    {
        Privileges.RequireRoot();
        const ulong fsetid = 1 << 4;
        ulong during = 0;
        _transport.OnOpen = () => during = Effective();
        NodeId node = Start(new PassthroughConfig { KillprivV2 = killpriv });
        OpenReply open = Open(node, Linux.O_RDONLY);
        Assert.Equal(killpriv ? 0 : fsetid, during & fsetid);
        Assert.Equal(fsetid, Effective() & fsetid);
        Close(node, open);

        static ulong Effective() => Convert.ToUInt64(
            File.ReadLines("/proc/thread-self/status").Single(l => l.StartsWith("CapEff:", StringComparison.Ordinal))
                .Split('\t')[1],
            16);
    }

    protected override void Cleanup()
    {
        _fs?.Dispose();
        _directory.Dispose();
    }

    private NodeId Start(PassthroughConfig? config = null)
    {
        _directory.File("file", "content");
        _directory.File("second");
        config ??= new PassthroughConfig();
        config.RootDir = _directory.Path;
        config.BackingFiles = true;
        _fs = new PassthroughFileSystem(config, _log);
        new Rig(transport: _transport, fs: _fs).Start();
        return Lookup("file");
    }

    private NodeId Lookup(string name)
    {
        byte[] bytes = System.Text.Encoding.UTF8.GetBytes(name);
        Assert.Equal(Errno.OK, _fs!.Lookup(default, NodeId.Root, bytes, out Entry entry));
        return entry.Node;
    }

    private OpenReply Open(NodeId node, uint flags)
    {
        Assert.Equal(Errno.OK, _fs!.Open(default, node, flags, OpenRequestFlags.None, out OpenReply reply));
        Assert.Equal(reply.BackingId != 0, (reply.Flags & OpenReplyFlags.FOPEN_PASSTHROUGH) != 0);
        return reply;
    }

    private void Close(NodeId node, params OpenReply[] opens)
    {
        foreach (OpenReply open in opens)
        {
            Assert.Equal(Errno.OK, _fs!.Release(default, node, open.Handle, default));
        }
    }

    private TimeSpan Timeout(NodeId node)
    {
        Assert.Equal(Errno.OK, _fs!.GetAttr(default, node, Handle.None, out AttrReply reply));
        Assert.Equal(Errno.OK, _fs.Statx(default, node, Handle.None, 0, uint.MaxValue >> 1, out StatxReply statx));
        Assert.Equal(reply.Timeout, statx.Timeout);
        Assert.Equal(Errno.OK, _fs.Lookup(default, NodeId.Root, "file"u8, out Entry entry));
        Assert.Equal(reply.Timeout, entry.AttributesTimeout);
        _fs.Forget(default, node, 1);
        return reply.Timeout;
    }

    private sealed class Lines : ILogger<PassthroughFileSystem>
    {
        private readonly List<string> _lines = [];

        public int Count(string word) => _lines.Count(line => line.Contains(word, StringComparison.Ordinal));

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter) =>
            _lines.Add(formatter(state, exception));
    }
}
