using System;
using System.Collections.Generic;
using System.Linq;
using PassthroughFs.Core.IntegrationTests.Posix;
using PassthroughFs.Core.IntegrationTests.Ways;
using Xunit;
using static PassthroughFs.Core.Api.Linux;
using static PassthroughFs.Core.IntegrationTests.Posix.Octal;

namespace PassthroughFs.Core.IntegrationTests.Suite;

public sealed class DirectoryTests(WayPool ways)
{
    private const int Many = 5000;

    [Theory, EveryWay]
    public void A_listing_has_dot_and_dotdot_and_every_name_with_its_kind(string way)
    {
        using Scene s = ways.Open(way);
        s.P.Mkdir("top", O(755)).IsOk();
        s.P.WriteFile("top/file", "x"u8);
        s.P.Mkdir("top/dir", O(755)).IsOk();
        s.P.Symlink("x", "top/link").IsOk();
        s.P.Mknod("top/fifo", S_IFIFO | O(644), 0).IsOk();
        List<DirEntry> entries = s.P.ListAll("top");
        Assert.Equal(
            [".", "..", "dir", "fifo", "file", "link"], entries.Select(e => e.Text).Order(StringComparer.Ordinal));
        Assert.Equal((4, 4, 4, 1, 8, 10), (
            Kind("."), Kind(".."), Kind("dir"), Kind("fifo"), Kind("file"), Kind("link")));

        int Kind(string name) => entries.Single(e => e.Text == name).Kind;
    }

    [Theory, EveryWay]
    public void Inode_numbers_in_a_listing_agree_with_stat(string way)
    {
        using Scene s = ways.Open(way);
        s.P.Mkdir("d", O(755)).IsOk();
        s.P.Mkdir("d/sub", O(755)).IsOk();
        s.P.WriteFile("d/f", "x"u8);
        s.P.Link("d/f", "d/g").IsOk();
        s.P.Symlink("x", "d/l").IsOk();

        // Twice: with nothing looked up yet, and with everything.
        for (int round = 0; round < 2; round++)
        {
            Dictionary<string, ulong> listed = s.P.ListAll("d").ToDictionary(e => e.Text, e => e.Ino);
            foreach (string name in new[] { "sub", "f", "g", "l" })
            {
                Assert.Equal(s.P.Stat("d/" + name).Ino, listed[name]);
            }

            Assert.Equal(s.P.Stat("d").Ino, listed["."]);
            Assert.Equal(s.P.Stat("").Ino, listed[".."]);
        }
    }

    [Theory, EveryWay]
    public void A_big_directory_lists_each_name_once_whatever_the_buffer(string way)
    {
        using Scene s = ways.Open(way);
        Fill(s, Many);
        var expected = Enumerable.Range(0, Many).Select(Name).ToHashSet();
        foreach (int size in new[] { 512, 4096, 1 << 18 })
        {
            List<string> names = [.. s.P.ListAll("big", size).Where(e => !e.IsDot).Select(e => e.Text)];
            Assert.Equal(Many, names.Count);
            Assert.True(expected.SetEquals(names));
        }
    }

    [Theory, EveryWay]
    public void Seekdir_resumes_exactly_after_any_entry(string way)
    {
        using Scene s = ways.Open(way);
        Fill(s, 400);
        int fd = s.P.MustOpen("big", O_RDONLY | O_DIRECTORY);
        List<DirEntry> all = s.P.Rest(fd, 2048);
        foreach (int at in new[] { 0, 1, 7, 200, 400, 401 })
        {
            s.P.SeekDir(fd, all[at].Cookie).IsOk();
            Assert.Equal(
                all.Skip(at + 1).Select(e => e.Text).ToArray(), s.P.Rest(fd, 1024).Select(e => e.Text).ToArray());
        }

        s.P.SeekDir(fd, 0).IsOk();
        Assert.Equal(all.Count, s.P.Rest(fd).Count);
    }

