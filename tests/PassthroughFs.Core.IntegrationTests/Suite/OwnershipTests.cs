using PassthroughFs.Core.Api;
using PassthroughFs.Core.IntegrationTests.Posix;
using PassthroughFs.Core.IntegrationTests.Ways;
using Xunit;
using static PassthroughFs.Core.Api.Linux;
using static PassthroughFs.Core.IntegrationTests.Posix.Octal;

namespace PassthroughFs.Core.IntegrationTests.Suite;

public sealed class OwnershipTests(WayPool ways)
{
    [Theory, EveryWay]
    public void What_somebody_creates_belongs_to_somebody(string way)
    {
        using Scene s = ways.Open(way, Caller.Somebody);
        s.P.Caller = Caller.Somebody;
        s.P.WriteFile("f", "x"u8);
        s.P.Mkdir("d", O(755)).IsOk();
        s.P.Symlink("f", "l").IsOk();
        s.P.Mknod("p", S_IFIFO | O(644), 0).IsOk();
        s.P.Mknod("s", S_IFSOCK | O(644), 0).IsOk();
        s.P.Caller = Caller.Root;
        foreach (string name in new[] { "f", "d", "l", "p", "s" })
        {
            Assert.Equal(Caller.Somebody.Uid, s.P.Stat(name).Uid);
            Assert.Equal(Caller.Somebody.Gid, s.P.Stat(name).Gid);
            Assert.Equal(Caller.Somebody.Uid, s.Host.Stat(name).Uid);
        }
    }

    [Theory, EveryWay]
    public void O_TMPFILE_belongs_to_who_made_it(string way)
    {
        using Scene s = ways.Open(way, Caller.Somebody);
        s.P.Caller = Caller.Somebody;
        int fd = s.P.MustOpen("", O_TMPFILE | O_RDWR, O(600));
        Assert.Equal(Caller.Somebody.Uid, s.P.Stat(fd).Uid);
        Assert.Equal(Caller.Somebody.Gid, s.P.Stat(fd).Gid);
    }

    [Theory, EveryWay]
    public void After_a_request_for_somebody_root_is_root_again(string way)
    {
        using Scene s = ways.Open(way);
        s.P.Chmod("", O(777)).IsOk();
        s.P.Caller = Caller.Somebody;
        s.P.Mkdir("d", O(700)).IsOk();
        s.P.Mkdir("d", O(700)).Is(Errno.EEXIST);
        s.P.Caller = Caller.Root;
        s.P.WriteFile("d/of root", "x"u8);
        Assert.Equal(0u, s.Host.Stat("d/of root").Uid);
        Assert.Equal(0u, s.Host.Stat("d/of root").Gid);
    }

    [Theory, EveryWay]
    public void Chown_changes_what_it_is_told_to(string way)
    {
        using Scene s = ways.Open(way);
        s.P.WriteFile("f", "x"u8);
        s.P.Symlink("f", "l").IsOk();
        s.P.Chown("f", 1001, 1002).IsOk();
        Assert.Equal((1001u, 1002u), (s.P.Stat("f").Uid, s.P.Stat("f").Gid));
        s.P.Chown("f", uint.MaxValue, 1003).IsOk();
        Assert.Equal((1001u, 1003u), (s.P.Stat("f").Uid, s.P.Stat("f").Gid));
        s.P.Chown("f", 1004, uint.MaxValue).IsOk();
        Assert.Equal((1004u, 1003u), (s.Host.Stat("f").Uid, s.Host.Stat("f").Gid));
        s.P.Chown("l", 1005, 1005).IsOk();
        Assert.Equal(1005u, s.P.Stat("l").Uid);
        Assert.Equal(1004u, s.P.Stat("f").Uid);
    }

