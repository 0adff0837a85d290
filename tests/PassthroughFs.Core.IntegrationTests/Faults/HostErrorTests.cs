using System;
using System.Collections.Generic;
using System.IO;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Posix;
using PassthroughFs.Core.IntegrationTests.Ways;
using Xunit;
using static PassthroughFs.Core.Api.Linux;

namespace PassthroughFs.Core.IntegrationTests.Faults;

/// <summary>Errors of file systems of a disk, as servers have them: quotas, and any error at any call.</summary>
public sealed class HostErrorTests
{
    private const int Page = 4096;

    private static readonly byte[] s_long = Bytes.Pattern(4 << 20);

    private const string AllOk = "fsync OK, again OK, close OK";

    [Theory]
    [InlineData("")]
    [InlineData("--cache never")]
    [InlineData("--writeback")]
    [InlineData("--io-uring")]
    [InlineData("--cache always --no-open")]
    public void An_error_of_a_call_on_a_disk_is_the_callers(string options)
    {
        using var fixture = new MountFixture(Backing.Disk, options.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        using var mounted = new HostPosix(fixture.Path);
        string file = Path.Combine(fixture.Source, "f");
        File.WriteAllBytes(Path.Combine(fixture.Source, "from"), Scenarios.Content);
        const string writes = "pwrite64,pwritev,pwritev2";
        string buffered = options == "--writeback"
            ? $"write OK {Scenarios.Size}, fsync E, again OK, close OK"
            : $"write E 0, {AllOk}";
        (string Calls, string Scenario, string Expected)[] faults =
        [
            (writes, "write", buffered),
            (writes, "append", buffered),
            (writes, "direct", $"write E 0, {AllOk}"),
            (writes, "mapping", $"msync E, {AllOk}"),
            ("copy_file_range", "copy", $"copy E 0, {AllOk}"),
            ("fallocate", "fallocate", $"E, {AllOk}"),
            ("ftruncate", "truncate", $"E, {AllOk}"),
            ("fsync,fdatasync", "write", $"write OK {Scenarios.Size}, fsync E, again E, close OK"),
            ("fsync,fdatasync", "mapping", "msync E, fsync E, again E, close OK"),
        ];
        var wrong = new List<string>();
        foreach (Errno errno in new[] { Errno.EIO, Errno.EDQUOT })
        {
            foreach ((string calls, string scenario, string expected) in faults)
            {
                File.WriteAllBytes(file, []);
                using var errors = new InjectedErrors(fixture.Mount.Pid, file, calls, errno);
                string said = Scenarios.All[scenario](mounted);
                string right = expected.Replace("E,", $"{errno},", StringComparison.Ordinal)
                    .Replace("E 0", $"{errno} 0", StringComparison.Ordinal);
                if (said != right)
                {
                    wrong.Add($"{calls} {scenario}: {said}; expected {right}");
                }
            }
        }

        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
    }

    [Theory]
    [InlineData("")]
    [InlineData("--cache never")]
    [InlineData("--writeback")]
    [InlineData("--io-uring")]
    [InlineData("--cache always --no-open")]
    public void A_disk_that_cannot_be_read_to_the_end_gives_no_shorter_copy(string options)
    {
        using var fixture = new MountFixture(Backing.Disk, options.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        string file = Path.Combine(fixture.Source, "f");
        File.WriteAllBytes(file, Bytes.Pattern(4 << 20));
        using var copies = new TempDirectory();
        using var errors = new InjectedErrors(fixture.Mount.Pid, file, "pread64,preadv", Errno.EIO, when: "3+");
        ShellResult copied = Shell.Run("cp", [Path.Combine(fixture.Path, "f"), copies["f"]]);
        Assert.Equal(1, copied.ExitCode);
        Assert.Contains("Input/output error", copied.Error, StringComparison.Ordinal);
    }

    /// <summary>How many pages are as they were written; all others are holes.</summary>
    private static int CountWritten(ReadOnlySpan<byte> content)
    {
        int written = 0;
        for (int at = 0; at < content.Length; at += Page)
        {
            ReadOnlySpan<byte> page = content.Slice(at, Math.Min(Page, content.Length - at));
            bool isHole = !page.ContainsAnyExcept((byte)0);
            Assert.True(isHole || page.SequenceEqual(s_long.AsSpan(at, page.Length)), $"the page at {at} is neither");
            written += isHole ? 0 : 1;
        }

        return written;
    }

    [Theory]
    [InlineData("")]
    [InlineData("--cache never")]
    [InlineData("--writeback")]
    [InlineData("--passthrough")]
    [InlineData("--io-uring")]
    [InlineData("--cache always --no-open")]
    public void A_quota_is_EDQUOT_and_what_was_written_is_there(string options)
    {
        Require.Fuse();
        Require.Program("mkfs.btrfs", "btrfs");
        using var disk = new ScratchDisk(200 << 20, "mkfs.btrfs", "-q");
        disk.Run("btrfs", "quota", "enable", disk.Path);

        // What one has used, it may take long to give back: a directory of its own for each.
        string[] limited = ["write", "direct", "fallocate", "mapping"];
        foreach (string name in limited)
        {
            disk.Run("btrfs", "subvolume", "create", disk[name]);
            disk.Run("btrfs", "qgroup", "limit", "1M", disk[name]);
        }

        using var at = new TempDirectory();
        using MountProcess mount = MountProcess.Start(
            disk.Path, at.Path, options.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        using var watchdog = new Watchdog(mount);
        using var mounted = new HostPosix(at.Path);
        bool collects = options == "--writeback";
        foreach ((string name, uint flags) in new[] { ("write", 0u), ("direct", O_DIRECT) })
        {
            int fd = mounted.MustOpen($"{name}/f", O_RDWR | O_CREAT | flags, 0x1A4);
            (Errno written, long length) = WriteUntil(mounted, fd, 4 << 20);
            Errno synced = mounted.FSync(fd, false);
            mounted.Close(fd).IsOk();
            (Errno, Errno) expected = collects && flags == 0 ? (Errno.OK, Errno.EDQUOT) : (Errno.EDQUOT, Errno.OK);
            Assert.Equal((name, expected), (name, (written, synced)));
            byte[] content = File.ReadAllBytes(disk[$"{name}/f"]);
            Assert.True(collects || content.Length >= length, $"{content.Length} bytes of {length}");
            if (collects && flags == 0)
            {
                // The client's kernel has sent one part after the other, whatever became of those before: what the host
                // did not take is a hole, and fsync has said so.
                Assert.InRange(CountWritten(content), 1, (1 << 20) / Page);
                continue;
            }

            Assert.Equal(content.Length, content.AsSpan().CommonPrefixLength(s_long.AsSpan()));
            Assert.InRange(content.Length, 1, 1 << 20);
        }

        int reserved = mounted.MustOpen("fallocate/f", O_RDWR | O_CREAT, 0x1A4);
        mounted.FAllocate(reserved, 0, 0, 4 << 20).Is(Errno.EDQUOT);
        Assert.Equal(0, new FileInfo(disk["fallocate/f"]).Length);
        mounted.Close(reserved).IsOk();

        if (options == "--passthrough")
        {
            // A mapping is the host's own there, and the store itself ends the program, as in the bare directory.
            return;
        }

        int mapped = mounted.MustOpen("mapping/f", O_RDWR | O_CREAT, 0x1A4);
        Scenarios.Store(mounted, mapped, s_long).Is(Errno.EDQUOT);
        mounted.Close(mapped);
    }

    private static (Errno Errno, long Length) WriteUntil(HostPosix p, int fd, int end)
    {
        const int piece = 64 << 10;
        using var buffer = new AlignedBuffer(piece);
        for (int length = 0; length < end;)
        {
            s_long.AsSpan(length, piece).CopyTo(buffer.Span);
            Errno errno = p.PWrite(fd, buffer.Span, length, out int count);
            length += count;
            if (errno != Errno.OK || count < piece)
            {
                // A short count is followed by the reason.
                errno = errno == Errno.OK ? p.PWrite(fd, buffer.Span, length, out count) : errno;
                return (errno, length + count);
            }
        }

        return (Errno.OK, end);
    }
}
