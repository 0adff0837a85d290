using System;
using System.IO;
using System.Linq;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Passthrough;
using PassthroughFs.Core.Tests.Mounts;
using Xunit;

namespace PassthroughFs.Core.Tests.Passthrough;

/// <summary>Set-id bits go in the system call that costs the file them, and only where the client says so.</summary>
public sealed class KillprivTests : DescriptorCheck
{
    private readonly HostDirectory _directory = new();

    public enum Change
    {
        Write,
        Truncate,
        OpenTruncating,
    }

    public static TheoryData<Change, bool, bool, string, string> Matrix
    {
        get
        {
            var data = new TheoryData<Change, bool, bool, string, string>();
            foreach ((Change change, bool negotiated) in
                Enum.GetValues<Change>().SelectMany(change => new[] { (change, false), (change, true) }))
            {
                // The set-user-id bit always; the set-group-id bit only with group execution, as it means another thing
                // (mandatory locking) without.
                data.Add(change, negotiated, true, "6755", "755");
                data.Add(change, negotiated, true, "4644", "644");
                data.Add(change, negotiated, true, "2755", "755");
                data.Add(change, negotiated, true, "2644", "2644");
                data.Add(change, negotiated, true, "1644", "1644");
                data.Add(change, negotiated, false, "6755", "6755");
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Matrix))]
    public void Set_id_bits_go_with_a_flagged_change(
        Change change, bool negotiated, bool flagged, string before, string after)
    {
        if (!Environment.IsPrivilegedProcess)
        {
            Assert.SkipWhen(Environment.GetEnvironmentVariable("PTFS_REQUIRE_ALL") != "1", "needs root");
            Assert.Fail("PTFS_REQUIRE_ALL=1, and this is not root.");
        }

        string path = _directory.File("f", "content");
        File.SetUnixFileMode(path, (UnixFileMode)Convert.ToUInt32(before, 8));
        // Clients flag direct writes also where nothing was negotiated.
        using var fs = new PassthroughFileSystem(
            new PassthroughConfig { RootDir = _directory.Path, KillprivV2 = negotiated });
        fs.Init(default, (InitFlags)ulong.MaxValue, out _);
        fs.Lookup(default, NodeId.Root, "f", out Entry entry);
        Assert.Equal(Errno.OK, fs.Open(default, entry.Node, Linux.O_RDWR, 0, out OpenReply file));
        switch (change)
        {
            case Change.Write:
                Assert.Equal(Errno.OK, Write(fs, entry.Node, file.Handle, flagged));
                break;
            case Change.Truncate:
                var request = new SetAttrRequest { Valid = SetAttrFields.FATTR_SIZE, Size = 3 };
                request.Valid |= flagged ? SetAttrFields.FATTR_KILL_SUIDGID : SetAttrFields.None;
                Assert.Equal(Errno.OK, fs.SetAttr(default, entry.Node, request, out _));
                break;
            case Change.OpenTruncating:
                OpenRequestFlags flags = flagged ? OpenRequestFlags.FUSE_OPEN_KILL_SUIDGID : OpenRequestFlags.None;
                Assert.Equal(
                    Errno.OK, fs.Open(default, entry.Node, Linux.O_WRONLY | Linux.O_TRUNC, flags, out _));
                break;
        }

        Assert.Equal(after, Convert.ToString((uint)File.GetUnixFileMode(path), 8));

        // The thread has its capability back: a change that is not flagged costs nothing again.
        File.SetUnixFileMode(path, (UnixFileMode)Convert.ToUInt32("6755", 8));
        Assert.Equal(Errno.OK, Write(fs, entry.Node, file.Handle, false));
        Assert.Equal("6755", Convert.ToString((uint)File.GetUnixFileMode(path), 8));
    }

    [Theory]
    [InlineData(true, "2755", "755")]
    [InlineData(true, "6755", "4755")]
    [InlineData(false, "2755", "2755")]
    public void An_acl_costs_the_set_group_id_bit_where_the_client_says_so(bool flagged, string before, string after)
    {
        Privileges.RequireRoot();
        string path = _directory.File("f");
        File.SetUnixFileMode(path, (UnixFileMode)Convert.ToUInt32(before, 8));
        using var fs = new PassthroughFileSystem(
            new PassthroughConfig { RootDir = _directory.Path, Xattr = true, PosixAcl = true });
        fs.Init(default, (InitFlags)ulong.MaxValue, out _);
        fs.Lookup(default, NodeId.Root, "f", out Entry entry);
        Errno result = fs.SetXattr(default, entry.Node, "system.posix_acl_access"u8, Acl, 0, flagged);
        Privileges.Require(result != Errno.EOPNOTSUPP, $"needs ACLs in {_directory.Path}");
        Assert.Equal(Errno.OK, result);
        Assert.Equal(after, Convert.ToString((uint)File.GetUnixFileMode(path), 8));
    }

    public enum RangeChange
    {
        Allocate,
        PunchHole,
        ZeroRange,
        Copy,
    }

