using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Posix;
using PassthroughFs.Core.IntegrationTests.Ways;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Faults;

/// <summary>A source whose calls hang: others are served, what hangs is shown, and the mount ends.</summary>
public sealed class HangTests
{
    private const string Gone = "Transport endpoint is not connected|Software caused connection abort|No such device";

    [Theory]
    [InlineData("--threads 2 --standby-threads 4", 5)]
    [InlineData("--threads 1 --standby-threads 3 --cache never", 3)]
    [InlineData("--writeback", 17)]
    public void Requests_that_hang_take_no_others_with_them(string options, int count)
    {
        using var scene = new FaultyMount(options, host => Prepare(host, count));
        Task<Errno>[] hanging = [.. Enumerable.Range(0, count).Select(i =>
        {
            Task<Errno> task = Hang(scene, $"h{i}");
            scene.Source.AwaitHanging(i + 1);
            scene.Mounted.LStat($"f{i}", out _).IsOk();
            return task;
        })];
        for (int i = 0; i < 100; i++)
        {
            scene.Mounted.LStat("f0", out _).IsOk();
            File.ReadAllText(Path.Combine(scene.Mount.MountPoint, "f1"));
        }

        // One of them goes on, and then all.
        scene.Source.Release("Lookup", "h1");
        Assert.Equal(Errno.OK, Of(hanging[1]));
        Assert.DoesNotContain(hanging.Where((_, i) => i != 1), task => task.IsCompleted);
        scene.Source.Clear();
        Assert.All(hanging, task => Assert.Equal(Errno.OK, Of(task)));
    }

