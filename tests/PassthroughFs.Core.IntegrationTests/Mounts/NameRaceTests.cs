using System.Collections.Concurrent;
using System.IO;
using System.Linq;
using System.Threading;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Posix;
using PassthroughFs.Core.IntegrationTests.Ways;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Mounts;

/// <summary>The host removes names at the moment at which the client makes them.</summary>
public sealed class NameRaceTests
{
    private const int Rounds = 3_000;

    [Theory]
    [InlineData("--entry-timeout", "0")]
    [InlineData("--entry-timeout", "5")]
    [InlineData("--entry-timeout", "0", "--writeback")]
    public void An_open_that_may_make_the_file_never_fails_however_often_the_host_removes_it(params string[] options)
    {
        Require.Root();
        using var source = new TempDirectory(Backing.Tmpfs);
        using var at = new TempDirectory();
        using MountProcess mount = MountProcess.Start(source.Path, at.Path, options);
        using var watchdog = new Watchdog(mount, 120);
        int removed = 0;
        bool ends = false;
        var host = new Thread(() =>
        {
            using var bare = new HostPosix(source.Path);
            while (!Volatile.Read(ref ends))
            {
                if (bare.Open("x", Linux.O_WRONLY | Linux.O_CREAT, 0x1a4, out int fd) == Errno.OK)
                {
                    bare.Close(fd);
                }

                removed += bare.Unlink("x") == Errno.OK ? 1 : 0;
            }
        });
        host.Start();
        var answers = new ConcurrentDictionary<Errno, int>();
        using (var client = new HostPosix(at.Path))
        {
            for (int i = 0; i < Rounds; i++)
            {
                Errno opened = client.Open("x", Linux.O_RDWR | Linux.O_CREAT | (i % 2 == 0 ? Linux.O_TRUNC : 0), 0x1a4, out int fd);
                answers.AddOrUpdate(opened, 1, (_, count) => count + 1);
                if (opened == Errno.OK)
                {
                    client.Close(fd);
                }
            }
        }

        Volatile.Write(ref ends, true);
        host.Join();
        Assert.Equal([Errno.OK], answers.Keys);
        Assert.InRange(removed, 1, int.MaxValue);
    }

    [Theory]
    [InlineData("--inode-file-handles", "never")]
    [InlineData("--inode-file-handles", "mandatory")]
    [InlineData("--inode-file-handles", "mandatory", "--allow-other")]
    [InlineData("--inode-file-handles", "mandatory", "--shared")]
    public void What_means_a_name_never_fails_however_often_the_host_replaces_it(params string[] options)
    {
        Require.Root();
        using var source = new TempDirectory(Backing.Tmpfs);
        using var at = new TempDirectory();
        File.WriteAllText(source["x"], "0");
        using MountProcess mount = MountProcess.Start(
            source.Path, at.Path, [.. options, "--xattr", "--entry-timeout", "0", "--attr-timeout", "0"]);
        using var watchdog = new Watchdog(mount, 120);
        int replaced = 0;
        bool ends = false;
        var host = new Thread(() =>
        {
            using var bare = new HostPosix(source.Path);
            while (!Volatile.Read(ref ends))
            {
                if (bare.Open("new", Linux.O_WRONLY | Linux.O_CREAT, 0x1a4, out int fd) == Errno.OK)
                {
                    bare.Close(fd);
                }

                replaced += bare.Rename("new", "x", 0) == Errno.OK ? 1 : 0;
            }
        });
        host.Start();
        var answers = new ConcurrentDictionary<(string, Errno), int>();
        using (var client = new HostPosix(at.Path))
        {
            for (int i = 0; i < Rounds; i++)
            {
                Errno opened = client.Open("x", i % 2 == 0 ? Linux.O_RDWR : Linux.O_WRONLY | Linux.O_TRUNC, 0, out int fd);
                Note(i % 2 == 0 ? "open" : "open with O_TRUNC", opened);
                if (opened == Errno.OK)
                {
                    client.Close(fd);
                }

                Note("truncate", client.Truncate("x", 5));
                Note("chmod", client.Chmod("x", 0x1a4));
                Note("setxattr", client.SetXattr("x", "user.a", "1"u8, 0));
            }
        }

        Volatile.Write(ref ends, true);
        host.Join();
        Assert.InRange(replaced, 1, int.MaxValue);
        Assert.Equal("", string.Join(", ", answers.Where(answer => answer.Key.Item2 != Errno.OK)));

        void Note(string call, Errno errno) => answers.AddOrUpdate((call, errno), 1, (_, count) => count + 1);
    }

