using PassthroughFs.Core.Api;
using PassthroughFs.Core.IntegrationTests.Posix;
using PassthroughFs.Core.IntegrationTests.Ways;
using Xunit;
using static PassthroughFs.Core.Api.Linux;
using static PassthroughFs.Core.IntegrationTests.Posix.Octal;

namespace PassthroughFs.Core.IntegrationTests.Suite;

public sealed class NameTests(WayPool ways)
{
    [Theory, EveryWay]
    public void Hard_links_are_one_file(string way)
    {
        using Scene s = ways.Open(way);
        s.P.WriteFile("a", "one"u8);
        s.P.Mkdir("d", O(755)).IsOk();
        s.P.Link("a", "b").IsOk();
        s.P.Link("b", "d/c").IsOk();
        Assert.Equal(3u, s.P.Stat("a").Nlink);
        Assert.Equal(s.P.Stat("a").Ino, s.P.Stat("d/c").Ino);
        s.P.WriteFile("d/c", "two"u8);
        Assert.Equal("two"u8.ToArray(), s.P.ReadFile("a"));
        s.P.Unlink("a").IsOk();
        Assert.Equal(2u, s.P.Stat("b").Nlink);
        Assert.Equal("two"u8.ToArray(), s.P.ReadFile("b"));
    }

    [Theory, EveryWay]
    public void A_symbolic_link_can_have_a_second_name(string way)
    {
        using Scene s = ways.Open(way);
        s.P.Symlink("to nowhere", "l").IsOk();
        s.P.Link("l", "m").IsOk();
        Assert.Equal(2u, s.P.Stat("m").Nlink);
        Assert.Equal(S_IFLNK, s.P.Stat("m").Kind);
    }

    [Theory, EveryWay]
    public void Symbolic_links_keep_any_target(string way)
    {
        using Scene s = ways.Open(way);
        byte[][] targets = ["x"u8.ToArray(), [0xFF, 0x80], "/abs/../path"u8.ToArray(), new byte[4095]];
        System.Array.Fill(targets[3], (byte)'t');
        for (int i = 0; i < targets.Length; i++)
        {
            s.P.Symlink(targets[i], $"l{i}").IsOk();
            s.P.ReadLink($"l{i}", out byte[] target).IsOk();
            Assert.Equal(targets[i], target);
            Assert.Equal((ulong)targets[i].Length, s.P.Stat($"l{i}").Size);
        }

        s.P.Symlink("", "empty").Is(Errno.ENOENT);
        s.P.Symlink(new string('t', 4096), "long").Is(Errno.ENAMETOOLONG);
        s.P.WriteFile("f", "x"u8);
        s.P.ReadLink("f", out _).Is(Errno.EINVAL);
    }

    [Theory, EveryWay]
    public void Symbolic_links_are_followed_by_the_client(string way)
    {
        using Scene s = ways.Open(way);
        s.P.Mkdir("d", O(755)).IsOk();
        s.P.WriteFile("d/f", "content"u8);
        s.P.Symlink("d", "dl").IsOk();
        s.P.Symlink("../d/f", "d/fl").IsOk();
        Assert.Equal("content"u8.ToArray(), s.P.ReadFile("dl/fl"));
        s.P.Symlink("loop2", "loop1").IsOk();
        s.P.Symlink("loop1", "loop2").IsOk();
        s.P.Open("loop1", O_RDONLY, 0, out _).Is(Errno.ELOOP);
        s.P.Open("loop1/x", O_RDONLY, 0, out _).Is(Errno.ELOOP);
    }

