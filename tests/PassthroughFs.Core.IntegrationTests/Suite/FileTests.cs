using System;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Posix;
using PassthroughFs.Core.IntegrationTests.Ways;
using Xunit;
using static PassthroughFs.Core.Api.Linux;
using static PassthroughFs.Core.IntegrationTests.Posix.Octal;

namespace PassthroughFs.Core.IntegrationTests.Suite;

public sealed class FileTests(WayPool ways)
{
    [Theory, EveryWay]
    public void A_file_gives_back_what_was_written(string way)
    {
        using Scene s = ways.Open(way);
        byte[] content = Bytes.Pattern(300_000);
        s.P.WriteFile("f", content);
        Assert.Equal(content, s.P.ReadFile("f"));
        Assert.Equal(content, s.Host.ReadFile("f"));
        Assert.Equal(300_000ul, s.P.Stat("f").Size);
    }

    [Theory, EveryWay]
    public void A_large_write_in_one_call_arrives_whole(string way)
    {
        using Scene s = ways.Open(way);
        byte[] content = Bytes.Pattern(5 << 20, 7);
        s.P.WriteFile("big", content);
        Assert.Equal(content, s.P.ReadFile("big"));
    }

    [Theory, EveryWay]
    public void An_empty_file_reads_as_empty(string way)
    {
        using Scene s = ways.Open(way);
        s.P.WriteFile("f", []);
        Assert.Empty(s.P.ReadFile("f"));
        Assert.Equal(0ul, s.P.Stat("f").Size);
    }

    [Theory, EveryWay]
    public void Reading_past_the_end_gives_nothing_and_across_it_what_is_there(string way)
    {
        using Scene s = ways.Open(way);
        s.P.WriteFile("f", "0123456789"u8);
        int fd = s.P.MustOpen("f", O_RDONLY);
        byte[] buffer = new byte[8];
        s.P.PRead(fd, buffer, 6, out int count).IsOk();
        Assert.Equal("6789"u8.ToArray(), buffer[..count]);
        s.P.PRead(fd, buffer, 10, out count).IsOk();
        Assert.Equal(0, count);
        s.P.PRead(fd, buffer, 1L << 40, out count).IsOk();
        Assert.Equal(0, count);
    }

    [Theory, EveryWay]
    public void A_new_file_has_the_mode_asked_for_less_the_mask(string way)
    {
        using Scene s = ways.Open(way);
        foreach (int mask in new[] { 0, 22, 27, 77, 777 })
        {
            s.P.Umask = O(mask);
            s.P.WriteFile($"f{mask}", [], 666);
            s.P.Mkdir($"d{mask}", O(777)).IsOk();
            s.P.Mknod($"n{mask}", S_IFREG | O(666), 0).IsOk();
            s.P.Mknod($"p{mask}", S_IFIFO | O(666), 0).IsOk();
            s.P.Symlink("target", $"l{mask}").IsOk();
            Assert.Equal(O(666) & ~O(mask), s.P.Stat($"f{mask}").Permissions);
            Assert.Equal(O(777) & ~O(mask), s.P.Stat($"d{mask}").Permissions);
            Assert.Equal(O(666) & ~O(mask), s.P.Stat($"n{mask}").Permissions);
            Assert.Equal(O(666) & ~O(mask), s.Host.Stat($"p{mask}").Permissions);
            Assert.Equal(O(777), s.P.Stat($"l{mask}").Permissions);
        }
    }

    [Theory, EveryWay]
    public void Set_id_and_sticky_bits_survive_creation_and_chmod(string way)
    {
        using Scene s = ways.Open(way);
        s.P.WriteFile("f", [], 4711);
        Assert.Equal(O(4711), s.P.Stat("f").Permissions);
        s.P.Mkdir("d", O(1777)).IsOk();
        Assert.Equal(O(1755), s.P.Stat("d").Permissions);
        s.P.Chmod("d", O(3770)).IsOk();
        Assert.Equal(O(3770), s.P.Stat("d").Permissions);
        s.P.Chmod("f", O(7777)).IsOk();
        Assert.Equal(O(7777), s.Host.Stat("f").Permissions);
        s.P.Chmod("f", 0).IsOk();
        Assert.Equal(0u, s.P.Stat("f").Permissions);
    }

