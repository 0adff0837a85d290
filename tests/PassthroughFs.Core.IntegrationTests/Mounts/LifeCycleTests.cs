using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Ways;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Mounts;

/// <summary>How the mount program comes, goes, and says what is wrong.</summary>
public sealed class LifeCycleTests
{
    [Theory]
    [InlineData(Native.SIGINT)]
    [InlineData(Native.SIGTERM)]
    public void It_serves_until_a_signal_and_leaves_nothing_behind(int signal)
    {
        using var source = new TempDirectory();
        using var at = new TempDirectory();
        File.WriteAllText(source["f"], "served");
        using MountProcess mount = MountProcess.Start(source.Path, at.Path);
        Assert.Equal("served", File.ReadAllText(at["f"]));
        mount.Signal(signal);
        Assert.Equal(0, mount.AwaitExit());
        Assert.False(MountProcess.IsMounted(at.Path));
        Assert.Equal("", mount.Error);
        Assert.Empty(Directory.GetFileSystemEntries(at.Path));
    }

    [Fact]
    public void An_unmount_from_outside_ends_it_with_exit_code_0()
    {
        using var source = new TempDirectory();
        using var at = new TempDirectory();
        using MountProcess mount = MountProcess.Start(source.Path, at.Path);
        Assert.Equal(0, Shell.Run("umount", [at.Path], timeoutSeconds: 20).ExitCode);
        Assert.Equal(0, mount.AwaitExit());
        Assert.Equal("", mount.Error);
    }

    [Fact]
    public void A_killed_server_can_be_unmounted_and_mounted_again()
    {
        using var source = new TempDirectory();
        using var at = new TempDirectory();
        File.WriteAllText(source["f"], "served");
        using (MountProcess mount = MountProcess.Start(source.Path, at.Path))
        {
            mount.Signal(Native.SIGKILL);
            Assert.NotEqual(0, mount.AwaitExit());
            Assert.Throws<IOException>(() => File.ReadAllText(at["f"]));
            Assert.Equal(0, Shell.Run("umount", [at.Path], timeoutSeconds: 20).ExitCode);
        }

        using MountProcess again = MountProcess.Start(source.Path, at.Path);
        Assert.Equal("served", File.ReadAllText(at["f"]));
    }

    [Fact]
    public void A_signal_ends_it_while_files_are_open()
    {
        using var source = new TempDirectory();
        using var at = new TempDirectory();
        File.WriteAllText(source["f"], "served");
        using MountProcess mount = MountProcess.Start(source.Path, at.Path);
        using FileStream open = File.OpenRead(at["f"]);
        mount.Signal(Native.SIGTERM);
        Assert.Equal(0, mount.AwaitExit());
        Assert.False(MountProcess.IsMounted(at.Path));
    }

    public static TheoryData<string, string[], int> Faults => new()
    {
        { "source is missing", ["{tmp}/missing", "{tmp}/at"], 1 },
        { "source is a file", ["{tmp}/file", "{tmp}/at"], 1 },
        { "mount point is missing", ["{tmp}/source", "{tmp}/missing"], 1 },
        { "mount point is a file", ["{tmp}/source", "{tmp}/file"], 1 },
        { "unknown option", ["--no-such-option", "{tmp}/source", "{tmp}/at"], 2 },
        { "unknown cache policy", ["--cache", "sometimes", "{tmp}/source", "{tmp}/at"], 2 },
        { "bad timeout", ["--entry-timeout", "soon", "{tmp}/source", "{tmp}/at"], 2 },
        { "negative timeout", ["--attr-timeout", "-1", "{tmp}/source", "{tmp}/at"], 2 },
        { "conflict", ["--read-only", "--cache", "always", "--writeback", "{tmp}/source", "{tmp}/at"], 2 },
        { "no mount point", ["{tmp}/source"], 2 },
        { "nothing", [], 2 },
        { "too much", ["{tmp}/source", "{tmp}/at", "more"], 2 },
        { "unknown -o", ["-o", "nosuchthing=1", "{tmp}/source", "{tmp}/at"], 2 },
    };

    [Theory, MemberData(nameof(Faults))]
    public void A_fault_is_one_line_on_stderr_and_an_exit_code(string fault, string[] arguments, int exitCode)
    {
        Require.Fuse();
        using var temp = new TempDirectory();
        Directory.CreateDirectory(temp["source"]);
        Directory.CreateDirectory(temp["at"]);
        File.WriteAllText(temp["file"], "x");
        ShellResult result = Run([.. arguments.Select(a => a.Replace("{tmp}", temp.Path, StringComparison.Ordinal))]);
        Assert.True(result.ExitCode == exitCode, $"{fault}: {result.All}");
        Assert.True(
            result.Error.TrimEnd().Length > 0 && !result.Error.TrimEnd().Contains('\n', StringComparison.Ordinal),
            $"{fault}: {result.All}");
        Assert.DoesNotContain("   at ", result.All, StringComparison.Ordinal);
        Assert.Equal("", result.Out);
        Assert.False(MountProcess.IsMounted(temp["at"]));
    }