    public static TheoryData<RangeChange, uint, string, string> Ranges
    {
        get
        {
            var data = new TheoryData<RangeChange, uint, string, string>();
            foreach (RangeChange change in Enum.GetValues<RangeChange>())
            {
                data.Add(change, Somebody, "6755", "755");
                data.Add(change, Somebody, "2644", "644");
                data.Add(change, Somebody, "755", "755");
                data.Add(change, 0, "6755", "6755");
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Ranges))]
    public void A_change_that_no_client_flags_costs_the_bits_by_who_makes_it(
        RangeChange change, uint uid, string before, string after)
    {
        Privileges.RequireRoot();
        var told = new NotificationList();
        using PassthroughFileSystem fs = Start(told, before, out Entry entry, out OpenReply file);
        var caller = new RequestContext { Uid = uid, Gid = uid };
        const uint keepSize = 1, zero = 16;
        Errno result = change switch
        {
            RangeChange.Allocate => fs.Fallocate(caller, entry.Node, file.Handle, 0, 0, 8192),
            RangeChange.PunchHole => fs.Fallocate(
                caller, entry.Node, file.Handle, keepSize | Linux.FALLOC_FL_PUNCH_HOLE, 0, 4096),
            RangeChange.ZeroRange => fs.Fallocate(caller, entry.Node, file.Handle, zero, 0, 4096),
            _ => fs.CopyFileRange(
                caller,
                new CopyFileRangeRequest
                {
                    NodeIn = entry.Node,
                    HandleIn = file.Handle,
                    NodeOut = entry.Node,
                    HandleOut = file.Handle,
                    OffsetOut = 4096,
                    Length = 4,
                },
                out _),
        };
        Privileges.Require(result != Errno.EOPNOTSUPP, $"needs fallocate in {_directory.Path}");
        Assert.Equal(Errno.OK, result);
        Assert.Equal(after, Mode(_directory.Path + "/f"));

        // Only of what the client may have cached otherwise.
        Assert.Equal(before.Length == 4 && uid != 0 ? [$"inode {entry.Node}"] : [], told.Told);
    }

    [Theory]
    [InlineData(Change.Write)]
    [InlineData(Change.Truncate)]
    [InlineData(Change.OpenTruncating)]
    public void A_member_keeps_set_group_id_without_group_execution_and_a_stranger_does_not(Change change)
    {
        Privileges.RequireRoot();
        foreach ((uint gid, string after) in new[] { (SomeGroup, "2644"), (Somebody, "644") })
        {
            using PassthroughFileSystem fs = Start(new NotificationList(), "2644", out Entry entry, out OpenReply file);
            var owner = new SetAttrRequest { Valid = SetAttrFields.FATTR_GID, Gid = SomeGroup };
            Assert.Equal(Errno.OK, fs.SetAttr(default, entry.Node, owner, out _));
            var caller = new RequestContext { Uid = Somebody, Gid = gid };
            const SetAttrFields size = SetAttrFields.FATTR_SIZE | SetAttrFields.FATTR_KILL_SUIDGID;
            Errno result = change switch
            {
                Change.Write => Write(fs, entry.Node, file.Handle, true, caller),
                Change.Truncate => fs.SetAttr(caller, entry.Node, new SetAttrRequest { Valid = size, Size = 3 }, out _),
                _ => fs.Open(
                    caller, entry.Node, Linux.O_WRONLY | Linux.O_TRUNC, OpenRequestFlags.FUSE_OPEN_KILL_SUIDGID, out _),
            };
            Assert.Equal(Errno.OK, result);
            Assert.Equal(after, Mode(_directory.Path + "/f"));
        }
    }

    [Theory]
    [InlineData(0x1B6, "666")]
    [InlineData(0x1A4, "2644")]
    public void A_client_that_sets_nothing_takes_the_bits_of_what_the_caller_may_write(int rights, string after)
    {
        Privileges.RequireRoot();
        string before = "2" + Convert.ToString(rights, 8);
        using PassthroughFileSystem fs = Start(new NotificationList(), before, out Entry entry, out _);
        var caller = new RequestContext { Uid = Somebody, Gid = Somebody };
        Assert.Equal(Errno.OK, fs.SetAttr(caller, entry.Node, default, out AttrReply reply));
        Assert.Equal(after, Mode(_directory.Path + "/f"));
        Assert.Equal(after, Convert.ToString(reply.Attributes.Mode & 0xFFF, 8));
        Assert.Equal(Errno.OK, fs.SetAttr(default, entry.Node, default, out _));
    }

    private const uint Somebody = 54321;
    private const uint SomeGroup = 54322;

    private static string Mode(string path) => Convert.ToString((uint)File.GetUnixFileMode(path), 8);

    private PassthroughFileSystem Start(NotificationList told, string mode, out Entry entry, out OpenReply file)
    {
        string path = _directory.File("f", "content");
        File.SetUnixFileMode(path, (UnixFileMode)Convert.ToUInt32(mode, 8));
        var fs = new PassthroughFileSystem(new PassthroughConfig { RootDir = _directory.Path, KillprivV2 = true });
        fs.Attach(new SessionServices { Notifications = told });
        fs.Init(default, (InitFlags)ulong.MaxValue, out _);
        fs.Lookup(default, NodeId.Root, "f", out entry);
        Assert.Equal(Errno.OK, fs.Open(default, entry.Node, Linux.O_RDWR, 0, out file));
        return fs;
    }

    // Version 2: user rwx, group r-x, others r-x; a tag, rights and no id each.
    private static ReadOnlySpan<byte> Acl =>
    [
        2, 0, 0, 0,
        1, 0, 7, 0, 255, 255, 255, 255,
        4, 0, 5, 0, 255, 255, 255, 255,
        32, 0, 5, 0, 255, 255, 255, 255,
    ];

    protected override void Cleanup() => _directory.Dispose();

    private static unsafe Errno Write(
        PassthroughFileSystem fs, NodeId node, Handle handle, bool flagged, RequestContext caller = default)
    {
        // Sound: the bytes stay on this stack until the call returns.
        byte* data = stackalloc byte[4];
        var segment = new IoSegment(data, 4);
        var source = new DataSource(new ReadOnlySpan<IoSegment>(in segment), 4);
        WriteFlags flags = flagged ? WriteFlags.FUSE_WRITE_KILL_SUIDGID : WriteFlags.None;
        return fs.Write(caller, node, handle, new WriteRequest { WriteFlags = flags }, ref source);
    }
}