    [Theory, EveryWay]
    public void Chown_clears_set_id_bits(string way)
    {
        using Scene s = ways.Open(way);
        s.P.WriteFile("f", "x"u8);
        s.P.Chmod("f", O(6755)).IsOk();
        s.P.Chown("f", 1001, 1001).IsOk();
        Assert.Equal(O(755), s.P.Stat("f").Permissions);
        Assert.Equal(O(755), s.Host.Stat("f").Permissions);
    }

    [Theory, EveryWay(KernelOnly = true)]
    public void A_write_by_somebody_clears_set_id_bits(string way)
    {
        using Scene s = ways.Open(way, Caller.Somebody);
        s.P.Caller = Caller.Somebody;
        s.P.WriteFile("f", "x"u8, 644);
        s.P.Chmod("f", O(6777)).IsOk();
        int fd = s.P.MustOpen("f", O_WRONLY);
        s.P.MustWrite(fd, "y"u8);
        s.P.Close(fd).IsOk();
        Assert.Equal(O(777), s.P.Stat("f").Permissions);
        s.P.Chmod("f", O(6777)).IsOk();
        s.P.Truncate("f", 0).IsOk();
        Assert.Equal(O(777), s.P.Stat("f").Permissions);
    }

    [Theory, EveryWay]
    public void A_set_gid_directory_passes_its_group_on(string way)
    {
        using Scene s = ways.Open(way);
        s.P.Mkdir("d", O(755)).IsOk();
        s.P.Chown("d", 0, 2000).IsOk();
        s.P.Chmod("d", O(2777)).IsOk();
        s.P.Caller = Caller.Somebody;
        s.P.WriteFile("d/f", "x"u8);
        s.P.Mkdir("d/sub", O(755)).IsOk();
        s.P.Symlink("f", "d/l").IsOk();
        s.P.Caller = Caller.Root;
        Assert.Equal(2000u, s.P.Stat("d/f").Gid);
        Assert.Equal(2000u, s.P.Stat("d/l").Gid);
        Assert.Equal(2000u, s.P.Stat("d/sub").Gid);
        Assert.Equal(O(2755), s.P.Stat("d/sub").Permissions);
        Assert.Equal(O(644), s.P.Stat("d/f").Permissions);
    }

    [Theory, EveryWay]
    public void Creating_a_set_gid_file_as_a_non_member_gives_no_set_gid_bit(string way)
    {
        using Scene s = ways.Open(way);
        s.P.Umask = 0;
        s.P.Mkdir("d", O(755)).IsOk();
        s.P.Chown("d", 0, 2000).IsOk();
        s.P.Chmod("d", O(3777)).IsOk();
        s.P.Caller = Caller.Somebody;
        s.P.WriteFile("d/f", [], 2755);
        s.P.Mknod("d/n", S_IFREG | O(2755), 0).IsOk();
        s.P.Caller = Caller.Root;
        Assert.Equal(O(755), s.Host.Stat("d/f").Permissions);
        Assert.Equal(O(755), s.Host.Stat("d/n").Permissions);
        Assert.Equal(2000u, s.Host.Stat("d/f").Gid);
    }

    [Theory, EveryWay]
    public void Creating_a_set_gid_file_as_a_member_by_supplementary_group_keeps_the_bit(string way)
    {
        using Scene s = ways.Open(way);
        s.P.Umask = 0;
        s.P.Mkdir("d", O(755)).IsOk();
        s.P.Chown("d", 0, 2000).IsOk();
        s.P.Chmod("d", O(2777)).IsOk();
        s.P.Caller = Caller.Somebody with { Groups = [2000] };
        s.P.WriteFile("d/f", [], 2755);
        s.P.Caller = Caller.Root;
        Assert.Equal(O(2755), s.Host.Stat("d/f").Permissions);
    }