    [Fact]
    public void Help_and_version_say_what_they_should()
    {
        ShellResult help = Run(["--help"]);
        Assert.Equal((0, ""), (help.ExitCode, help.Error));
        foreach (string option in new[]
        {
            "--cache", "--entry-timeout", "--attr-timeout", "--writeback", "--xattr", "--no-open", "--no-opendir",
            "--killpriv-v2", "--inode-file-handles", "--use-host-ino", "--seal-size", "--no-readdir", "--read-only",
            "--allow-other", "--default-permissions", "--passthrough", "--posix-locks", "--flock-locks", "--io-uring", "--threads", "--fsname",
            "--version",
        })
        {
            Assert.Contains(option, help.Out, StringComparison.Ordinal);
        }

        ShellResult version = Run(["--version"]);
        Assert.Equal((0, ""), (version.ExitCode, version.Error));
        Assert.Matches(@"\d+\.\d+\.\d+", version.Out);
    }

    [Fact]
    public void Options_of_mount_8_are_understood()
    {
        using var source = new TempDirectory();
        using var at = new TempDirectory();
        File.WriteAllText(source["f"], "x");
        string options = "rw,nosuid,nodev,allow_other,default_permissions,cache=always,entry_timeout=1.5,fsname=name";
        using MountProcess mount = MountProcess.Launch(
            source.Path, at.Path, [.. MountProcess.Command, source.Path, at.Path, "-o", options]);
        mount.AwaitServing();
        string line = File.ReadLines("/proc/self/mountinfo").Single(l => l.Split(' ')[4] == at.Path);
        Assert.Contains("nosuid", line, StringComparison.Ordinal);
        Assert.Contains("nodev", line, StringComparison.Ordinal);
        Assert.Contains("allow_other", line, StringComparison.Ordinal);
        Assert.Contains(" name ", line, StringComparison.Ordinal);
        Assert.Equal("x", File.ReadAllText(at["f"]));
    }

    [Fact]
    public void Read_only_mounts_refuse_changes()
    {
        using var fixture = new MountFixture(Backing.Disk, "--read-only");
        File.WriteAllText(System.IO.Path.Combine(fixture.Source, "f"), "x");
        Assert.Equal("x", File.ReadAllText(System.IO.Path.Combine(fixture.Path, "f")));
        ShellResult result = Shell.Run("touch", [System.IO.Path.Combine(fixture.Path, "new")]);
        Assert.NotEqual(0, result.ExitCode);
        Assert.Contains("Read-only file system", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void With_256_descriptors_a_tree_of_10000_files_is_walked_by_kernel_handles()
    {
        using var source = new TempDirectory();
        using var at = new TempDirectory();
        Fill(source.Path, 10_000);
        using MountProcess mount = StartWithLimit(source.Path, at.Path, "--inode-file-handles", "prefer");
        using var watchdog = new Watchdog(mount);
        ShellResult walk = Shell.Script("find . -type f -size -2 | wc -l", at.Path, 60);
        Assert.True(walk.Error.Length == 0 && walk.Out.Trim() == "10000", walk.All);
    }

    [Fact]
    public void With_256_descriptors_and_no_kernel_handles_errors_are_clean_and_pass()
    {
        using var source = new TempDirectory();
        using var at = new TempDirectory();
        Fill(source.Path, 2_000);
        using MountProcess mount = StartWithLimit(source.Path, at.Path, "--inode-file-handles", "never");

        // Two thousand times the client hears of it; the log does once.
        mount.ExpectedFault = "Out of file descriptors";
        using var watchdog = new Watchdog(mount);
        ShellResult walk = Shell.Script(
            "find . -type f -size -2 2>&1 >/dev/null | sed 's/.*: //' | sort -u", at.Path, 60);
        string[] messages = walk.Out.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.NotEmpty(messages);
        Assert.All(messages, message => Assert.Contains(
            message, new[] { "Too many open files", "Too many open files in system", "Cannot allocate memory" }));
        File.WriteAllText("/proc/sys/vm/drop_caches", "2");
        Assert.Equal("0", File.ReadAllText(at["d00/f00000"]));
        File.WriteAllText(at["new"], "works");
        Assert.Equal("works", File.ReadAllText(source["new"]));
    }

    private static MountProcess StartWithLimit(string source, string at, params string[] options)
    {
        MountProcess mount = MountProcess.Launch(
            source, at,
            [
                "sh", "-c", "ulimit -n 256 && exec \"$@\"", "sh", .. MountProcess.Command, "--default-permissions",
                .. options, source, at,
            ]);
        mount.AwaitServing();
        return mount;
    }

    private static void Fill(string directory, int files)
    {
        for (int i = 0; i < files; i++)
        {
            string below = System.IO.Path.Combine(directory, $"d{i / 500:D2}");
            Directory.CreateDirectory(below);
            File.WriteAllText(System.IO.Path.Combine(below, $"f{i:D5}"), $"{i}");
        }
    }

    private static ShellResult Run(IEnumerable<string> arguments) =>
        Shell.Run(MountProcess.Command[0], [.. MountProcess.Command[1..], .. arguments], timeoutSeconds: 30);
}
