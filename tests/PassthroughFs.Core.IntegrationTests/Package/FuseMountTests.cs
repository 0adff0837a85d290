using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Hosting;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.Passthrough;
using PassthroughFs.Fuse;
using PassthroughFs.Fuse.Hosting;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Package;

/// <summary>PassthroughFs.Fuse as a program uses it, in this process.</summary>
public sealed class FuseMountTests : IDisposable
{
    private readonly TempDirectory _source = new();
    private readonly TempDirectory _at = new();
    private readonly List<IDisposable> _ended = [];

    public FuseMountTests() => File.WriteAllText(_source["file"], "content");

    [Fact]
    public async Task A_mount_is_there_until_it_is_disposed_of()
    {
        Require.Fuse();
        await using (FuseMount mount = FuseMount.Start(FileSystem(), _at.Path, Quiet(options => options.FsName = "a name")))
        {
            Assert.Equal("content", File.ReadAllText(_at["file"]));
            File.WriteAllText(_at["new"], "more");
            Assert.Equal("more", File.ReadAllText(_source["new"]));
            Assert.Equal(_at.Path, mount.MountPoint);
            Assert.Equal("a\\040name fuse", Mounted());
            Assert.False(mount.Completion.IsCompleted);
            Assert.Equal("", mount.DescribeRequests());
        }

        Assert.Equal("", Mounted());
        Assert.False(File.Exists(_at["file"]));
    }

    [Fact]
    public async Task Who_unmounts_it_ends_it()
    {
        Require.Fuse();
        await using FuseMount mount = await FuseMount.StartAsync(
            FileSystem(), _at.Path, Quiet(), cancellationToken: TestContext.Current.CancellationToken);
        ShellResult unmounted = Shell.Run("umount", [_at.Path]);
        Assert.True(unmounted.ExitCode == 0, unmounted.All);
        Assert.Equal(FuseMountEnd.Unmounted, await mount.Completion);
    }

    [Fact]
    public async Task What_was_opened_fails_when_the_mount_is_disposed_of()
    {
        Require.Fuse();
        FuseMount mount = FuseMount.Start(FileSystem(), _at.Path, Quiet());
        await using var file = new FileStream(_at["file"], FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, 0);
        mount.Unmount();
        Assert.Equal(FuseMountEnd.StillInUse, await mount.Completion);
        Assert.Equal("", Mounted());
        file.WriteByte((byte)'C');
        Assert.Equal("Content", File.ReadAllText(_source["file"]));
        await mount.DisposeAsync();
        Assert.ThrowsAny<IOException>(() => file.WriteByte((byte)'O'));
        Assert.Equal("Content", File.ReadAllText(_source["file"]));
    }

    [Fact]
    public async Task A_connection_that_is_aborted_from_outside_is_told()
    {
        Require.Fuse();
        await using FuseMount mount = FuseMount.Start(FileSystem(), _at.Path, Quiet());
        using var control = new TempDirectory();
        ShellResult mounted = Shell.Run("mount", ["-t", "fusectl", "none", control.Path]);
        Assert.True(mounted.ExitCode == 0, mounted.All);
        File.WriteAllText(control[$"{mount.Identity.Connection}/abort"], "1");
        Assert.Equal(0, Shell.Run("umount", [control.Path]).ExitCode);
        FuseMountException fault = await Assert.ThrowsAsync<FuseMountException>(() => mount.Completion);
        Assert.Contains("aborted from outside", fault.Message, StringComparison.Ordinal);
        Assert.Equal("", Mounted());
    }

    [Fact]
    public async Task No_helper_stays_behind_whoever_unmounts()
    {
        Require.Fuse();
        Require.Program("fusermount3", "pgrep");
        await using FuseMount mount = FuseMount.Start(
            FileSystem(), _at.Path, Quiet(options => options.AutoUnmount = true));
        Assert.Equal(0, Helpers().ExitCode);
        ShellResult unmounted = Shell.Run("umount", [_at.Path]);
        Assert.True(unmounted.ExitCode == 0, unmounted.All);
        Assert.Equal(FuseMountEnd.Unmounted, await mount.Completion);
        Assert.Equal(1, Helpers().ExitCode);

        ShellResult Helpers() => Shell.Run("pgrep", ["-f", $"fusermount3.*{_at.Path}"]);
    }

    [Fact]
    public async Task It_is_gone_although_requests_hang()
    {
        Require.Fuse();
        using var hanging = new HangingFileSystem(FileSystem());
        FuseMount mount = FuseMount.Start(
            hanging, _at.Path, Quiet(options => options.EndTimeout = TimeSpan.FromSeconds(1)));
        Task<string> reader = Task.Run(() => File.ReadAllText(_at["file"]), TestContext.Current.CancellationToken);
        hanging.AwaitFirst();
        Assert.Contains("FUSE_READ", mount.DescribeRequests(), StringComparison.Ordinal);
        await mount.DisposeAsync();
        Assert.Equal("", Mounted());
        await Assert.ThrowsAnyAsync<IOException>(() => reader);
    }

