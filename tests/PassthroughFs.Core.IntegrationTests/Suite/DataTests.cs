using System;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Posix;
using PassthroughFs.Core.IntegrationTests.Ways;
using Xunit;
using static PassthroughFs.Core.Api.Linux;
using static PassthroughFs.Core.IntegrationTests.Posix.Octal;

namespace PassthroughFs.Core.IntegrationTests.Suite;

public sealed class DataTests(WayPool ways)
{
    [Theory, EveryWay]
    public void Holes_read_as_zeros_and_are_found(string way)
    {
        using Scene s = ways.Open(way);
        int fd = s.P.MustOpen("f", O_RDWR | O_CREAT, O(644));
        s.P.PWrite(fd, Bytes.Pattern(4096), 1 << 20, out _).IsOk();
        s.P.FTruncate(fd, 2 << 20).IsOk();
        s.P.FSync(fd, false).IsOk();
        byte[] content = s.P.ReadAll(fd);
        Assert.Equal(2 << 20, content.Length);
        Assert.Equal(-1, content.AsSpan(0, 1 << 20).IndexOfAnyExcept((byte)0));
        Assert.Equal(Bytes.Pattern(4096), content[(1 << 20)..((1 << 20) + 4096)]);
        if (Array.IndexOf(s.Way.Options, "--writeback") >= 0)
        {
            // The host is not asked, and the client knows of no holes: HoleTests.
            s.P.LSeek(fd, 0, SEEK_DATA, out long all).IsOk();
            Assert.Equal(0, all);
            s.P.LSeek(fd, 0, SEEK_HOLE, out all).IsOk();
            Assert.Equal(2 << 20, all);
            s.P.LSeek(fd, 2 << 20, SEEK_DATA, out _).Is(Errno.ENXIO);
            return;
        }

        s.P.LSeek(fd, 0, SEEK_DATA, out long data).IsOk();
        Assert.Equal(1 << 20, data);
        s.P.LSeek(fd, 1 << 20, SEEK_HOLE, out long hole).IsOk();
        Assert.Equal((1 << 20) + 4096, hole);
        s.P.LSeek(fd, 0, SEEK_HOLE, out hole).IsOk();
        Assert.Equal(0, hole);
        s.P.LSeek(fd, (1 << 20) + 4096, SEEK_DATA, out _).Is(Errno.ENXIO);
        s.P.LSeek(fd, 2 << 20, SEEK_HOLE, out _).Is(Errno.ENXIO);
    }

    [Theory, EveryWay]
    public void Truncation_cuts_and_grows_with_zeros(string way)
    {
        using Scene s = ways.Open(way);
        s.P.WriteFile("f", "0123456789"u8);
        s.P.Truncate("f", 4).IsOk();
        Assert.Equal("0123"u8.ToArray(), s.P.ReadFile("f"));
        s.P.Truncate("f", 6).IsOk();
        Assert.Equal("0123\0\0"u8.ToArray(), s.P.ReadFile("f"));
        int fd = s.P.MustOpen("f", O_RDWR);
        s.P.FTruncate(fd, 1).IsOk();
        s.P.FTruncate(fd, 3).IsOk();
        Assert.Equal("0\0\0"u8.ToArray(), s.P.ReadAll(fd));
        int reader = s.P.MustOpen("f", O_RDONLY);
        s.P.FTruncate(reader, 0).Is(Errno.EINVAL);
        s.P.FTruncate(fd, -1).Is(Errno.EINVAL);
    }

    [Theory, EveryWay]
    public void Two_appenders_do_not_overwrite_each_other(string way)
    {
        using Scene s = ways.Open(way);
        int a = s.P.MustOpen("log", O_WRONLY | O_CREAT | O_APPEND, O(644));
        int b = s.P.MustOpen("log", O_WRONLY | O_APPEND);
        for (int i = 0; i < 20; i++)
        {
            s.P.MustWrite(a, "aaaa"u8);
            s.P.MustWrite(b, "bb"u8);
        }

        s.P.Close(a).IsOk();
        s.P.Close(b).IsOk();
        string text = System.Text.Encoding.ASCII.GetString(s.P.ReadFile("log"));
        Assert.Equal(string.Concat(System.Linq.Enumerable.Repeat("aaaabb", 20)), text);
    }

    [Theory, EveryWay]
    public void One_opener_sees_what_another_wrote(string way)
    {
        using Scene s = ways.Open(way);
        int writer = s.P.MustOpen("f", O_RDWR | O_CREAT, O(644));
        int reader = s.P.MustOpen("f", O_RDONLY);
        s.P.MustWrite(writer, "first"u8);
        Assert.Equal("first"u8.ToArray(), s.P.ReadAll(reader));
        s.P.PWrite(writer, "F"u8, 0, out _).IsOk();
        Assert.Equal("First"u8.ToArray(), s.P.ReadAll(reader));
        s.P.FTruncate(writer, 2).IsOk();
        Assert.Equal("Fi"u8.ToArray(), s.P.ReadAll(reader));
    }

