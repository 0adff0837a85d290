using System;
using System.IO;
using System.Text.RegularExpressions;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Posix;
using PassthroughFs.Core.IntegrationTests.Ways;
using Xunit;
using static PassthroughFs.Core.Api.Linux;

namespace PassthroughFs.Core.IntegrationTests.Faults;

/// <summary>A disk that takes what is written and fails later, when it is to be kept.</summary>
public sealed class LateErrorTests
{
    [Theory]
    [InlineData("")]
    [InlineData("--cache never")]
    [InlineData("--writeback")]
    [InlineData("--passthrough")]
    [InlineData("--io-uring")]
    [InlineData("--cache always --no-open")]
    [InlineData("--inode-file-handles mandatory")]
    public void What_a_disk_could_not_keep_fsync_says_as_on_the_disk_itself(string options)
    {
        Require.Fuse();
        string bare = OnFullDisk(Describe);
        string mounted = OnFullDisk(directory =>
        {
            using var at = new TempDirectory();
            using MountProcess mount = MountProcess.Start(
                directory, at.Path, options.Split(' ', StringSplitOptions.RemoveEmptyEntries));
            using var watchdog = new Watchdog(mount);
            return Describe(at.Path);
        });
        Assert.Matches("^fsync E[A-Z]+ OK, another's E", bare);
        if (options.Contains("--no-open", StringComparison.Ordinal))
        {
            // The server has no open file for each of the client's: whoever asks first is told.
            bare = Regex.Replace(bare, "another's E[A-Z]+", "another's OK");
        }

        Assert.Equal(bare, mounted);
    }

    /// <summary>A disk in a file that the host has no room for: what is written to the disk cannot be kept.</summary>
    private static string OnFullDisk(Func<string, string> work)
    {
        using var room = new TempDirectory(Backing.Tmpfs);
        Shell.Run("mount", ["-t", "tmpfs", "-o", "size=8m", "room", room.Path]);
        try
        {
            using var disk = new ScratchDisk(room.Path, 64 << 20, "mkfs.ext4", "-q", "-O", "^has_journal");
            FillUp(room["fill"]);
            return work(disk.Path);
        }
        finally
        {
            Shell.Run("umount", ["-l", room.Path]);
        }
    }

    private static string Describe(string directory)
    {
        byte[] data = new byte[4 << 20];
        data.AsSpan().Fill(1);
        using var p = new HostPosix(directory);
        int fd = p.MustOpen("f", O_RDWR | O_CREAT, 0x1A4);
        int another = p.MustOpen("f", O_RDONLY);
        p.MustWrite(fd, data);

        // Each open file is told, once.
        string said = $"fsync {p.FSync(fd, false)} {p.FSync(fd, false)}, another's {p.FSync(another, false)} " +
            $"{p.FSync(another, false)}, close {p.Close(fd)} {p.Close(another)}";
        int mapped = p.MustOpen("m", O_RDWR | O_CREAT, 0x1A4);
        return said + $", msync {Scenarios.Store(p, mapped, data)}, close {p.Close(mapped)}";
    }

    private static void FillUp(string path)
    {
        using FileStream file = new(path, FileMode.Create, FileAccess.Write, FileShare.None, 0);
        byte[] some = new byte[4096];
        try
        {
            while (true)
            {
                file.Write(some);
            }
        }
        catch (IOException)
        {
            // There is no more room.
        }
    }
}
