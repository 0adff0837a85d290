using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Ways;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Mounts;

/// <summary>Handles that programs take of files on a mount (name_to_handle_at), as NFS servers do.</summary>
public sealed class ExportTests
{
    private static readonly string[] s_files = ["file", "d/in", "d/deep/er/file"];
    private static readonly string[] s_directories = ["d", "d/deep", "d/deep/er"];

    public static TheoryData<Backing, string> Places => new()
    {
        { Backing.Disk, "never" },
        { Backing.Disk, "prefer" },
        { Backing.Tmpfs, "never" },
        { Backing.Tmpfs, "prefer" },
    };

    [Theory, MemberData(nameof(Places))]
    public void Handles_outlive_dropped_caches_and_the_server(Backing backing, string handles)
    {
        using var scene = new ExportScene(backing, "--inode-file-handles", handles);
        foreach (string file in s_files)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(scene.Source[file])!);
            File.WriteAllText(scene.Source[file], $"content of {file}");
        }

        File.CreateSymbolicLink(scene.Source["link"], "file");
        scene.Mount();
        Dictionary<string, byte[]> taken = s_files.Concat(s_directories).Append("link")
            .ToDictionary(name => name, scene.Take);
        scene.DropCaches();
        AssertGood(scene, taken);

        // Not only what the kernel has looked up again by itself, and in another order: the deepest comes alone.
        scene.MountAgain();
        scene.AssertContent(taken["d/deep/er/file"], "content of d/deep/er/file");
        AssertGood(scene, taken);
        scene.MountAgain();
        AssertGood(scene, taken);

        // By name it is the same file: the one inode in the kernel, and so the same handle.
        Assert.All(s_files, name => Assert.Equal(taken[name], scene.Take(name)));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Without_export_no_handle_is_made(bool tree)
    {
        using var source = new TempDirectory();
        using var at = new TempDirectory();
        File.WriteAllText(source["file"], "content");
        using MountProcess mount = tree
            ? MountProcess.StartTree([$"/in={source.Path}"], at.Path)
            : MountProcess.Start(source.Path, at.Path);
        Assert.True(File.Exists(at[tree ? "in/file" : "file"]));

        // At once, and not as a handle that is stale as soon as the client has forgotten the file.
        Assert.Equal(Errno.EOPNOTSUPP, ExportScene.TryTake(at[tree ? "in/file" : "file"], out _));
        Assert.Equal(Errno.EOPNOTSUPP, ExportScene.TryTake(at.Path, out _));
    }

    [Theory, MemberData(nameof(Places))]
    public void A_deleted_file_is_stale_and_so_is_one_that_came_after_it(Backing backing, string handles)
    {
        using var scene = new ExportScene(backing, "--inode-file-handles", handles);
        string[] names = ["deleted", "replaced", "deleted later", "replaced later", "kept"];
        Array.ForEach(names, name => File.WriteAllText(scene.Source[name], name));
        Directory.CreateDirectory(scene.Source["directory"]);
        scene.Mount();
        Dictionary<string, byte[]> taken = names.Append("directory").ToDictionary(name => name, scene.Take);
        scene.DropCaches();
        Replace("deleted", "replaced");
        Directory.Delete(scene.Source["directory"]);
        Directory.CreateDirectory(scene.Source["directory"]);
        AssertStale("deleted", "replaced", "directory");
        Assert.Equal("new replaced", File.ReadAllText(scene.At["replaced"]));
        AssertStale("deleted", "replaced", "directory");

        scene.MountAgain(() => Replace("deleted later", "replaced later"));
        AssertStale("deleted later", "replaced later", "deleted", "replaced", "directory");
        Assert.Equal("new replaced later", File.ReadAllText(scene.At["replaced later"]));
        AssertStale("deleted later", "replaced later", "deleted", "replaced");
        scene.AssertContent(taken["kept"], "kept");

        void Replace(string deleted, string replaced)
        {
            File.Delete(scene.Source[deleted]);
            File.Delete(scene.Source[replaced]);
            File.WriteAllText(scene.Source[replaced], $"new {replaced}");
        }

        void AssertStale(params string[] stale) =>
            Assert.All(stale, name => Assert.Equal(Errno.ESTALE, scene.TryOpen(taken[name], out _)));
    }

    [Fact]
    public void An_abort_from_outside_saves_the_state_too()
    {
        using var control = new TempDirectory();
        using var scene = new ExportScene(Backing.Disk);
        File.WriteAllText(scene.Source["f"], "f");
        scene.Mount();
        scene.Server.ExpectedFault = "aborted from outside";
        byte[] handle = scene.Take("f");
        ShellResult mounted = Shell.Run("mount", ["-t", "fusectl", "fusectl", control.Path]);
        Require.That(mounted.ExitCode == 0, "the file system fusectl");
        File.WriteAllText(control[$"{MountProcess.FindMinor(scene.At.Path)}/abort"], "1");
        Assert.Equal(0, Shell.Run("umount", [control.Path]).ExitCode);
        Assert.Equal(1, scene.Server.AwaitExit());
        scene.Mount();
        scene.AssertContent(handle, "f");
    }

    [Theory]
    [InlineData("never", false)]
    [InlineData("prefer", false)]
    [InlineData("never", true)]
    public void Without_the_state_a_handle_is_stale_and_never_another_file(string handles, bool useHostIno)
    {
        string[] numbers = useHostIno ? ["--use-host-ino"] : [];
        using var scene = new ExportScene(Backing.Disk, ["--inode-file-handles", handles, .. numbers]);
        string[] names = [.. Enumerable.Range(0, 20).Select(i => $"{i}")];
        Array.ForEach(names, name => File.WriteAllText(scene.Source[name], name));
        scene.Mount();
        byte[][] taken = [.. names.Select(scene.Take)];
        scene.MountAgain(() =>
        {
            // As after a crash before the first save. Other files take the numbers, those of the host included.
            File.Delete(scene.State);
            Array.ForEach(names, name => File.Delete(scene.Source[name]));
            Array.ForEach(names, name => File.WriteAllText(scene.Source["new" + name], "another"));
        });
        Assert.All(taken, handle => Assert.Equal(Errno.ESTALE, scene.TryOpen(handle, out _)));
        Array.ForEach(names, name => Assert.Equal("another", File.ReadAllText(scene.At["new" + name])));
        Assert.All(taken, handle => Assert.Equal(Errno.ESTALE, scene.TryOpen(handle, out _)));
        scene.DropCaches();
        Assert.All(taken, handle => Assert.Equal(Errno.ESTALE, scene.TryOpen(handle, out _)));
    }

    [Fact]
    public void An_old_state_after_a_crash_makes_handles_stale_and_no_other_file()
    {
        using var scene = new ExportScene(Backing.Disk);
        File.WriteAllText(scene.Source["saved"], "saved");
        scene.Mount();
        byte[] saved = scene.Take("saved");
        scene.MountAgain();
        File.WriteAllText(scene.Source["lost"], "lost");
        byte[] lost = scene.Take("lost");
        scene.Crash();
        File.WriteAllText(scene.Source["after"], "after");
        scene.Mount();
        Assert.Equal("after", File.ReadAllText(scene.At["after"]));
        Assert.Equal(Errno.ESTALE, scene.TryOpen(lost, out _));
        scene.AssertContent(saved, "saved");
        Assert.Equal("lost", File.ReadAllText(scene.At["lost"]));
    }

    [Theory]
    [InlineData("")]
    [InlineData("root:x:0:0:root:/root:/bin/bash\n")]
    public void A_state_that_is_none_is_refused_and_stays_as_it_is(string content)
    {
        using var scene = new ExportScene(Backing.Disk);
        File.WriteAllText(scene.State, content);
        scene.AssertRefused("is no saved state of nodes");
        Assert.Equal(content, File.ReadAllText(scene.State));
    }

    [Fact]
    public void A_damaged_state_and_one_of_another_directory_are_refused()
    {
        using var scene = new ExportScene(Backing.Disk);
        File.WriteAllText(scene.Source["f"], "f");
        scene.Mount();
        scene.Take("f");
        scene.Unmount();
        byte[] state = File.ReadAllBytes(scene.State);
        File.WriteAllBytes(scene.State, state[..^5]);
        scene.AssertRefused("is cut off");
        File.WriteAllBytes(scene.State, [.. state[..40], (byte)~state[40], .. state[41..]]);
        scene.AssertRefused("is damaged");
        using var other = new ExportScene(Backing.Disk);
        File.WriteAllBytes(other.State, state);
        other.AssertRefused("was saved for another directory");
    }

    [Fact]
    public void An_unmount_from_outside_saves_the_state_too()
    {
        using var scene = new ExportScene(Backing.Disk);
        File.WriteAllText(scene.Source["f"], "f");
        scene.Mount();
        byte[] handle = scene.Take("f");
        Assert.Equal(0, Shell.Run("umount", [scene.At.Path], timeoutSeconds: 20).ExitCode);
        Assert.Equal(0, scene.Server.AwaitExit());
        scene.Mount();
        scene.AssertContent(handle, "f");
        Assert.Equal(["state"], Directory.GetFiles(scene.StateDirectory).Select(Path.GetFileName));
        Assert.Equal("600", Shell.Run("stat", ["-c", "%a", scene.State]).Out.Trim());
    }

    [Theory]
    [InlineData("never", false)]
    [InlineData("prefer", true)]
    public void Handles_are_good_when_the_device_has_another_number(string handles, bool useHostIno)
    {
        string[] numbers = useHostIno ? ["--use-host-ino"] : [];
        using var scene = new ExportScene(Backing.Disk, ["--inode-file-handles", handles, .. numbers]);
        using var disk = new LoopDisk();
        Directory.CreateDirectory(scene.Source["disk"]);
        disk.Mount(scene.Source["disk"]);
        Directory.CreateDirectory(scene.Source["disk/d"]);
        File.WriteAllText(scene.Source["disk/d/f"], "f");
        scene.Mount();
        byte[] file = scene.Take("disk/d/f");
        byte[] directory = scene.Take("disk/d");
        string number = Number();
        scene.MountAgain(() => disk.MountByAnotherDevice(scene.Source["disk"]));

        // By name first: it must get the number that it had.
        Assert.Equal("f", File.ReadAllText(scene.At["disk/d/f"]));
        Assert.Equal(number, Number());
        scene.AssertContent(file, "f");
        Assert.Equal(["f"], scene.Names(directory));
        Assert.Equal(file, scene.Take("disk/d/f"));
        scene.MountAgain();
        scene.AssertContent(file, "f");
        Assert.Equal(number, Number());
        scene.Unmount();

        string Number() => Shell.Run("stat", ["-c", "%i", scene.At["disk/d/f"]]).Out;
    }

    [Theory]
    [InlineData("never")]
    [InlineData("prefer")]
    public void A_mount_below_the_root_is_not_kept_busy_and_found_again(string handles)
    {
        using var scene = new ExportScene(Backing.Disk, "--inode-file-handles", handles);
        Directory.CreateDirectory(scene.Source["a/b"]);
        Assert.Equal(0, Shell.Run("mount", ["-t", "tmpfs", "tmpfs", scene.Source["a/b"]]).ExitCode);
        try
        {
            File.WriteAllText(scene.Source["a/b/f"], "f");
            Directory.CreateDirectory(scene.Source["a/b/d"]);
            File.WriteAllText(scene.Source["a/b/d/g"], "g");
            scene.Mount();
            byte[] file = scene.Take("a/b/f");
            byte[] below = scene.Take("a/b/d/g");
            byte[] directory = scene.Take("a/b/d");
            byte[] root = scene.Take("a/b");
            scene.DropCaches();
            scene.AssertContent(file, "f");
            scene.MountAgain();
            Assert.Equal(["g"], scene.Names(directory));
            scene.MountAgain();
            Assert.Equal(["d", "f"], scene.Names(root));
            scene.AssertContent(below, "g");
            scene.AssertContent(file, "f");
            scene.DropCaches();

            // The directory above it moves, and another file system takes its place.
            Assert.Equal(0, Shell.Run("umount", [scene.Source["a/b"]]).ExitCode);
            Assert.Equal(Errno.ESTALE, scene.TryOpen(file, out _));
            Assert.Equal(0, Shell.Run("mount", ["-t", "tmpfs", "tmpfs", scene.Source["a/b"]]).ExitCode);
            File.WriteAllText(scene.Source["a/b/f"], "another");
            Assert.Equal(Errno.ESTALE, scene.TryOpen(file, out _));
            Assert.Equal("another", File.ReadAllText(scene.At["a/b/f"]));
            Assert.Equal(Errno.ESTALE, scene.TryOpen(file, out _));
        }
        finally
        {
            scene.Unmount();
            Shell.Run("umount", ["-l", scene.Source["a/b"]]);
        }
    }

    private static void AssertGood(ExportScene scene, Dictionary<string, byte[]> taken)
    {
        foreach (string file in s_files.Reverse())
        {
            scene.AssertContent(taken[file], $"content of {file}");
        }

        foreach (string directory in s_directories)
        {
            Assert.Equal(Names(scene.Source[directory]), scene.Names(taken[directory]));
        }

        // A link is not opened for reading, but that it is one shows that it was found.
        Assert.Equal(Errno.ELOOP, scene.TryOpen(taken["link"], out _));
    }

    private static string[] Names(string directory) =>
    [
        .. Directory.GetFileSystemEntries(directory).Select(path => Path.GetFileName(path)!)
            .Order(StringComparer.Ordinal),
    ];
}