    [Theory]
    [InlineData("--inode-file-handles", "never")]
    [InlineData("--inode-file-handles", "mandatory")]
    [InlineData("--inode-file-handles", "mandatory", "--shared")]
    public void Nor_what_means_a_link_or_a_directory(params string[] options)
    {
        const uint Exchange = 2;
        Require.Root();
        using var source = new TempDirectory(Backing.Tmpfs);
        using var at = new TempDirectory();
        File.CreateSymbolicLink(source["s"], "target 0");
        Directory.CreateDirectory(source["d"]);
        using MountProcess mount = MountProcess.Start(
            source.Path, at.Path, [.. options, "--xattr", "--entry-timeout", "0", "--attr-timeout", "0"]);
        using var watchdog = new Watchdog(mount, 120);
        int replaced = 0;
        bool ends = false;
        var host = new Thread(() =>
        {
            using var bare = new HostPosix(source.Path);
            while (!Volatile.Read(ref ends))
            {
                replaced += bare.Symlink("target 1", "new") == Errno.OK &&
                    bare.Rename("new", "s", 0) == Errno.OK ? 1 : 0;
                replaced += bare.Mkdir("old", 0x1ed) == Errno.OK &&
                    bare.Rename("old", "d", Exchange) == Errno.OK &&
                    bare.Rmdir("old") == Errno.OK ? 1 : 0;
            }
        });
        host.Start();
        var answers = new ConcurrentDictionary<(string, Errno), int>();
        using (var client = new HostPosix(at.Path))
        {
            for (int i = 0; i < Rounds; i++)
            {
                Note("readlink", client.ReadLink("s", out _));
                Note("lstat of a link", client.LStat("s", out _));
                Note("lstat", client.LStat("d", out _));
                Note("access", client.Access("d", Linux.R_OK));
                Note("chmod", client.Chmod("d", 0x1ed));
                Note("statfs", client.StatFs("d", out _));
                Note("listxattr", client.ListXattr("d", [], out _));
                Errno opened = client.Open("d", Linux.O_RDONLY | Linux.O_DIRECTORY, 0, out int fd);
                Note("open of a directory", opened);
                if (opened == Errno.OK)
                {
                    client.Close(fd);
                }
            }
        }

        Volatile.Write(ref ends, true);
        host.Join();
        Assert.InRange(replaced, 1, int.MaxValue);
        Assert.Equal("", string.Join(", ", answers.Where(answer => answer.Key.Item2 != Errno.OK)));

        void Note(string call, Errno errno) => answers.AddOrUpdate((call, errno), 1, (_, count) => count + 1);
    }

    [Theory]
    [InlineData("never")]
    [InlineData("mandatory")]
    public void What_the_host_removes_meanwhile_was_made_all_the_same(string handles)
    {
        Require.Root();
        using var source = new TempDirectory(Backing.Tmpfs);
        using var at = new TempDirectory();
        File.WriteAllText(source["linked"], "");
        using MountProcess mount = MountProcess.Start(
            source.Path, at.Path, "--entry-timeout", "0", "--inode-file-handles", handles);
        using var watchdog = new Watchdog(mount, 120);
        var answers = new ConcurrentDictionary<Errno, int>();
        int removed = 0;
        bool ends = false;
        var host = new Thread(() =>
        {
            using var bare = new HostPosix(source.Path);
            while (!Volatile.Read(ref ends))
            {
                removed += bare.Rmdir("d") == Errno.OK ? 1 : 0;
                foreach (string name in new[] { "n", "s", "l", "c" })
                {
                    removed += bare.Unlink(name) == Errno.OK ? 1 : 0;
                }
            }
        });
        host.Start();
        using (var client = new HostPosix(at.Path))
        {
            for (int i = 0; i < Rounds; i++)
            {
                Note(client.Mkdir("d", 0x1ff));
                Note(client.Mknod("n", Linux.S_IFREG | 0x1ff, 0));
                Note(client.Symlink("target", "s"));
                Note(client.Link("linked", "l"));
                Errno made = client.Open("c", Linux.O_RDWR | Linux.O_CREAT, 0x1ff, out int fd);
                Note(made);
                if (made == Errno.OK)
                {
                    client.Close(fd);
                }
            }
        }

        Volatile.Write(ref ends, true);
        host.Join();
        Assert.True(removed > Rounds / 10, $"the host has removed {removed} names only");
        Assert.All(answers.Keys, errno => Assert.True(errno is Errno.OK or Errno.EEXIST, $"{errno}"));

        void Note(Errno errno) => answers.AddOrUpdate(errno, 1, (_, count) => count + 1);
    }
}
