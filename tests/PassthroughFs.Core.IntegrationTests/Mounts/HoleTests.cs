using System;
using System.IO;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Posix;
using PassthroughFs.Core.IntegrationTests.Ways;
using Xunit;
using static PassthroughFs.Core.Api.Linux;
using static PassthroughFs.Core.IntegrationTests.Posix.Octal;

namespace PassthroughFs.Core.IntegrationTests.Mounts;

/// <summary>Who says what is data and what is a hole.</summary>
public sealed class HoleTests
{
    private const int Size = 1 << 20;

    private static readonly string[] s_hour = ["--attr-timeout", "3600", "--entry-timeout", "3600"];

    [Theory]
    [InlineData("--writeback")]
    [InlineData("--writeback", "--cache", "always")]
    [InlineData("--writeback", "--io-uring")]
    [InlineData("--writeback", "--killpriv-v2", "--inode-file-handles", "mandatory")]
    public void What_the_client_has_not_written_yet_is_no_hole(params string[] options)
    {
        using var fixture = new MountFixture(Backing.Disk, options);
        AssertNothingIsHidden(fixture.Path);
    }

    [Fact]
    public void What_the_client_has_not_written_yet_is_no_hole_in_any_directory_of_a_tree()
    {
        Require.Fuse();
        using var first = new TempDirectory(Backing.Disk);
        using var second = new TempDirectory(Backing.Tmpfs);
        using var at = new TempDirectory();
        using MountProcess mount = MountProcess.StartTree(
            [$"/a={first.Path}", $"/b={second.Path}"], at.Path, "--writeback");
        AssertNothingIsHidden(at["a"]);
        AssertNothingIsHidden(at["b"]);
    }

    [Theory]
    [InlineData("auto")]
    [InlineData("always")]
    [InlineData("never")]
    public void Without_writeback_the_host_says_where_data_are_whatever_size_the_client_remembers(string cache)
    {
        using var fixture = new MountFixture(Backing.Disk, ["--cache", cache, .. s_hour]);
        using var p = new HostPosix(fixture.Path);
        using var host = new HostPosix(fixture.Source);
        int onHost = host.MustOpen("f", O_RDWR | O_CREAT, O(644));
        host.PWrite(onHost, Bytes.Pattern(4096), 0, out _).IsOk();
        host.FTruncate(onHost, Size).IsOk();
        int fd = p.MustOpen("f", O_RDWR);
        p.FStat(fd, out _).IsOk();

        // Others make the file longer, then shorter than the client believes.
        host.PWrite(onHost, Bytes.Pattern(4096), 2 * Size, out _).IsOk();
        AssertSame(Size, SEEK_DATA);
        AssertSame(Size, SEEK_HOLE);
        AssertSame(3 * Size, SEEK_DATA);
        host.FTruncate(onHost, 4096).IsOk();
        AssertSame(0, SEEK_DATA);
        AssertSame(0, SEEK_HOLE);
        AssertSame(8192, SEEK_DATA);
        AssertSame(8192, SEEK_HOLE);

        void AssertSame(long offset, uint whence)
        {
            Errno expected = host.LSeek(onHost, offset, whence, out long onBare);
            Errno seen = p.LSeek(fd, offset, whence, out long found);
            Assert.Equal((expected, onBare), (seen, found));
        }
    }

    private static void AssertNothingIsHidden(string directory)
    {
        Require.Program("cp");
        using var p = new HostPosix(directory);
        int fd = p.MustOpen("sparse", O_RDWR | O_CREAT, O(644));
        p.FTruncate(fd, Size).IsOk();
        p.PWrite(fd, Bytes.Pattern(65536), Size / 2, out _).IsOk();

        // Nothing has been written back. A whole file is data then, as for any file system that knows no better.
        p.LSeek(fd, 0, SEEK_DATA, out long offset).IsOk();
        Assert.Equal(0, offset);
        p.LSeek(fd, Size / 2, SEEK_DATA, out offset).IsOk();
        Assert.Equal(Size / 2, offset);
        p.LSeek(fd, Size / 2, SEEK_HOLE, out offset).IsOk();
        Assert.Equal(Size, offset);
        p.LSeek(fd, Size, SEEK_DATA, out _).Is(Errno.ENXIO);
        p.LSeek(fd, Size + 1, SEEK_HOLE, out _).Is(Errno.ENXIO);

        ShellResult copied = Shell.Run("cp", ["sparse", "copy"], directory);
        Assert.True(copied.ExitCode == 0, copied.All);
        byte[] copy = File.ReadAllBytes(Path.Combine(directory, "copy"));
        Assert.Equal(Size, copy.Length);
        Assert.Equal(Bytes.Pattern(65536), copy[(Size / 2)..((Size / 2) + 65536)]);
        Assert.Equal(-1, copy.AsSpan(0, Size / 2).IndexOfAnyExcept((byte)0));
    }
}
