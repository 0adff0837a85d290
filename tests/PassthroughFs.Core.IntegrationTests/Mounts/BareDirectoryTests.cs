using System.IO;
using System.Linq;
using System.Runtime.InteropServices;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Ways;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Mounts;

/// <summary>What programs find on a mount as they find it in the bare directory.</summary>
public sealed class BareDirectoryTests
{
    private const string Nobody = "setpriv --reuid 65534 --regid 65534 --clear-groups";

    [Theory]
    [InlineData("never")]
    [InlineData("prefer")]
    public void Where_the_host_checks_who_may_run_a_program_need_not_read_it(string handles)
    {
        Require.Program("setpriv");
        using var fixture = new MountFixture(Backing.Disk, "--allow-other", "--inode-file-handles", handles);
        string script = $$"""
            cp /bin/true runs && chmod 111 runs
            cp /bin/true group && chmod 710 group
            cp /bin/true reads && chmod 644 reads
            printf '#!/bin/sh\n' > script && chmod 111 script
            for name in runs group reads script; do
              code=0; {{Nobody}} sh -c "./$name; exit \$?" 2>/dev/null || code=$?
              echo "$name: $code"
            done
            {{Nobody}} cat runs >/dev/null 2>&1 && echo 'runs: read' || true
            """;
        ShellResult bare = Shell.Script(script, fixture.Source);
        ShellResult mount = Shell.Script(script, fixture.Path);
        Assert.True(mount.ExitCode == 0, mount.All);
        Assert.StartsWith("runs: 0\ngroup: 126\n", bare.Out, System.StringComparison.Ordinal);
        Assert.Equal(bare.Out, mount.Out);
    }

    [Theory]
    [InlineData]
    [InlineData("--cache", "always", "--writeback")]
    [InlineData("--passthrough")]
    [InlineData("--inode-file-handles", "prefer")]
    public void Files_whose_size_the_host_does_not_know_are_read_whole(params string[] options)
    {
        using var at = new TempDirectory();
        using MountProcess mount = MountProcess.Start("/proc", at.Path, options);
        ShellResult result = Shell.Script(CompareUnsized, at.Path);
        Assert.True(result.ExitCode == 0, result.All);
    }