    [Theory, EveryWay]
    public void A_member_by_supplementary_group_may_create_where_only_the_group_may(string way)
    {
        using Scene s = ways.Open(way);
        s.P.Mkdir("d", O(755)).IsOk();
        s.P.Chown("d", 0, 2000).IsOk();
        s.P.Chmod("d", O(770)).IsOk();
        s.P.Caller = Caller.Somebody with { Groups = [1999, 2000] };
        s.P.WriteFile("d/f", "x"u8);
        s.P.Mkdir("d/sub", O(755)).IsOk();
        s.P.Mknod("d/p", S_IFIFO | O(644), 0).IsOk();
        s.P.Symlink("f", "d/l").IsOk();
        s.P.Caller = Caller.Root;
        Assert.Equal(Caller.Somebody.Uid, s.P.Stat("d/f").Uid);
        Assert.Equal(Caller.Somebody.Gid, s.P.Stat("d/f").Gid);
    }

    [Theory, EveryWay]
    public void Creation_where_the_caller_may_not_write_is_refused(string way)
    {
        using Scene s = ways.Open(way);
        s.P.Mkdir("d", O(755)).IsOk();
        s.P.Caller = Caller.Somebody;
        s.P.Open("d/f", O_CREAT | O_RDWR, O(644), out _).Is(Errno.EACCES);
        s.P.Mkdir("d/d", O(755)).Is(Errno.EACCES);
        s.P.Symlink("x", "d/l").Is(Errno.EACCES);
        s.P.Mknod("d/p", S_IFIFO | O(644), 0).Is(Errno.EACCES);
        s.P.Open("d", O_TMPFILE | O_RDWR, O(644), out _).Is(Errno.EACCES);
        s.P.Caller = Caller.Root;
        Assert.Empty(s.P.Names("d"));
    }

    [Theory, EveryWay(KernelOnly = true)]
    public void Somebody_may_not_read_write_or_remove_what_is_not_theirs(string way)
    {
        using Scene s = ways.Open(way);
        s.P.WriteFile("secret", "x"u8, 600);
        s.P.Mkdir("closed", O(700)).IsOk();
        s.P.Caller = Caller.Somebody;
        s.P.Open("secret", O_RDONLY, 0, out _).Is(Errno.EACCES);
        s.P.Access("secret", R_OK).Is(Errno.EACCES);
        s.P.Open("closed/any", O_RDONLY, 0, out _).Is(Errno.EACCES);
        s.P.Unlink("secret").Is(Errno.EACCES);
        s.P.Rename("secret", "mine", 0).Is(Errno.EACCES);
        s.P.Chmod("secret", O(777)).Is(Errno.EPERM);
        s.P.Chown("secret", Caller.Somebody.Uid, Caller.Somebody.Gid).Is(Errno.EPERM);
        s.P.SetTimes("secret", new PosixTime(1, 0), new PosixTime(1, 0)).Is(Errno.EPERM);
        s.P.Truncate("secret", 0).Is(Errno.EACCES);
        s.P.SetXattr("secret", "user.x", "y"u8, 0).Is(Errno.EACCES);
    }

    [Theory, EveryWay(KernelOnly = true)]
    public void In_a_sticky_directory_only_owners_remove(string way)
    {
        using Scene s = ways.Open(way);
        s.P.Mkdir("d", O(755)).IsOk();
        s.P.Chmod("d", O(1777)).IsOk();
        s.P.WriteFile("d/of root", "x"u8);
        s.P.Caller = Caller.Somebody;
        s.P.WriteFile("d/own", "x"u8);
        s.P.Unlink("d/of root").Is(Errno.EPERM);
        s.P.Rename("d/of root", "d/other", 0).Is(Errno.EPERM);
        s.P.Unlink("d/own").IsOk();
    }

    [Theory, EveryWay]
    public void Access_answers_for_what_is_there(string way)
    {
        using Scene s = ways.Open(way);
        s.P.WriteFile("f", "x"u8, 600);
        s.P.Access("f", F_OK).IsOk();
        s.P.Access("f", R_OK | W_OK).IsOk();
        s.P.Access("f", X_OK).Is(Errno.EACCES);
        s.P.Access("missing", F_OK).Is(Errno.ENOENT);
    }
}