    [Theory, EveryWay]
    public void Fifos_sockets_and_devices_are_what_they_were_made_as(string way)
    {
        using Scene s = ways.Open(way);
        s.P.Mknod("fifo", S_IFIFO | O(644), 0).IsOk();
        s.P.Mknod("socket", S_IFSOCK | O(644), 0).IsOk();
        s.P.Mknod("char", S_IFCHR | O(600), (1 << 8) | 3).IsOk();
        s.P.Mknod("block", S_IFBLK | O(600), (7 << 8) | 200).IsOk();
        s.P.Mknod("wide", S_IFCHR | O(600), (0x123 << 8) | 0x45 | (0x678 << 20)).IsOk();
        Assert.Equal(S_IFIFO, s.P.Stat("fifo").Kind);
        Assert.Equal(S_IFSOCK, s.P.Stat("socket").Kind);
        Assert.Equal((S_IFCHR, 0x103u), (s.P.Stat("char").Kind, s.P.Stat("char").Rdev));
        Assert.Equal((S_IFBLK, 0x7C8u), (s.P.Stat("block").Kind, s.P.Stat("block").Rdev));
        Assert.Equal(s.Host.Stat("wide").Rdev, s.P.Stat("wide").Rdev);
        Assert.Equal(0x67812345u, s.Host.Stat("wide").Rdev);
        foreach (string name in new[] { "fifo", "socket", "char", "block", "wide" })
        {
            s.P.Chmod(name, O(640)).IsOk();
            s.P.SetTimes(name, new PosixTime(5, 6), new PosixTime(7, 8)).IsOk();
            Assert.Equal(new PosixTime(7, 8), s.Host.Stat(name).Mtime);
            Assert.Equal(O(640), s.Host.Stat(name).Permissions);
            s.P.Unlink(name).IsOk();
        }
    }

    [Theory, EveryWay]
    public void Rename_moves_and_replaces(string way)
    {
        using Scene s = ways.Open(way);
        s.P.Mkdir("d", O(755)).IsOk();
        s.P.Mkdir("e", O(755)).IsOk();
        s.P.WriteFile("a", "a"u8);
        s.P.WriteFile("d/b", "b"u8);
        ulong ino = s.P.Stat("a").Ino;
        s.P.Rename("a", "d/b", 0).IsOk();
        Assert.False(s.P.Exists("a"));
        Assert.Equal("a"u8.ToArray(), s.P.ReadFile("d/b"));
        Assert.Equal(ino, s.P.Stat("d/b").Ino);
        s.P.Rename("d", "e", 0).IsOk();
        Assert.Equal(["e"], s.P.Names(""));
        Assert.Equal("a"u8.ToArray(), s.P.ReadFile("e/b"));
        s.P.Link("e/b", "e/c").IsOk();
        s.P.Rename("e/b", "e/c", 0).IsOk();
        Assert.Equal(["b", "c"], s.P.Names("e"));
    }

    [Theory, EveryWay]
    public void Rename_keeps_an_open_file_open(string way)
    {
        using Scene s = ways.Open(way);
        s.P.WriteFile("a", "old"u8);
        s.P.WriteFile("b", "replaced"u8);
        int a = s.P.MustOpen("a", O_RDWR);
        int b = s.P.MustOpen("b", O_RDONLY);
        s.P.Rename("a", "b", 0).IsOk();
        Assert.Equal("replaced"u8.ToArray(), s.P.ReadAll(b));
        s.P.PWrite(a, "new"u8, 0, out _).IsOk();
        s.P.Close(a).IsOk();
        Assert.Equal("new"u8.ToArray(), s.P.ReadFile("b"));
    }

    [Theory, EveryWay]
    public void RENAME_NOREPLACE_leaves_the_target_alone(string way)
    {
        using Scene s = ways.Open(way);
        s.P.WriteFile("a", "a"u8);
        s.P.WriteFile("b", "b"u8);
        s.P.Rename("a", "b", RENAME_NOREPLACE).Is(Errno.EEXIST);
        Assert.Equal("b"u8.ToArray(), s.P.ReadFile("b"));
        s.P.Rename("a", "c", RENAME_NOREPLACE).IsOk();
        Assert.Equal("a"u8.ToArray(), s.P.ReadFile("c"));
    }