    [Theory, EveryWay]
    public void Fchmod_and_fstat_work_on_the_open_file(string way)
    {
        using Scene s = ways.Open(way);
        s.P.WriteFile("f", "abc"u8);
        int fd = s.P.MustOpen("f", O_RDWR);
        s.P.FChmod(fd, O(640)).IsOk();
        Assert.Equal(O(640), s.P.Stat(fd).Permissions);
        Assert.Equal(s.P.Stat("f").Ino, s.P.Stat(fd).Ino);
        Assert.Equal(S_IFREG, s.P.Stat(fd).Kind);
    }

    [Theory, EveryWay]
    public void O_EXCL_refuses_what_exists_even_a_dangling_link(string way)
    {
        using Scene s = ways.Open(way);
        s.P.WriteFile("f", "x"u8);
        s.P.Symlink("nowhere", "l").IsOk();
        s.P.Open("f", O_CREAT | O_EXCL | O_RDWR, O(644), out _).Is(Errno.EEXIST);
        s.P.Open("l", O_CREAT | O_EXCL | O_RDWR, O(644), out _).Is(Errno.EEXIST);
        Assert.False(s.P.Exists("nowhere"));
        int fd = s.P.MustOpen("new", O_CREAT | O_EXCL | O_RDWR, O(600));
        s.P.MustWrite(fd, "y"u8);
        s.P.Close(fd).IsOk();
        Assert.Equal("y"u8.ToArray(), s.P.ReadFile("new"));
    }

    [Theory, EveryWay]
    public void O_CREAT_without_O_EXCL_opens_what_exists_and_keeps_its_mode(string way)
    {
        using Scene s = ways.Open(way);
        s.P.WriteFile("f", "content"u8, 600);
        int fd = s.P.MustOpen("f", O_CREAT | O_RDWR, O(777));
        Assert.Equal("content"u8.ToArray(), s.P.ReadAll(fd));
        Assert.Equal(O(600), s.P.Stat(fd).Permissions);
    }

    [Theory, EveryWay]
    public void O_TRUNC_empties_the_file(string way)
    {
        using Scene s = ways.Open(way);
        s.P.WriteFile("f", "content"u8);
        int fd = s.P.MustOpen("f", O_WRONLY | O_TRUNC);
        Assert.Equal(0ul, s.P.Stat(fd).Size);
        s.P.Close(fd).IsOk();
        Assert.Equal(0ul, s.Host.Stat("f").Size);
    }

    [Theory, EveryWay]
    public void A_read_only_file_can_be_written_by_the_opener_that_created_it(string way)
    {
        using Scene s = ways.Open(way, Caller.Somebody);
        s.P.Caller = Caller.Somebody;
        int fd = s.P.MustOpen("f", O_RDWR | O_CREAT | O_EXCL, O(444));
        s.P.MustWrite(fd, "still"u8);
        s.P.Close(fd).IsOk();
        Assert.Equal("still"u8.ToArray(), s.P.ReadFile("f"));
    }

    [Theory, EveryWay]
    public void O_DIRECTORY_O_NOFOLLOW_and_writing_to_directories_are_refused_as_usual(string way)
    {
        using Scene s = ways.Open(way);
        s.P.WriteFile("f", "x"u8);
        s.P.Mkdir("d", O(755)).IsOk();
        s.P.Symlink("f", "l").IsOk();
        s.P.Open("f", O_RDONLY | O_DIRECTORY, 0, out _).Is(Errno.ENOTDIR);
        s.P.Open("l", O_RDONLY | O_NOFOLLOW, 0, out _).Is(Errno.ELOOP);
        s.P.Open("d", O_WRONLY, 0, out _).Is(Errno.EISDIR);
        s.P.Open("d", O_RDWR, 0, out _).Is(Errno.EISDIR);
        int fd = s.P.MustOpen("d", O_RDONLY);
        s.P.Read(fd, new byte[8], out _).Is(Errno.EISDIR);
    }

    [Theory, EveryWay]
    public void Access_modes_of_a_descriptor_are_kept_to(string way)
    {
        using Scene s = ways.Open(way);
        s.P.WriteFile("f", "x"u8);
        int reader = s.P.MustOpen("f", O_RDONLY);
        int writer = s.P.MustOpen("f", O_WRONLY);
        if (s.Way.Kind != WayKind.InProcess || !s.Way.Name.Contains("no open", StringComparison.Ordinal))
        {
            s.P.Write(reader, "y"u8, out _).Is(Errno.EBADF);
            s.P.Read(writer, new byte[1], out _).Is(Errno.EBADF);
        }

        s.P.MustWrite(writer, "z"u8);
        Assert.Equal("z"u8.ToArray(), s.P.ReadAll(reader));
    }