    [Fact]
    public void Mistakes_are_told_with_what_to_do()
    {
        AssertFails("does not exist: create it", _at["none"]);
        File.WriteAllText(_source["a file"], "");
        AssertFails("is not a directory: name a directory", _source["a file"]);
        AssertFails("Threads is 0: name a number from 1 to 256", _at.Path, options => options.Threads = 0);
        AssertFails("MaxWrite is 1: name", _at.Path, options => options.MaxWrite = 1);
        AssertFails("Subtype is \"a b\"", _at.Path, options => options.Subtype = "a b");
        AssertFails("EndTimeout is negative", _at.Path, options => options.EndTimeout = TimeSpan.FromSeconds(-1));
        Require.Fuse();
        using FuseMount mount = FuseMount.Start(FileSystem(), _at.Path, Quiet());
        AssertFails($"remove it first with `umount {_at.Path}`", _at.Path);
    }

    [Fact]
    public async Task A_host_has_as_many_as_it_likes()
    {
        Require.Fuse();
        using var other = new TempDirectory();
        using var otherSource = new TempDirectory();
        File.WriteAllText(otherSource["other"], "2");
        var services = new ServiceCollection();
        services.AddFuseMount(_at.Path, _ => FileSystem());
        services.AddPassthroughFileSystem("the other", config => config.RootDir = otherSource.Path);
        services.AddFuseMount(other.Path, "the other");
        await using (ServiceProvider provider = services.BuildServiceProvider())
        {
            IHostedService[] hosted = [.. provider.GetServices<IHostedService>()];
            Assert.Equal(2, hosted.Length);
            foreach (IHostedService service in hosted)
            {
                await service.StartAsync(TestContext.Current.CancellationToken);
            }

            Assert.Equal("content", File.ReadAllText(_at["file"]));
            Assert.Equal("2", File.ReadAllText(other["other"]));
            await hosted[0].StopAsync(TestContext.Current.CancellationToken);
            Assert.Equal("", Mounted());
            Assert.Equal("2", File.ReadAllText(other["other"]));
        }

        Assert.False(File.Exists(other["other"]));
    }

    [Fact]
    public async Task A_host_that_cannot_mount_does_not_start()
    {
        var services = new ServiceCollection();
        services.AddFuseMount(_at["none"], _ => FileSystem());
        await using ServiceProvider provider = services.BuildServiceProvider();
        await Assert.ThrowsAsync<FuseMountException>(
            () => provider.GetRequiredService<IHostedService>().StartAsync(TestContext.Current.CancellationToken));
    }

    [Fact]
    public void What_a_machine_lacks_is_told()
    {
        FuseSupport support = FuseMount.CheckSupport();
        Assert.Equal(Native.GetEUid() == 0, support.IsRoot);
        Assert.All(support.Missing, sentence => Assert.True(sentence.Length > 20, sentence));
        if (File.Exists("/dev/fuse") && support.IsRoot)
        {
            Assert.True(support.CanMount);
        }
    }

    public void Dispose()
    {
        _ended.ForEach(fileSystem => fileSystem.Dispose());
        _at.Dispose();
        _source.Dispose();
    }

    private PassthroughFileSystem FileSystem()
    {
        var made = new PassthroughFileSystem(new PassthroughConfig { RootDir = _source.Path });
        _ended.Add(made);
        return made;
    }

    // The signals are those of the whole test run.
    private static FuseMountOptions Quiet(Action<FuseMountOptions>? change = null)
    {
        var options = new FuseMountOptions { HandleSignals = false };
        change?.Invoke(options);
        return options;
    }

    private void AssertFails(string message, string mountPoint, Action<FuseMountOptions>? change = null)
    {
        FuseMountException fault = Assert.Throws<FuseMountException>(
            () => FuseMount.Start(FileSystem(), mountPoint, Quiet(change)));
        Assert.Contains(message, fault.Message, StringComparison.Ordinal);
    }

    // Source and type as the kernel has them.
    private string Mounted() => string.Join(
        '\n',
        File.ReadAllLines("/proc/mounts").Select(line => line.Split(' ')).Where(words => words[1] == _at.Path)
            .Select(words => $"{words[0]} {words[2]}"));

    /// <summary>Every READ waits until the file system is disposed of.</summary>
    private sealed class HangingFileSystem(IFileSystem inner) : DelegatingFileSystem(inner), IDisposable
    {
        private readonly ManualResetEventSlim _release = new();
        private readonly ManualResetEventSlim _hangs = new();

        public void AwaitFirst() => _hangs.Wait();

        public override Errno Read(
            in RequestContext context, NodeId node, Handle handle, in ReadRequest request, ref DataSink sink)
        {
            _hangs.Set();
            _release.Wait();
            return Errno.EIO;
        }

        public void Dispose() => _release.Set();
    }
}