    [Fact]
    public void Files_of_sysfs_and_of_trees_are_read_whole_too()
    {
        using var at = new TempDirectory();
        using var second = new TempDirectory();
        using MountProcess mount = MountProcess.StartTree(["/proc=/proc", "/sys=/sys"], at.Path);
        ShellResult result = Shell.Script(CompareUnsized, at["proc"]);
        Assert.True(result.ExitCode == 0, result.All);

        // A mount of the mount does not know what is below that.
        using MountProcess onTop = MountProcess.Start(at["proc"], second.Path);
        result = Shell.Script(CompareUnsized, second.Path);
        Assert.True(result.ExitCode == 0, result.All);
        foreach (string name in new[] { "kernel/mm/transparent_hugepage/enabled", "devices/system/cpu/possible" })
        {
            result = Shell.Script($"cmp '/sys/{name}' 'sys/{name}' && test \"$(tail -c 1 'sys/{name}')\" = ''", at.Path);
            Assert.True(result.ExitCode == 0, result.All);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_source_that_is_read_only_on_the_host_is_mounted_read_only(bool tree)
    {
        using var source = new TempDirectory();
        using var at = new TempDirectory();
        File.WriteAllText(source["file"], "content");
        ShellResult bind = Shell.Script("mount --bind . . && mount -o remount,bind,ro .", source.Path);
        Assert.True(bind.ExitCode == 0, bind.All);
        try
        {
            string file = at[tree ? "in/file" : "file"];
            string[] options = ["--allow-other", "--default-permissions"];
            using MountProcess mount = tree
                ? MountProcess.StartTree([$"/in={source.Path}"], at.Path, options)
                : MountProcess.Start(source.Path, at.Path, options);
            const int write = 2;
            Assert.Equal(Errno.EROFS, Access(source["file"], write));
            Assert.Equal(Errno.EROFS, Access(file, write));
            Assert.Equal(Errno.OK, Access(file, 4));
            Assert.Contains("read-only", mount.Error, System.StringComparison.Ordinal);
        }
        finally
        {
            Shell.Run("umount", ["-l", source.Path]);
        }
    }

    [Fact]
    public void A_tree_with_one_directory_that_can_be_written_is_not_read_only()
    {
        using var source = new TempDirectory();
        using var at = new TempDirectory();
        using MountProcess mount = MountProcess.StartTree(["/proc=/proc/sys", $"/in={source.Path}"], at.Path);
        File.WriteAllText(at["in/file"], "content");
        Assert.Equal("content", File.ReadAllText(source["file"]));
    }

    [Theory]
    [InlineData(Backing.Disk, "mandatory")]
    [InlineData(Backing.Tmpfs, "mandatory")]
    [InlineData(Backing.Disk, "prefer")]
    [InlineData(Backing.Tmpfs, "adaptive", "--fd-budget", "8")]
    [InlineData(Backing.Disk, "adaptive", "--fd-budget", "8")]
    [InlineData(Backing.Disk, "never")]
    public unsafe void What_was_removed_is_there_for_who_holds_it(
        Backing backing, string handles, params string[] options)
    {
        using var fixture = new MountFixture(
            backing, ["--attr-timeout", "0", "--inode-file-handles", handles, .. options]);
        string[] held = ["file", "directory", "replaced", "stays"];
        Directory.CreateDirectory(fixture.Source + "/directory");
        foreach (string name in new[] { "file", "replaced", "stays", "source" })
        {
            File.WriteAllText(Path.Combine(fixture.Source, name), name);
        }

        int[] fds = [.. held.Select(name =>
            Native.Open(Bytes.Z(Path.Combine(fixture.Path, name)), (int)(Linux.O_PATH | Linux.O_CLOEXEC), 0))];
        Assert.DoesNotContain(fds, fd => fd < 0);
        for (int i = 0; i < 40; i++)
        {
            // Others, so that none of these has a descriptor where there are few.
            File.WriteAllText(Path.Combine(fixture.Source, $"other {i}"), "");
            Assert.True(File.Exists(Path.Combine(fixture.Path, $"other {i}")));
        }

        File.Delete(Path.Combine(fixture.Path, "file"));
        Directory.Delete(Path.Combine(fixture.Path, "directory"));
        File.Move(Path.Combine(fixture.Path, "source"), Path.Combine(fixture.Path, "replaced"), overwrite: true);
        byte* stat = stackalloc byte[256];
        for (int i = 0; i < fds.Length; i++)
        {
            int result = Native.Statx(fds[i], Bytes.Z(""), Native.AT_EMPTY_PATH, 0x7FF, stat);
            Assert.True(result == 0, $"{held[i]}: {(Errno)Marshal.GetLastPInvokeError()}");
            Assert.Equal(held[i] == "stays" ? 1u : 0u, *(uint*)(stat + 16) & (held[i] == "directory" ? 0u : ~0u));
            _ = Native.Close(fds[i]);
        }
    }

    // What it says of itself does not change between two reads.
    private const string CompareUnsized = """
        for name in version filesystems sys/kernel/ostype; do
          cat "$name" | cmp - "/proc/$name"
          copy=$(mktemp)
          cp "$name" "$copy" && cmp "$copy" "/proc/$name" || { rm "$copy"; exit 1; }
          rm "$copy"
        done
        """;

    private static Errno Access(string path, int mode) =>
        Native.FAccessAt(Native.AT_FDCWD, Bytes.Z(path), mode, 0) == 0
            ? Errno.OK
            : (Errno)Marshal.GetLastPInvokeError();
}