    [Fact]
    public void What_hangs_is_shown_and_logged_once()
    {
        const int most = 4;
        using var scene = new FaultyMount(
            "--threads 2 --standby-threads 2 --hang-warning 1", host => Prepare(host, most));
        scene.Mount.ExpectedFault = "All 4 threads hang";
        var hanging = new List<Task<Errno>>();
        for (int i = 0; i < most; i++)
        {
            hanging.Add(Hang(scene, $"h{i}"));
            scene.Source.AwaitHanging(i + 1);
        }

        // Nothing is served now, and yet there is an answer.
        Await(() => scene.Mount.Error.Contains("All 4 threads hang", StringComparison.Ordinal));
        ShellResult shown = scene.Mount.Order("requests");
        Assert.Equal(0, shown.ExitCode);
        string[] lines = shown.Out.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(most, lines.Length);
        for (int i = 0; i < most; i++)
        {
            Assert.Matches(
                $"^[0-9]+[.][0-9] s FUSE_LOOKUP unique [0-9]+ node 1 name \"h{i}\" pid [0-9]+ uid 0 path /", lines[i]);
            Assert.EndsWith(scene.Source.Path, lines[i], StringComparison.Ordinal);
        }

        scene.Source.Clear();
        Assert.All(hanging, task => Assert.Equal(Errno.OK, Of(task)));
        Await(() => scene.Mount.Error.Contains("No request hangs any more", StringComparison.Ordinal));
        Assert.Single(scene.Mount.Error.Split('\n'), line => line.Contains(" hang, the oldest", StringComparison.Ordinal));
        Assert.DoesNotContain("FUSE_LOOKUP", scene.Mount.Order("requests").Out, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("--cache never --standby-threads 0 --threads 1")]
    [InlineData("--io-uring")]
    public void A_mount_ends_although_its_source_hangs(string options)
    {
        using var scene = new FaultyMount($"--end-timeout 1 {options}", host => Prepare(host, 1));
        Task<ShellResult> client = Stat(scene, "h0", "hang");
        scene.Mount.Signal(Native.SIGTERM);
        Assert.Matches(Gone, Of(client).Error);
        Await(() => !MountProcess.IsMounted(scene.Mount.MountPoint));
        Assert.Contains("FUSE_LOOKUP", scene.Mount.Error, StringComparison.Ordinal);

        // No process ends while the kernel keeps a thread of it, which is here until the source answers.
        scene.Source.Clear();
        Assert.Equal(0, scene.Mount.AwaitExit());
    }

    [Fact]
    public void It_ends_at_once_where_the_source_lets_go_of_who_is_killed()
    {
        using var scene = new FaultyMount("--end-timeout 1", host => Prepare(host, 1));
        Task<ShellResult> client = Stat(scene, "h0", "hang interruptible");
        scene.Mount.Signal(Native.SIGTERM);
        Assert.Equal(0, scene.Mount.AwaitExit());
        Assert.Matches(Gone, Of(client).Error);
    }

    [Fact]
    public void What_cannot_be_written_back_does_not_keep_a_mount()
    {
        using var scene = new FaultyMount("--writeback --end-timeout 1", host => Prepare(host, 1));
        scene.Source.Set("Write", "f0", "hang interruptible");
        int fd = scene.Mounted.MustOpen("f0", Linux.O_RDWR);
        scene.Mounted.MustWrite(fd, "dirty"u8);
        scene.Mount.Signal(Native.SIGTERM);
        Assert.Equal(0, scene.Mount.AwaitExit());
        Assert.False(MountProcess.IsMounted(scene.Mount.MountPoint));
        Assert.Contains("FUSE_WRITE", scene.Mount.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_second_signal_ends_it_at_once()
    {
        using var scene = new FaultyMount("--end-timeout 10000", host => Prepare(host, 1));
        Task<ShellResult> client = Stat(scene, "h0", "hang interruptible");
        scene.Mount.Signal(Native.SIGTERM);
        Await(() => !MountProcess.IsMounted(scene.Mount.MountPoint));
        Thread.Sleep(1200); // what comes sooner counts as the same signal
        scene.Mount.Signal(Native.SIGTERM);
        Assert.Equal(0, scene.Mount.AwaitExit());
        Assert.Matches(Gone, Of(client).Error);
    }

    [Theory]
    [InlineData("umount", "-l")]
    [InlineData("fusermount3", "-u", "-z")]
    public void An_unmount_from_outside_ends_it(params string[] command)
    {
        Require.Program(command[0]);
        using var scene = new FaultyMount("--end-timeout 1", host => Prepare(host, 1));
        Task<ShellResult> client = Stat(scene, "h0", "hang interruptible");
        Assert.Equal(0, Shell.Run(command[0], [.. command[1..], scene.Mount.MountPoint]).ExitCode);
        Assert.False(MountProcess.IsMounted(scene.Mount.MountPoint));

        // Whoever was inside is waited for, as for any file system; with the last of them all ends.
        scene.Source.Clear();
        Assert.Equal(0, Of(client).ExitCode);
        Assert.Equal(0, scene.Mount.AwaitExit());
    }

    private static void Prepare(string host, int count)
    {
        for (int i = 0; i < count; i++)
        {
            File.WriteAllText(Path.Combine(host, $"h{i}"), "hangs");
            File.WriteAllText(Path.Combine(host, $"f{i}"), "does not");
        }
    }

    private static Task<Errno> Hang(FaultyMount scene, string name)
    {
        scene.Source.Set("Lookup", name, "hang");
        return Task.Factory.StartNew(
            () => scene.Mounted.LStat(name, out _), default, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    // A client in a process of its own.
    private static Task<ShellResult> Stat(FaultyMount scene, string name, string how)
    {
        scene.Source.Set("Lookup", name, how);
        Task<ShellResult> task = Task.Factory.StartNew(
            () => Shell.Run("stat", [Path.Combine(scene.Mount.MountPoint, name)]), default,
            TaskCreationOptions.LongRunning, TaskScheduler.Default);
        scene.Source.AwaitHanging(1);
        return task;
    }

    private static T Of<T>(Task<T> task) => task.GetAwaiter().GetResult();

    private static void Await(Func<bool> condition)
    {
        for (long end = Environment.TickCount64 + 30_000; !condition(); Thread.Sleep(20))
        {
            Assert.True(Environment.TickCount64 < end, "it does not come");
        }
    }
}
