using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using Microsoft.Extensions.Logging;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Passthrough;
using Xunit;

namespace PassthroughFs.Core.Tests.Passthrough;

/// <summary>Who owns what is made, and what the host lets a caller do.</summary>
public sealed class PermissionTests : DescriptorCheck
{
    private const uint Somebody = 54321;
    private const uint SomeGroup = 54322;

    private readonly HostDirectory _directory = new();

    private static RequestContext Caller =>
        new() { Uid = Somebody, Gid = SomeGroup, Pid = (uint)Environment.ProcessId };

    private static uint Mode(string octal) => Convert.ToUInt32(octal, 8);

    [Fact]
    public void What_a_caller_makes_is_the_callers()
    {
        RequireRoot();
        File.SetUnixFileMode(_directory.Path, (UnixFileMode)Mode("777"));
        using var fs = New(false);
        var file = new CreateRequest { Flags = Linux.O_RDWR, Mode = Mode("666"), Umask = Mode("022") };
        Assert.Equal(Errno.OK, fs.Create(Caller, NodeId.Root, "f", file, out Entry entry, out _));
        AssertOwned(entry, "644");
        Assert.Equal(Errno.OK, fs.Mkdir(Caller, NodeId.Root, "d", Mode("777"), Mode("027"), out entry));
        AssertOwned(entry, "750");
        Assert.Equal(Errno.OK, fs.Mknod(Caller, NodeId.Root, "n", Linux.S_IFIFO | Mode("666"), 0, 0, out entry));
        AssertOwned(entry, "666");
        Assert.Equal(Errno.OK, fs.Symlink(Caller, NodeId.Root, "l", "target", out entry));
        AssertOwned(entry, "777");
        Assert.Equal(Errno.OK, fs.TmpFile(Caller, NodeId.Root, file, out entry, out _));
        AssertOwned(entry, "644");

        // And the thread is the server's again.
        Assert.Equal(Errno.OK, fs.Mkdir(default, NodeId.Root, "root", Mode("700"), 0, out entry));
        Assert.Equal(0u, entry.Attributes.Uid);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_process_umask_takes_nothing_from_a_clients_mode(bool clear)
    {
        RequireRoot();
        uint before = Core.Interop.Sys.Umask(Mode("077"));
        try
        {
            using var fs = New(false, config => config.ClearUmask = clear);
            var file = new CreateRequest { Flags = Linux.O_RDWR, Mode = Mode("666"), Umask = Mode("002") };
            Assert.Equal(Errno.OK, fs.Create(default, NodeId.Root, "f", file, out Entry entry, out _));
            Assert.Equal(Mode("664"), entry.Attributes.Mode & Linux.ModeBits);
            Assert.Equal(Errno.OK, fs.Mkdir(default, NodeId.Root, "d", Mode("777"), 0, out entry));
            Assert.Equal(Mode("777"), entry.Attributes.Mode & Linux.ModeBits);
            Assert.Equal(clear ? 0 : Mode("077"), Core.Interop.Sys.Umask(Mode("077")));
        }
        finally
        {
            _ = Core.Interop.Sys.Umask(before);
        }
    }

    [Fact]
    public void A_set_group_id_file_in_a_directory_of_a_group_the_caller_is_not_in_loses_the_bit()
    {
        RequireRoot();
        string path = _directory.Folder("shared");
        File.SetUnixFileMode(path, (UnixFileMode)Mode("3777"));
        using var fs = New(false);
        Assert.Equal(Errno.OK, fs.Lookup(default, NodeId.Root, "shared", out Entry shared));
        var file = new CreateRequest { Flags = Linux.O_RDWR, Mode = Mode("2755") };
        Assert.Equal(Errno.OK, fs.Create(Caller, shared.Node, "f", file, out Entry entry, out _));
        Assert.Equal(0u, entry.Attributes.Gid);
        Assert.Equal(Mode("755"), entry.Attributes.Mode & Linux.ModeBits);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_host_checks_only_where_that_is_asked_for(bool check)
    {
        RequireRoot();
        File.SetUnixFileMode(_directory.Path, (UnixFileMode)Mode("755"));
        File.SetUnixFileMode(_directory.File("secret", "text"), (UnixFileMode)Mode("600"));
        File.SetUnixFileMode(_directory.Folder("closed"), (UnixFileMode)Mode("700"));
        _directory.File("closed/f");
        using var fs = New(check);
        Errno denied = check ? Errno.EACCES : Errno.OK;
        Errno notYours = check ? Errno.EPERM : Errno.OK;

        Assert.Equal(Errno.OK, fs.Lookup(Caller, NodeId.Root, "secret", out Entry secret));
        Assert.Equal(check ? TimeSpan.Zero : TimeSpan.FromSeconds(5), secret.EntryTimeout);
        Assert.Equal(denied, fs.Open(Caller, secret.Node, Linux.O_RDONLY, 0, out _));
        Assert.Equal(Errno.OK, fs.Open(default, secret.Node, Linux.O_RDONLY, 0, out _));
        Assert.Equal(Errno.OK, fs.Lookup(Caller, NodeId.Root, "closed", out Entry closed));
        Assert.Equal(denied, fs.Lookup(Caller, closed.Node, "f", out _));
        Assert.Equal(denied, fs.OpenDir(Caller, closed.Node, 0, out _));
        Assert.Equal(denied, fs.Unlink(Caller, closed.Node, "f"));
        Assert.Equal(notYours, fs.Link(Caller, secret.Node, NodeId.Root, "link", out _));
        var chmod = new SetAttrRequest { Valid = SetAttrFields.FATTR_MODE, Mode = Mode("640") };
        Assert.Equal(notYours, fs.SetAttr(Caller, secret.Node, chmod, out _));
        var truncate = new SetAttrRequest { Valid = SetAttrFields.FATTR_SIZE };
        Assert.Equal(denied, fs.SetAttr(Caller, secret.Node, truncate, out _));
        Errno unread = check ? Errno.EACCES : Errno.ENODATA;
        Assert.Equal(unread, fs.GetXattr(Caller, secret.Node, "user.x"u8, [], out _));
        Assert.Equal(denied, fs.Rename(Caller, NodeId.Root, "secret", NodeId.Root, "renamed"));

        // Whatever the outcome, the thread is the server again.
        Assert.Equal(Errno.OK, fs.Mkdir(default, closed.Node, "mine", Mode("700"), 0, out Entry made));
        Assert.Equal(0u, made.Attributes.Uid);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Where_the_host_checks_the_server_removes_set_id_bits(bool check)
    {
        // The client would do it by a chmod in the name of a caller who may write and not chmod.
        using var fs = New(check);
        Assert.Equal(Errno.OK, fs.Init(default, (InitFlags)ulong.MaxValue, out InitFlags accepted));
        Assert.Equal(check, accepted.HasFlag(InitFlags.FUSE_HANDLE_KILLPRIV_V2));
    }

    [Fact]
    public void No_code_of_others_runs_as_the_caller()
    {
        RequireRoot();
        File.SetUnixFileMode(_directory.File("f", "text"), (UnixFileMode)Mode("666"));
        var logger = new IdentityLogger();
        var config = new PassthroughConfig { RootDir = _directory.Path, CheckPermissions = true };
        using var fs = new PassthroughFileSystem(config, logger);
        Assert.Equal(Errno.OK, fs.Import());
        Assert.Equal(Errno.OK, fs.Lookup(default, NodeId.Root, "f", out Entry entry));
        var truncate = new SetAttrRequest { Valid = SetAttrFields.FATTR_SIZE, Size = 2 };
        Assert.Equal(Errno.OK, fs.SetAttr(Caller, entry.Node, truncate, out _));

        Errno result;
        using (OpenFileLimit.LeaveFree(0))
        {
            result = fs.SetAttr(Caller, entry.Node, truncate, out _);
        }

        Assert.Equal(Errno.EMFILE, result);
        Assert.Equal([0u], logger.Users);
    }

    [Fact]
    public void Access_is_the_hosts_answer_for_the_caller()
    {
        RequireRoot();
        File.SetUnixFileMode(_directory.File("f"), (UnixFileMode)Mode("640"));
        using var fs = New(false);
        fs.Lookup(default, NodeId.Root, "f", out Entry entry);
        Assert.Equal(Errno.EACCES, fs.Access(Caller, entry.Node, Linux.R_OK));
        Assert.Equal(Errno.OK, fs.Access(Caller, entry.Node, Linux.F_OK));
        Assert.Equal(Errno.OK, fs.Access(default, entry.Node, Linux.R_OK | Linux.W_OK));
        Assert.Equal(Errno.EACCES, fs.Access(default, entry.Node, Linux.X_OK));
        Assert.Equal(Errno.EINVAL, fs.Access(default, entry.Node, 64));
    }

    [Fact]
    public void A_host_that_checks_callers_goes_with_no_client_that_does_not_name_them()
    {
        string fault = Assert.Single(PassthroughConfigValidator.Validate(
            new PassthroughConfig { CheckPermissions = true, IdMappedMounts = true }));
        Assert.Contains("IdMappedMounts conflicts with CheckPermissions", fault, StringComparison.Ordinal);
        Assert.Empty(PassthroughConfigValidator.Validate(new PassthroughConfig { IdMappedMounts = true }));
    }

    [Theory]
    [InlineData("Name:\tx\nGroups:\t4 24 1000 \nNStgid:\t5\n", new uint[] { 4, 24, 1000 })]
    [InlineData("Name:\tx\nGroups:\t\nNStgid:\t5\n", new uint[0])]
    [InlineData("Name:\tx\nGroups:\t1 2 3 4 5 6 7 8 9\n", new uint[] { 1, 2, 3, 4, 5, 6 })]
    [InlineData("Name:\tx\nGroups:\t7", new uint[] { 7 })]
    [InlineData("Name:\tx\n", new uint[0])]
    public void Groups_are_read_from_a_processs_status(string status, uint[] expected)
    {
        uint[] groups = new uint[6];
        int count = CallerProcess.ParseGroups(System.Text.Encoding.UTF8.GetBytes(status), groups);
        Assert.Equal(expected, groups.Take(count));
    }

    [Theory]
    [InlineData("Name:\tx\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\n", 4u, true)]
    [InlineData("Name:\tx\nUid:\t0\t0\t0\t100000", 100000u, true)]
    [InlineData("Name:\tx\nUid:\t0\t0\t0\t\n", 0u, false)]
    [InlineData("Name:\tUid:\t1\n", 0u, false)]
    public void The_id_that_counts_for_files_is_read_from_a_processs_status(string status, uint expected, bool isThere)
    {
        byte[] bytes = System.Text.Encoding.UTF8.GetBytes(status);
        Assert.Equal(isThere, CallerProcess.TryParseId(bytes, "\nUid:"u8, out uint id));
        Assert.Equal(expected, id);
    }

    protected override void Cleanup() => _directory.Dispose();

    private static void RequireRoot()
    {
        if (!Environment.IsPrivilegedProcess)
        {
            Assert.SkipWhen(Environment.GetEnvironmentVariable("PTFS_REQUIRE_ALL") != "1", "needs root");
            Assert.Fail("PTFS_REQUIRE_ALL=1, and this is not root.");
        }
    }

    private static void AssertOwned(in Entry entry, string mode)
    {
        Assert.Equal(Somebody, entry.Attributes.Uid);
        Assert.Equal(SomeGroup, entry.Attributes.Gid);
        Assert.Equal(mode, Convert.ToString(entry.Attributes.Mode & Linux.ModeBits, 8));
    }

    private PassthroughFileSystem New(bool check, Action<PassthroughConfig>? configure = null)
    {
        var config = new PassthroughConfig { RootDir = _directory.Path, CheckPermissions = check, Xattr = true };
        configure?.Invoke(config);
        var fs = new PassthroughFileSystem(config);
        Assert.Equal(Errno.OK, fs.Init(default, (InitFlags)ulong.MaxValue, out _));
        return fs;
    }

    /// <summary>Notes who the thread is when something is logged.</summary>
    private sealed class IdentityLogger : ILogger<PassthroughFileSystem>
    {
        public List<uint> Users { get; } = new(4);

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter) => Users.Add(Core.Interop.Sys.Geteuid());
    }
}
