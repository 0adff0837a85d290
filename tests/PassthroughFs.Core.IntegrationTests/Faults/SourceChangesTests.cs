using System;
using System.Collections.Generic;
using System.IO;
using System.Threading;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Posix;
using PassthroughFs.Core.IntegrationTests.Ways;
using Xunit;
using static PassthroughFs.Core.Api.Linux;

namespace PassthroughFs.Core.IntegrationTests.Faults;

/// <summary>The disk below a mount is unmounted, becomes read-only, or is full.</summary>
public sealed class SourceChangesTests
{
    private const long Room = 3 << 20;

    [Theory]
    [InlineData("--inode-file-handles never")]
    [InlineData("--inode-file-handles mandatory")]
    [InlineData("--inode-file-handles adaptive --cache never")]
    [InlineData("--writeback")]
    public void A_source_that_is_unmounted_is_served_on_and_freed_at_the_end(string options)
    {
        Require.Fuse();
        using var disk = new ScratchDisk(16 << 20, "mkfs.ext4", "-q");
        File.WriteAllText(disk["f"], "before");
        Directory.CreateDirectory(disk["d"]);
        using var at = new TempDirectory();
        using (MountProcess mount = MountProcess.Start(disk.Path, at.Path, options.Split(' ')))
        {
            using var watchdog = new Watchdog(mount);
            Assert.Equal("before", File.ReadAllText(at["f"]));
            disk.Run("umount", "-l", disk.Path);

            // As for a program whose working directory it is.
            Assert.Empty(Directory.GetFileSystemEntries(disk.Path));
            File.WriteAllText(at["d/new"], "after");
            Assert.Equal("after", File.ReadAllText(at["d/new"]));
            Assert.Equal("before", File.ReadAllText(at["f"]));
            File.Move(at["d/new"], at["new"]);
            Assert.Equal(["d", "f", "lost+found", "new"], Names(at.Path));
        }

        // It is nobody's any more, so that it can be checked, and what was written is there.
        disk.Remount();
        Assert.Equal("after", File.ReadAllText(disk["new"]));
    }

    [Theory]
    [InlineData("", "ro,bind")]
    [InlineData("", "ro")]
    [InlineData("--cache never --inode-file-handles mandatory", "ro,bind")]
    [InlineData("--writeback", "ro")]
    [InlineData("--passthrough", "ro,bind")]
    public void A_source_that_becomes_read_only_says_what_the_bare_directory_says(string options, string flags)
    {
        Require.Fuse();
        using var disk = new ScratchDisk(16 << 20, "mkfs.ext4", "-q");
        File.WriteAllText(disk["f"], "before");
        Directory.CreateDirectory(disk["d"]);
        using var at = new TempDirectory();
        using MountProcess mount = MountProcess.Start(
            disk.Path, at.Path, [.. options.Split(' ', StringSplitOptions.RemoveEmptyEntries), "--xattr"]);
        using var watchdog = new Watchdog(mount);
        using var bare = new HostPosix(disk.Path);
        using var mounted = new HostPosix(at.Path);
        mounted.LStat("f", out _).IsOk();
        disk.Run("mount", "-o", $"remount,{flags}", disk.Path);
        (string Name, Func<HostPosix, Errno> Call)[] calls =
        [
            ("read", p => p.Open("f", O_RDONLY, 0, out _)),
            ("write", p => p.Open("f", O_RDWR, 0, out _)),
            ("truncating open", p => p.Open("f", O_WRONLY | O_TRUNC, 0, out _)),
            ("create", p => p.Open("new", O_RDWR | O_CREAT, 0x1A4, out _)),
            ("create of what is there", p => p.Open("f", O_RDONLY | O_CREAT, 0x1A4, out _)),
            ("mkdir", p => p.Mkdir("new", 0x1C0)),
            ("mknod", p => p.Mknod("new", S_IFIFO | 0x180, 0)),
            ("symlink", p => p.Symlink("f", "new")),
            ("link", p => p.Link("f", "new")),
            ("unlink", p => p.Unlink("f")),
            ("rmdir", p => p.Rmdir("d")),
            ("rename", p => p.Rename("f", "new", 0)),
            ("chmod", p => p.Chmod("f", 0x180)),
            ("truncate", p => p.Truncate("f", 3)),
            ("setxattr", p => p.SetXattr("f", "user.x", "y"u8, 0)),
        ];
        var wrong = new List<string>();
        foreach ((string name, Func<HostPosix, Errno> call) in calls)
        {
            Errno expected = call(bare);
            Errno said = call(mounted);
            if (expected != said)
            {
                wrong.Add($"{name}: {said} instead of {expected}");
            }
        }

        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
        Assert.Equal(Errno.EROFS, calls[1].Call(bare));
        disk.Run("mount", "-o", flags == "ro" ? "remount,rw" : "remount,rw,bind", disk.Path);
        File.WriteAllText(at["f"], "after");
        Assert.Equal("after", File.ReadAllText(disk["f"]));
    }

