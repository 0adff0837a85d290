using System;
using System.IO;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Ways;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Mounts;

/// <summary>btrfs gives the device number of a subvolume that was removed to the next one.</summary>
public sealed class SubvolumeTests
{
    [Theory]
    [InlineData]
    [InlineData("--shared")]
    [InlineData("--inode-file-handles", "never")]
    [InlineData("--inode-file-handles", "mandatory", "--use-host-ino")]
    [InlineData("--enable-mntid")]
    public void A_subvolume_is_not_the_one_that_had_its_device_number(params string[] options)
    {
        Require.Fuse();
        Require.FileSystem("btrfs");
        Require.Program("btrfs");
        using var disk = new ScratchDisk(400 << 20, "mkfs.btrfs", "-q");
        using var at = new TempDirectory();
        using MountProcess mount = MountProcess.Start(
            disk.Path, at.Path, [.. options, .. options is ["--shared"] ? Array.Empty<string>()
                : ["--entry-timeout", "0", "--attr-timeout", "0"]]);
        string device = "";
        bool comesAgain = false;
        for (int i = 0; i < 4; i++)
        {
            disk.Run("btrfs", "subvolume", "create", disk["v"]);
            File.WriteAllText(disk["v/f"], $"of {i}");
            string now = disk.Run("stat", "-c", "%d", disk["v"]);
            comesAgain |= now == device;
            device = now;
            Assert.Equal($"of {i}", File.ReadAllText(at["v/f"]));

            // Somebody still stands in it when it goes.
            using var inside = new FileStream(at["v/f"], FileMode.Open);
            disk.Run("btrfs", "subvolume", "delete", disk["v"]);
        }

        Require.That(comesAgain, "a kernel that gives device numbers again at once");
    }
}
