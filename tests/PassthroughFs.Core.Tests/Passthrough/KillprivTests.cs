using System;
using System.IO;
using System.Linq;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Passthrough;
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

    // Version 2: user rwx, group r-x, others r-x; a tag, rights and no id each.
    private static ReadOnlySpan<byte> Acl =>
    [
        2, 0, 0, 0,
        1, 0, 7, 0, 255, 255, 255, 255,
        4, 0, 5, 0, 255, 255, 255, 255,
        32, 0, 5, 0, 255, 255, 255, 255,
    ];

    protected override void Cleanup() => _directory.Dispose();

    private static unsafe Errno Write(PassthroughFileSystem fs, NodeId node, Handle handle, bool flagged)
    {
        // Sound: the bytes stay on this stack until the call returns.
        byte* data = stackalloc byte[4];
        var segment = new IoSegment(data, 4);
        var source = new DataSource(new ReadOnlySpan<IoSegment>(in segment), 4);
        WriteFlags flags = flagged ? WriteFlags.FUSE_WRITE_KILL_SUIDGID : WriteFlags.None;
        return fs.Write(default, node, handle, new WriteRequest { WriteFlags = flags }, ref source);
    }
}
