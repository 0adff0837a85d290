using System;
using System.IO;
using System.Runtime.ExceptionServices;
using System.Threading;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;
using PassthroughFs.Core.Passthrough;
using Xunit;

namespace PassthroughFs.Core.Tests.Passthrough;

/// <summary>A thread that becomes the caller: wholly or not at all, and never somebody else.</summary>
public sealed unsafe class IdentityTests : IDisposable
{
    private const uint Somebody = 54321;
    private const uint SomeGroup = 54322;
    private const uint ServersGroup = 54323;

    private readonly HostDirectory _directory = new();

    public IdentityTests()
    {
        if (Sys.Geteuid() != 0)
        {
            Assert.Skip("needs root, to become somebody else");
        }

        File.SetUnixFileMode(_directory.Path, (UnixFileMode)0x1ff);
    }

    private static RequestContext Caller =>
        new() { Uid = Somebody, Gid = SomeGroup, Pid = (uint)Environment.ProcessId };

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData(uint.MaxValue, 0)]
    [InlineData(uint.MaxValue, SomeGroup)]
    [InlineData(0, uint.MaxValue)]
    [InlineData(Somebody, uint.MaxValue)]
    public void An_id_of_minus_one_makes_nothing(uint uid, uint gid)
    {
        using PassthroughFileSystem fs = New();
        RequestContext nobody = new() { Uid = uid, Gid = gid };
        var file = new CreateRequest { Flags = Linux.O_RDWR, Mode = 0x1ff };
        Assert.Equal(Errno.EINVAL, fs.Create(nobody, NodeId.Root, "f"u8, file, out _, out _));
        Assert.Equal(Errno.EINVAL, fs.TmpFile(nobody, NodeId.Root, file, out _, out _));
        Assert.Equal(Errno.EINVAL, fs.Mkdir(nobody, NodeId.Root, "d"u8, 0x1ff, 0, out _));
        Assert.Equal(Errno.EINVAL, fs.Mknod(nobody, NodeId.Root, "n"u8, Linux.S_IFIFO | 0x1ff, 0, 0, out _));
        Assert.Equal(Errno.EINVAL, fs.Symlink(nobody, NodeId.Root, "l"u8, "target"u8, out _));
        Assert.Empty(Directory.GetFileSystemEntries(_directory.Path));
    }

    [Theory]
    [InlineData(SetAttrFields.FATTR_UID)]
    [InlineData(SetAttrFields.FATTR_GID)]
    public void A_file_is_not_given_to_minus_one(SetAttrFields which)
    {
        using PassthroughFileSystem fs = New();
        Assert.Equal(Errno.OK, fs.Mkdir(default, NodeId.Root, "d"u8, 0x1c0, 0, out Entry entry));
        var request = new SetAttrRequest { Valid = which, Uid = uint.MaxValue, Gid = uint.MaxValue };
        Assert.Equal(Errno.EINVAL, fs.SetAttr(default, entry.Node, request, out _));
    }

    [Theory]
    [InlineData("setgroups")]
    [InlineData("setresgid")]
    [InlineData("setresuid")]
    public void A_step_that_is_refused_leaves_the_thread_as_it_was(string step) => OnThread(() =>
    {
        using PassthroughFileSystem fs = New();

        // Only on the way there: a thread that cannot go back ends the process.
        int refused = 0;
        Sys.Refusal = call => call == step && refused++ == 0 ? -(int)Errno.EPERM : 0;
        Assert.Equal(Errno.EPERM, fs.Mkdir(Caller, NodeId.Root, "d"u8, 0x1ff, 0, out _));
        Sys.Refusal = null;
        Assert.True(refused > 0, $"{step} is not among the steps");
        Assert.Empty(Directory.GetFileSystemEntries(_directory.Path));
        AssertServer();
        Assert.Equal(Errno.OK, fs.Mkdir(Caller, NodeId.Root, "d"u8, 0x1ff, 0, out Entry entry));
        Assert.Equal((Somebody, SomeGroup), (entry.Attributes.Uid, entry.Attributes.Gid));
        AssertServer();
    });

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_servers_own_groups_open_nothing_to_a_caller_without_them(bool checks) => OnThread(() =>
    {
        string path = _directory.Folder("group");
        fixed (byte* name = System.Text.Encoding.UTF8.GetBytes(path + '\0'))
        {
            Assert.Equal(0, Sys.FchownAt(Constants.AT_FDCWD, name, 0, ServersGroup, 0));
        }

        File.SetUnixFileMode(path, (UnixFileMode)0x1f8); // 770
        using PassthroughFileSystem fs = New(config => config.CheckPermissions = checks);
        Assert.Equal(Errno.OK, fs.Lookup(default, NodeId.Root, "group"u8, out Entry group));

        // Of a process that is gone the library knows no groups.
        RequestContext caller = new() { Uid = Somebody, Gid = SomeGroup, Pid = int.MaxValue };
        Assert.Equal(Errno.EACCES, fs.Mkdir(caller, group.Node, "d"u8, 0x1ff, 0, out _));
        Assert.Equal(Errno.EACCES, fs.Access(caller, group.Node, Linux.W_OK));
        AssertServer();
    });

    private static void AssertServer()
    {
        uint* groups = stackalloc uint[4];
        Assert.Equal((0u, 0u), (Sys.Geteuid(), Sys.Getegid()));
        Assert.Equal(1, Sys.Getgroups(4, groups));
        Assert.Equal(ServersGroup, groups[0]);
    }

    // A thread of its own, with one supplementary group: no other thread is changed by that.
    private static void OnThread(Action test)
    {
        ExceptionDispatchInfo? fault = null;
        var thread = new Thread(() =>
        {
            try
            {
                uint group = ServersGroup;
                Assert.Equal(0, Sys.SetGroups(1, &group));
                test();
            }
#pragma warning disable CA1031 // It goes on, on the test's thread.
            catch (Exception e)
#pragma warning restore CA1031
            {
                fault = ExceptionDispatchInfo.Capture(e);
            }
            finally
            {
                Sys.Refusal = null;
            }
        });
        thread.Start();
        thread.Join();
        fault?.Throw();
    }

    private PassthroughFileSystem New(Action<PassthroughConfig>? configure = null)
    {
        var config = new PassthroughConfig { RootDir = _directory.Path };
        configure?.Invoke(config);
        var fs = new PassthroughFileSystem(config);
        Assert.Equal(Errno.OK, fs.Import());
        return fs;
    }
}