    [Theory, EveryWay]
    public void Fallocate_modes_do_what_the_host_does(string way)
    {
        using Scene s = ways.Open(way);
        using Scene bare = ways.OpenBareLike(way);
        Assert.Equal(Run(bare), Run(s));

        static string Run(Scene scene)
        {
            const uint block = 4096;
            var seen = new System.Text.StringBuilder();
            scene.P.WriteFile("f", Bytes.Pattern(8 * (int)block, 3));
            int fd = scene.P.MustOpen("f", O_RDWR);
            (uint Mode, long Offset, long Length)[] steps =
            [
                (0, 0, 12 * block),
                (FALLOC_FL_KEEP_SIZE, 12 * block, 8 * block),
                (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, block, block),
                (FALLOC_FL_ZERO_RANGE, 2 * block + 100, 1000),
                (FALLOC_FL_PUNCH_HOLE, 0, block),
                (0, -1, 10),
                (0, 0, 0),
            ];
            foreach ((uint mode, long offset, long length) in steps)
            {
                Errno errno = scene.P.FAllocate(fd, mode, offset, length);
                byte[] content = scene.P.ReadAll(fd);
                seen.Append(mode).Append(' ').Append(errno).Append(' ').Append(content.Length).Append(' ')
                    .Append(Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(content))).Append('\n');
            }

            return seen.ToString();
        }
    }

    [Theory, EveryWay]
    public void Copy_file_range_copies_inside_the_file_system(string way)
    {
        using Scene s = ways.Open(way);
        byte[] content = Bytes.Pattern(100_000);
        s.P.WriteFile("from", content);
        s.P.WriteFile("to", "0123456789"u8);
        int from = s.P.MustOpen("from", O_RDONLY);
        int to = s.P.MustOpen("to", O_RDWR);
        long done = 0;
        while (done < 50_000)
        {
            s.P.CopyFileRange(from, 1000 + done, to, 10 + done, 50_000 - done, out long copied).IsOk();
            Assert.True(copied > 0);
            done += copied;
        }

        Assert.Equal([.. "0123456789"u8, .. content[1000..51_000]], s.P.ReadAll(to));
        s.P.CopyFileRange(from, 100_000, to, 0, 10, out long none).IsOk();
        Assert.Equal(0, none);
    }

    [Theory, EveryWay(KernelOnly = true)]
    public unsafe void A_shared_mapping_and_the_file_are_one(string way)
    {
        using Scene s = ways.Open(way);
        s.P.WriteFile("f", Bytes.Pattern(8192));
        int fd = s.P.MustOpen("f", O_RDWR);
        byte* map = Native.MMap(0, 8192, Native.PROT_READ | Native.PROT_WRITE, Native.MAP_SHARED, fd, 0);
        if ((nint)map == -1)
        {
            // Without a cache there is no shared mapping that can be written, unless the kernel was told to allow it.
            Assert.Contains("no cache", s.Way.Name, StringComparison.Ordinal);
            return;
        }

        Assert.True(new ReadOnlySpan<byte>(map, 8192).SequenceEqual(Bytes.Pattern(8192)));
        "mapped"u8.CopyTo(new Span<byte>(map + 5000, 6));
        Assert.Equal(0, Native.MSync(map, 8192, Native.MS_SYNC));
        Assert.Equal("mapped"u8.ToArray(), s.P.ReadFile("f")[5000..5006]);
        Assert.Equal("mapped"u8.ToArray(), s.Host.ReadFile("f")[5000..5006]);
        Assert.Equal(0, Native.MUnmap(map, 8192));
    }

    [Theory, EveryWay]
    public void Times_keep_their_nanoseconds(string way)
    {
        using Scene s = ways.Open(way);
        s.P.WriteFile("f", "x"u8);
        s.P.Symlink("f", "l").IsOk();
        s.P.Mkdir("d", O(755)).IsOk();
        foreach (string name in new[] { "f", "l", "d" })
        {
            var access = new PosixTime(1_000_000_001, 123_456_789);
            var modification = new PosixTime(-5, 999_999_999);
            s.P.SetTimes(name, access, modification).IsOk();
            Assert.Equal((access, modification), (s.P.Stat(name).Atime, s.P.Stat(name).Mtime));
            Assert.Equal(modification, s.Host.Stat(name).Mtime);
        }
    }

    [Theory, EveryWay]
    public void UTIME_OMIT_keeps_and_UTIME_NOW_sets_the_present(string way)
    {
        using Scene s = ways.Open(way);
        s.P.WriteFile("f", "x"u8);
        s.P.SetTimes("f", new PosixTime(10, 1), new PosixTime(20, 2)).IsOk();
        s.P.SetTimes("f", PosixTime.Omit, new PosixTime(30, 3)).IsOk();
        Assert.Equal((new PosixTime(10, 1), new PosixTime(30, 3)), (s.P.Stat("f").Atime, s.P.Stat("f").Mtime));
        s.P.SetTimes("f", PosixTime.Now, PosixTime.Omit).IsOk();
        Assert.Equal(new PosixTime(30, 3), s.P.Stat("f").Mtime);
        long now = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        Assert.InRange(s.P.Stat("f").Atime.Seconds, now - 10, now + 1);
    }

    [Theory, EveryWay]
    public void Writing_moves_mtime_and_ctime_forward(string way)
    {
        using Scene s = ways.Open(way);
        s.P.WriteFile("f", "x"u8);
        s.P.SetTimes("f", new PosixTime(10, 0), new PosixTime(10, 0)).IsOk();
        PosixTime before = s.P.Stat("f").Ctime;

        // Until the host's clock, which goes by steps, has gone on.
        do
        {
            s.P.WriteFile("clock", "x"u8);
            s.P.Unlink("clock").IsOk();
            s.P.WriteFile("clock", "x"u8);
        }
        while (s.P.Stat("clock").Ctime == before);
        int fd = s.P.MustOpen("f", O_WRONLY);
        s.P.MustWrite(fd, "longer"u8);
        s.P.Close(fd).IsOk();
        FileStat after = s.P.Stat("f");
        Assert.True(after.Mtime.Seconds > 10);
        Assert.True((after.Ctime.Seconds, after.Ctime.Nanoseconds).CompareTo((before.Seconds, before.Nanoseconds)) > 0);
        Assert.Equal(6ul, after.Size);
    }
}
