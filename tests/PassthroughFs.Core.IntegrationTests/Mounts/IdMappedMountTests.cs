using System;
using System.IO;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Ways;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Mounts;

/// <summary>A mount that its administrator shows elsewhere under other ids: 0 as 100000, and so on.</summary>
public sealed class IdMappedMountTests
{
    // The map is a user namespace's. A child makes one and waits until the mount has it.
    private const string MountMapped = """
        import ctypes, os, struct, sys
        OPEN_TREE, MOVE_MOUNT, MOUNT_SETATTR, CLONE_NEWUSER = 428, 429, 442, 0x10000000
        libc = ctypes.CDLL(None, use_errno=True)
        def check(result, what):
            if result < 0:
                sys.exit(f"{what}: {os.strerror(ctypes.get_errno())}")
            return result
        made, ready = os.pipe()
        done, go = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(go)
            check(libc.unshare(CLONE_NEWUSER), "unshare")
            os.write(ready, b"x")
            os.read(done, 1)
            os._exit(0)
        os.close(ready)
        if os.read(made, 1) != b"x":
            sys.exit("no user namespace")
        for ids in "uid_map", "gid_map":
            with open(f"/proc/{child}/{ids}", "w") as file:
                file.write("0 100000 65536")
        namespace = os.open(f"/proc/{child}/ns/user", os.O_RDONLY)
        tree = check(libc.syscall(OPEN_TREE, -100, sys.argv[1].encode(), 1 | os.O_CLOEXEC), "open_tree")
        attributes = struct.pack("QQQQ", 0x100000, 0, 0, namespace)
        check(libc.syscall(MOUNT_SETATTR, tree, b"", 0x1000, attributes, len(attributes)), "mount_setattr")
        check(libc.syscall(MOVE_MOUNT, tree, b"", -100, sys.argv[2].encode(), 4), "move_mount")
        """;

    [Theory]
    [InlineData("")]
    [InlineData("--inode-file-handles mandatory --killpriv-v2 --xattr --cache always --writeback")]
    [InlineData("--shared")]
    [InlineData("--io-uring")]
    public void Files_have_the_mounts_ids_there_and_their_own_on_the_host(string options)
    {
        Require.Fuse();
        Require.That(Environment.OSVersion.Version >= new Version(6, 12), "Linux 6.12");
        using var source = new TempDirectory(Backing.Disk);
        using var at = new TempDirectory();
        using var mapped = new TempDirectory();
        Shell.Script("chmod 777 .; touch f; chown 5:6 f; mkdir d; chown 5:6 d", source.Path);
        string[] words = ["--allow-other", "--default-permissions", .. options.Split(' ', StringSplitOptions.RemoveEmptyEntries)];
        using MountProcess mount = MountProcess.Start(source.Path, at.Path, words);
        ShellResult result = Shell.Run("/usr/bin/python3", ["-c", MountMapped, at.Path, mapped.Path]);
        Assert.True(result.ExitCode == 0, result.All);
        try
        {
            Assert.Equal("100005:100006", Owner(mapped["f"]));
            Assert.Equal("5:6", Owner(at["f"]));

            // Whoever is 100005 there is the owner; root is nobody there, and makes nothing.
            AsUser(100005, "echo x > f; chmod 640 f; mkdir d/e; mv f d/g; ln -s to d/s; mkfifo d/p; touch own", mapped.Path);
            AsUser(100005, "cat d/g; truncate -s 0 d/g; rm d/p", mapped.Path);
            Assert.NotEqual(0, Shell.Run("touch", ["new"], mapped.Path).ExitCode);
            Assert.NotEqual(0, Shell.Run("setpriv", [.. User(100007), "touch", "d/new"], mapped.Path).ExitCode);
            Shell.Run("setpriv", [.. User(7), "touch", "plain"], at.Path);

            Assert.Equal("5:5", Owner(source["own"]));
            Assert.Equal("5:5", Owner(source["d/e"]));
            Assert.Equal("5:5", Owner(source["d/s"]));
            Assert.Equal("5:6", Owner(source["d/g"]));
            Assert.Equal("7:7", Owner(source["plain"]));
            Assert.Equal("100007:100007", Owner(mapped["plain"]));
            Assert.False(File.Exists(source["new"]));
        }
        finally
        {
            Shell.Run("umount", ["-l", mapped.Path]);
        }
    }

    private static string Owner(string path)
    {
        ShellResult result = Shell.Run("stat", ["-c", "%u:%g", path]);
        Assert.True(result.ExitCode == 0, result.All);
        return result.Out.Trim();
    }

    private static string[] User(int id) => ["--reuid", $"{id}", "--regid", $"{id}", "--clear-groups"];

    private static void AsUser(int id, string script, string directory)
    {
        ShellResult result = Shell.Run("setpriv", [.. User(id), "bash", "-euc", script], directory);
        Assert.True(result.ExitCode == 0, result.All);
    }
}
