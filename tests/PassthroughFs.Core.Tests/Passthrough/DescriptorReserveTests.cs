using System;
using System.Collections.Generic;
using System.IO;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;
using PassthroughFs.Core.Passthrough;
using Xunit;

namespace PassthroughFs.Core.Tests.Passthrough;

/// <summary>What is left of a process's descriptors when a client has taken all that it gets.</summary>
public sealed class DescriptorReserveTests : DescriptorCheck
{
    private readonly HostDirectory _directory = new();

    [Theory]
    [InlineData(InodeFileHandles.Never, "open")]
    [InlineData(InodeFileHandles.Never, "opendir")]
    [InlineData(InodeFileHandles.Never, "lookup")]
    [InlineData(InodeFileHandles.Never, "create")]
    [InlineData(InodeFileHandles.Never, "mkdir")]
    [InlineData(InodeFileHandles.Never, "lock")]
    [InlineData(InodeFileHandles.Adaptive, "open")]
    [InlineData(InodeFileHandles.Adaptive, "create")]
    [InlineData(InodeFileHandles.Prefer, "open")]
    [InlineData(InodeFileHandles.Prefer, "lock")]
    public void A_client_that_takes_all_there_is_leaves_the_reserve(InodeFileHandles handles, string what)
    {
        const int Free = 400, Tries = 1_000;
        for (int i = 0; i <= Tries && what == "lookup"; i++)
        {
            _directory.File($"f{i}");
        }

        _directory.File("known", "content");
        using OpenFileLimit limit = OpenFileLimit.LeaveFree(Free);
        using var fs = new PassthroughFileSystem(new PassthroughConfig
        {
            RootDir = _directory.Path,
            InodeFileHandles = handles,
            PosixLocks = true,
        });
        Assert.Equal(Errno.OK, fs.Init(default, InitFlags.FUSE_POSIX_LOCKS, out _));
        Assert.Equal(Errno.OK, fs.Lookup(default, NodeId.Root, "known"u8, out Entry known));
        Assert.Equal(Errno.OK, fs.Open(default, known.Node, Linux.O_RDWR, 0, out OpenReply held));

        int taken = 0;
        Errno result = Errno.OK;
        while (taken < Tries && (result = Take(fs, what, known.Node, held.Handle, taken)) == Errno.OK)
        {
            taken++;
        }

        Assert.InRange(taken, 1, Tries - 1);
        Assert.Equal(what switch { "lock" => Errno.ENOLCK, "lookup" or "mkdir" => Errno.ENFILE, _ => Errno.EMFILE }, result);
        Assert.Equal(result, Take(fs, what, known.Node, held.Handle, Tries));

        // All of the reserve is there, and what the client has goes on.
        var reserve = new List<int>();
        try
        {
            int wanted = (int)Math.Min((ulong)DescriptorReserve.Refresh() / 8, 512);
            for (int i = 0; i < wanted; i++)
            {
                reserve.Add(Sys.Fcntl(0, Constants.F_DUPFD_CLOEXEC, 0));
            }

            Assert.DoesNotContain(reserve, fd => fd < 0);
        }
        finally
        {
            reserve.ForEach(fd => _ = Sys.Close(fd));
        }

        byte[] buffer = new byte[100];
        IFileSystem files = fs;
        Assert.Equal(Errno.OK, files.Read(default, known.Node, held.Handle, 0, buffer, out int length));
        Assert.Equal("content".Length, length);
        Assert.Equal(Errno.OK, fs.GetAttr(default, known.Node, Handle.None, out _));
        Assert.Equal(Errno.OK, fs.Lookup(default, NodeId.Root, "known"u8, out _));
        Assert.Equal(
            Errno.OK, fs.SetAttr(default, known.Node, new() { Valid = SetAttrFields.FATTR_SIZE, Size = 3 }, out _));
        Assert.Equal(Errno.OK, fs.Flush(default, known.Node, held.Handle, new LockOwner(1)));
        Assert.Equal(Errno.OK, fs.Unlink(default, NodeId.Root, "known"u8));
        Assert.Equal(Errno.OK, fs.Release(default, known.Node, held.Handle, default));
    }

    [Theory]
    [InlineData("create", Errno.EMFILE)]
    [InlineData("mkdir", Errno.ENFILE)]
    [InlineData("mknod", Errno.ENFILE)]
    [InlineData("symlink", Errno.ENFILE)]
    public void What_the_client_could_not_be_told_of_is_not_made_over_and_over(string what, Errno error)
    {
        using OpenFileLimit limit = OpenFileLimit.LeaveFree(300);
        using var fs = new PassthroughFileSystem(
            new PassthroughConfig { RootDir = _directory.Path, InodeFileHandles = InodeFileHandles.Never });
        Assert.Equal(Errno.OK, fs.Import());
        int made = 0;
        while (Take(fs, what, default, default, made) == Errno.OK)
        {
            made++;
        }

        for (int i = 0; i < 100; i++)
        {
            Assert.Equal(error, Take(fs, what, default, default, 10_000 + i));
        }

        Assert.InRange(Directory.GetFileSystemEntries(_directory.Path).Length, made, made + 1);
    }

    [Fact]
    public void With_a_limit_that_leaves_nothing_for_clients_there_is_no_file_system()
    {
        using var limit = new OpenFileLimit(100);
        IOException fault = Assert.Throws<IOException>(
            () => new PassthroughFileSystem(new PassthroughConfig { RootDir = _directory.Path }));
        Assert.Contains("(RLIMIT_NOFILE) is 100, and serving takes 128", fault.Message, StringComparison.Ordinal);
    }

    private static Errno Take(PassthroughFileSystem fs, string what, NodeId node, Handle handle, int i)
    {
        byte[] name = System.Text.Encoding.ASCII.GetBytes(what == "lookup" ? $"f{i}" : $"n{i}");
        var create = new CreateRequest { Flags = Linux.O_RDWR, Mode = 0x180 };
        return what switch
        {
            "open" => fs.Open(default, node, Linux.O_RDONLY, 0, out _),
            "opendir" => fs.OpenDir(default, NodeId.Root, 0, out _),
            "lookup" => fs.Lookup(default, NodeId.Root, name, out _),
            "create" => fs.Create(default, NodeId.Root, name, create, out _, out _),
            "mkdir" => fs.Mkdir(default, NodeId.Root, name, 0x1c0, 0, out _),
            "mknod" => fs.Mknod(default, NodeId.Root, name, Linux.S_IFIFO, 0, 0, out _),
            "symlink" => fs.Symlink(default, NodeId.Root, name, "to"u8, out _),
            _ => fs.SetLk(
                default, node, handle, new LockOwner((ulong)i + 2),
                new FileLock { Type = LockType.F_RDLCK, Start = (ulong)i, End = (ulong)i }, 0),
        };
    }

    protected override void Cleanup() => _directory.Dispose();
}