    [Theory, EveryWay]
    public void RENAME_EXCHANGE_swaps_even_a_file_and_a_directory(string way)
    {
        using Scene s = ways.Open(way);
        s.P.WriteFile("f", "f"u8);
        s.P.Mkdir("d", O(755)).IsOk();
        s.P.WriteFile("d/inside", "x"u8);
        s.P.Rename("f", "d", RENAME_EXCHANGE).IsOk();
        Assert.Equal("f"u8.ToArray(), s.P.ReadFile("d"));
        Assert.Equal(["inside"], s.P.Names("f"));
        s.P.Rename("f", "missing", RENAME_EXCHANGE).Is(Errno.ENOENT);
        Assert.Equal(["d", "f"], s.P.Names(""));
    }

    [Theory, EveryWay]
    public void RENAME_WHITEOUT_leaves_a_whiteout_where_the_host_can(string way)
    {
        using Scene s = ways.Open(way);
        using Scene bare = ways.OpenBareLike(way);
        Errno expected = Whiteout(bare);
        Assert.Equal(expected, Whiteout(s));
        if (expected == Errno.OK)
        {
            Assert.Equal((S_IFCHR, 0u), (s.Host.Stat("a").Kind, s.Host.Stat("a").Rdev));
        }

        static Errno Whiteout(Scene scene)
        {
            scene.P.WriteFile("a", "a"u8);
            return scene.P.Rename("a", "b", RENAME_WHITEOUT);
        }
    }

    [Theory, EveryWay]
    public void Unknown_and_conflicting_rename_flags_are_EINVAL(string way)
    {
        using Scene s = ways.Open(way);
        s.P.WriteFile("a", "a"u8);
        s.P.WriteFile("b", "b"u8);
        s.P.Rename("a", "b", RENAME_EXCHANGE | RENAME_NOREPLACE).Is(Errno.EINVAL);
        s.P.Rename("a", "b", 0x80).Is(Errno.EINVAL);
        Assert.Equal("b"u8.ToArray(), s.P.ReadFile("b"));
    }

    [Theory, EveryWay]
    public void Link_counts_of_directories_follow_their_children(string way)
    {
        using Scene s = ways.Open(way);
        s.P.Mkdir("d", O(755)).IsOk();
        s.P.Mkdir("e", O(755)).IsOk();
        Assert.Equal(2u, s.P.Stat("d").Nlink);
        s.P.Mkdir("d/sub", O(755)).IsOk();
        Assert.Equal(3u, s.P.Stat("d").Nlink);
        s.P.Rename("d/sub", "e/sub", 0).IsOk();
        Assert.Equal((2u, 3u), (s.P.Stat("d").Nlink, s.P.Stat("e").Nlink));
        s.P.Rmdir("e/sub").IsOk();
        Assert.Equal(2u, s.P.Stat("e").Nlink);
    }

    [Theory, EveryWay]
    public void A_removed_directory_that_is_still_open_lists_nothing(string way)
    {
        using Scene s = ways.Open(way);
        s.P.Mkdir("d", O(755)).IsOk();
        int fd = s.P.MustOpen("d", O_RDONLY | O_DIRECTORY);
        s.P.Rmdir("d").IsOk();
        s.P.ReadDir(fd, 4096, out System.Collections.Generic.IReadOnlyList<DirEntry> entries).Is(Errno.ENOENT);
        Assert.Empty(entries);
        s.P.LStat("d", out _).Is(Errno.ENOENT);
    }

    [Theory, EveryWay]
    public void Statfs_describes_the_host_file_system(string way)
    {
        using Scene s = ways.Open(way);
        s.P.StatFs("", out FileSystemStat seen).IsOk();
        s.Host.StatFs("", out FileSystemStat host).IsOk();
        Assert.Equal((host.BlockSize, host.Blocks, host.NameMax), (seen.BlockSize, seen.Blocks, seen.NameMax));
        Assert.InRange(seen.Free, host.Free - host.Free / 10, host.Free + host.Free / 10);
        Assert.Equal(host.Files, seen.Files);
    }
}