    [Theory, EveryWay]
    public void Names_are_bytes_not_text(string way)
    {
        using Scene s = ways.Open(way);
        byte[] name = [0xFF, 0xFE, (byte)'\n', 0x80, (byte)' ', 0x01, (byte)'\\'];
        s.P.WriteFile(name, "bytes"u8);
        Assert.Equal("bytes"u8.ToArray(), s.Host.ReadFile(name));
        Assert.Contains(s.P.ListAll(""), entry => entry.Name.AsSpan().SequenceEqual(name));
        s.P.Unlink(name).IsOk();
        Assert.Empty(s.P.Names(""));
    }

    [Theory, EveryWay]
    public void Names_of_255_bytes_work_and_of_256_are_too_long(string way)
    {
        using Scene s = ways.Open(way);
        string fits = new('n', 255);
        string tooLong = new('n', 256);
        s.P.WriteFile(fits, "x"u8);
        Assert.Equal([fits], s.P.Names(""));
        s.P.Mkdir(new string('d', 255), O(755)).IsOk();
        s.P.Rename(fits, new string('m', 255), 0).IsOk();
        s.P.Mkdir(tooLong, O(755)).Is(Errno.ENAMETOOLONG);
        s.P.LStat(tooLong, out _).Is(Errno.ENAMETOOLONG);
        s.P.Open(tooLong, O_CREAT | O_RDWR, O(644), out _).Is(Errno.ENAMETOOLONG);
        s.P.Rename(new string('m', 255), tooLong, 0).Is(Errno.ENAMETOOLONG);
        s.P.Rmdir(new string('d', 255)).IsOk();
    }

    [Theory, EveryWay]
    public void An_unlinked_open_file_lives_until_it_is_closed(string way)
    {
        using Scene s = ways.Open(way);
        s.P.WriteFile("f", "before"u8);
        int fd = s.P.MustOpen("f", O_RDWR);
        s.P.Unlink("f").IsOk();
        Assert.False(s.P.Exists("f"));
        Assert.Equal(0u, s.P.Stat(fd).Nlink);
        s.P.PWrite(fd, "after"u8, 6, out _).IsOk();
        s.P.FTruncate(fd, 8).IsOk();
        s.P.FChmod(fd, O(600)).IsOk();
        Assert.Equal("beforeaf"u8.ToArray(), s.P.ReadAll(fd));
        s.P.WriteFile("f", "another"u8);
        Assert.Equal("beforeaf"u8.ToArray(), s.P.ReadAll(fd));
        s.P.Close(fd).IsOk();
        Assert.Equal("another"u8.ToArray(), s.P.ReadFile("f"));
    }

    [Theory, EveryWay]
    public void O_TMPFILE_makes_a_file_without_a_name(string way)
    {
        using Scene s = ways.Open(way);
        int fd = s.P.MustOpen("", O_TMPFILE | O_RDWR, O(640));
        s.P.MustWrite(fd, "nameless"u8);
        Assert.Equal("nameless"u8.ToArray(), s.P.ReadAll(fd));
        Assert.Equal(0u, s.P.Stat(fd).Nlink);
        Assert.Equal(O(640), s.P.Stat(fd).Permissions);
        Assert.Empty(s.P.Names(""));
        s.P.Close(fd).IsOk();
    }

    [Theory, EveryWay]
    public void O_DIRECT_reads_and_writes_aligned_blocks(string way)
    {
        using Scene s = ways.Open(way);
        s.P.WriteFile("f", Bytes.Pattern(16384));
        Errno errno = s.P.Open("f", O_RDWR | O_DIRECT, 0, out int fd);
        if (errno == Errno.EINVAL)
        {
            // Not every host file system has it; then the answer is the host's own.
            s.Host.Open("f", O_RDWR | O_DIRECT, 0, out _).Is(Errno.EINVAL);
            return;
        }

        errno.IsOk();
        using var aligned = new AlignedBuffer(8192);
        s.P.PRead(fd, aligned.Span, 4096, out int count).IsOk();
        Assert.Equal(8192, count);
        Assert.Equal(Bytes.Pattern(16384)[4096..12288], aligned.Span.ToArray());
        aligned.Span.Fill(0x5A);
        s.P.PWrite(fd, aligned.Span, 8192, out count).IsOk();
        Assert.Equal(8192, count);
        s.P.Close(fd).IsOk();
        Assert.All(s.P.ReadFile("f")[8192..], b => Assert.Equal(0x5A, b));
    }
}