    [Theory]
    [InlineData("mkfs.ext4 -q", 16, "")]
    [InlineData("mkfs.ext4 -q", 16, "--writeback")]
    [InlineData("mkfs.ext4 -q", 16, "--io-uring")]
    [InlineData("mkfs.xfs -q", 320, "")]
    [InlineData("mkfs.xfs -q", 320, "--writeback")]
    [InlineData("mkfs.btrfs -q", 120, "")]
    public void A_full_disk_says_so_and_goes_on_when_there_is_room(string format, int megabytes, string options)
    {
        Require.Fuse();
        string[] words = format.Split(' ');
        Require.FileSystem(words[0].Split('.')[1]);
        using var disk = new ScratchDisk((long)megabytes << 20, words);
        using var at = new TempDirectory();
        using MountProcess mount = MountProcess.Start(
            disk.Path, at.Path, options.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        using var watchdog = new Watchdog(mount, 120);
        using var mounted = new HostPosix(at.Path);
        byte[] some = Bytes.Pattern(1 << 16);
        (Errno Bare, Errno Mounted) said;
        using (var bare = new HostPosix(disk.Path))
        {
            Fill(bare, "ballast", some, Room);
            said.Bare = Fill(bare, "f", some, 0);
            bare.Unlink("f").IsOk();
            disk.Run("sync", "-f", disk.Path);
            said.Mounted = Fill(mounted, "f", some, 0);
        }

        Assert.Equal((Errno.ENOSPC, Errno.ENOSPC), said);
        byte[] content = File.ReadAllBytes(disk["f"]);
        for (int i = 0; i < content.Length; i += some.Length)
        {
            int length = Math.Min(some.Length, content.Length - i);
            Assert.True(content.AsSpan(i, length).SequenceEqual(some.AsSpan(0, length)), $"other bytes at {i}");
        }

        File.Delete(at["ballast"]);
        File.Delete(at["f"]);

        // The client says in the background that it has closed them, and btrfs gives room back in its own time.
        Assert.True(SpinWait.SpinUntil(() => TryWrite(disk, at["g"]), TimeSpan.FromMinutes(1)), "there is no room again");
        Assert.Equal("room", File.ReadAllText(disk["g"]));
    }

    private static bool TryWrite(ScratchDisk disk, string path)
    {
        disk.Run("sync", "-f", disk.Path);
        try
        {
            File.WriteAllText(path, "room");
            return true;
        }
        catch (IOException e) when ((e.HResult & 0xFFFF) == (int)Errno.ENOSPC)
        {
            return false;
        }
    }

    // Until there is an error, of a write or of fsync, or so much is left.
    private static Errno Fill(HostPosix p, string name, byte[] some, long left)
    {
        int fd = p.MustOpen(name, O_RDWR | O_CREAT, 0x1A4);
        Errno errno = Errno.OK;
        for (int i = 0; errno == Errno.OK && (left == 0 || new DriveInfo(p.Root).AvailableFreeSpace > left); i++)
        {
            errno = p.Write(fd, some, out _);
            errno = errno == Errno.OK && i % 8 == 7 ? p.FSync(fd, false) : errno;
        }

        _ = p.Close(fd);
        return errno;
    }

    private static string[] Names(string directory)
    {
        string[] names = [.. Directory.GetFileSystemEntries(directory)];
        Array.Sort(names, StringComparer.Ordinal);
        return Array.ConvertAll(names, name => Path.GetFileName(name)!);
    }
}