    [Theory, EveryWay]
    public void What_exists_throughout_a_listing_appears_exactly_once_while_others_come_and_go(string way)
    {
        using Scene s = ways.Open(way);
        Fill(s, 1000);
        int fd = s.P.MustOpen("big", O_RDONLY | O_DIRECTORY);
        var seen = new List<string>();
        var removed = new HashSet<string>();
        for (int round = 0; ; round++)
        {
            s.P.ReadDir(fd, 4096, out IReadOnlyList<DirEntry> some).IsOk();
            if (some.Count == 0)
            {
                break;
            }

            seen.AddRange(some.Where(e => !e.IsDot).Select(e => e.Text));
            s.P.WriteFile($"big/new{round}", []);
            string victim = Name(round * 13 % 1000);
            if (removed.Add(victim))
            {
                s.P.Unlink("big/" + victim).IsOk();
            }
        }

        Assert.True(removed.Count > 3, "the listing was over before anything changed");
        foreach (string name in Enumerable.Range(0, 1000).Select(Name).Where(name => !removed.Contains(name)))
        {
            Assert.Single(seen, other => other == name);
        }

        Assert.Equal(seen.Count, seen.Distinct().Count());
    }

    [Theory, EveryWay]
    public void A_directory_can_be_emptied_while_it_is_listed(string way)
    {
        using Scene s = ways.Open(way);
        Fill(s, 600);
        int fd = s.P.MustOpen("big", O_RDONLY | O_DIRECTORY);
        while (true)
        {
            s.P.ReadDir(fd, 1024, out IReadOnlyList<DirEntry> some).IsOk();
            if (some.Count == 0)
            {
                break;
            }

            foreach (DirEntry entry in some.Where(e => !e.IsDot))
            {
                s.P.Unlink("big/" + entry.Text).IsOk();
            }
        }

        s.P.Close(fd).IsOk();
        s.P.Rmdir("big").IsOk();
    }

    [Theory, EveryWay]
    public void Entries_with_the_longest_names_come_whole(string way)
    {
        using Scene s = ways.Open(way);
        s.P.Mkdir("d", O(755)).IsOk();
        string[] names = [.. Enumerable.Range(0, 50).Select(i => new string((char)('a' + i % 26), 250) + $"{i:D5}")];
        foreach (string name in names)
        {
            s.P.WriteFile("d/" + name, []);
        }

        Assert.Equal(names.Order(StringComparer.Ordinal), s.P.Names("d"));
        Assert.Equal(52, s.P.ListAll("d", 600).Count);
    }

    [Theory, EveryWay]
    public void Changes_by_the_host_show_in_a_new_listing(string way)
    {
        using Scene s = ways.Open(way);
        s.Host.WriteFile("by host", "x"u8);
        Assert.Equal(["by host"], s.P.Names(""));
        Assert.Equal("x"u8.ToArray(), s.P.ReadFile("by host"));
    }

    [Theory, EveryWay]
    public void Fsync_of_files_and_directories_succeeds(string way)
    {
        using Scene s = ways.Open(way);
        s.P.WriteFile("f", "x"u8);
        s.P.Mkdir("d", O(755)).IsOk();
        int file = s.P.MustOpen("f", O_RDWR);
        int directory = s.P.MustOpen("d", O_RDONLY | O_DIRECTORY);
        s.P.MustWrite(file, "y"u8);
        s.P.FSync(file, false).IsOk();
        s.P.FSync(file, true).IsOk();
        s.P.FSync(directory, false).IsOk();
        s.P.FSync(directory, true).IsOk();
        s.P.SyncFs(directory).IsOk();
    }

    private static string Name(int i) => $"entry-{i:D5}";

    /// <summary>Fills a directory from the host's side, which is quick and leaves nothing looked up.</summary>
    private static void Fill(Scene s, int count)
    {
        s.Host.Mkdir("big", O(755)).IsOk();
        for (int i = 0; i < count; i++)
        {
            s.Host.Mknod("big/" + Name(i), S_IFREG | O(644), 0).IsOk();
        }
    }
}
