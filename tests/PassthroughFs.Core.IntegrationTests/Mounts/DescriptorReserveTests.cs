using System;
using System.IO;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Ways;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Mounts;

/// <summary>An ordinary user who opens whatever can be opened on root's mount.</summary>
public sealed class DescriptorReserveTests
{
    // Opens until there is nothing left, then uses what it has, and tries for more, for a while.
    private const string Greedy = """
        import fcntl, os, sys, time
        mount, seconds = sys.argv[1], float(sys.argv[2])
        held = []
        def more():
            while True:
                try:
                    held.append(os.open(f'{mount}/h{len(held)}', os.O_RDWR | os.O_CREAT))
                except OSError as e:
                    return e.strerror
        print(more(), flush=True)
        end = time.time() + seconds
        rounds = 0
        while time.time() < end or rounds < 3:
            rounds += 1
            for i, fd in enumerate(held[:64]):
                os.pwrite(fd, b'x' * 9000, i)
                assert os.pread(fd, 500, i)[:1] == b'x'
                os.fsync(fd)
                os.stat(f'{mount}/h{i}')
                for step in (lambda: os.listdir(mount), lambda: os.mkdir(f'{mount}/d{rounds}-{i}'),
                             lambda: os.symlink('a', f'{mount}/s{rounds}-{i}'),
                             lambda: held.append(os.open(f'{mount}/h{i}', os.O_RDONLY)),
                             lambda: fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, i)):
                    try: step()
                    except OSError: pass
        print(len(held), flush=True)
        """;

    [Theory]
    [InlineData(256, "adaptive")]
    [InlineData(1024, "adaptive")]
    [InlineData(256, "never")]
    [InlineData(1024, "never")]
    [InlineData(256, "prefer")]
    public void Whatever_a_user_opens_the_server_goes_on_and_ends_cleanly(int limit, string handles)
    {
        Require.Root();
        Require.Program("setpriv");
        Require.Program("/usr/bin/python3");
        using var source = new TempDirectory(Backing.Tmpfs);
        using var at = new TempDirectory();
        File.WriteAllText(source["known"], "known");
        Shell.Run("chmod", ["777", source.Path]);
        using MountProcess mount = MountProcess.Launch(
            source.Path, at.Path,
            [
                "sh", "-c", $"ulimit -n {limit} && exec \"$@\"", "sh", .. MountProcess.Command, "--allow-other",
                "--default-permissions", "--posix-locks", "--flock-locks", "--inode-file-handles", handles, source.Path,
                at.Path,
            ]);
        mount.AwaitServing();
        using var watchdog = new Watchdog(mount, 120);
        ShellResult greedy = Shell.Run(
            "setpriv", ["--reuid", "65534", "--regid", "65534", "--clear-groups", "/usr/bin/python3", "-c", Greedy, at.Path, "4"],
            timeoutSeconds: 90);
        Assert.True(greedy.ExitCode == 0, greedy.All);
        Assert.StartsWith("Too many open files", greedy.Out, StringComparison.Ordinal);

        // With the user's files closed there is room again; the server is the same.
        Assert.Equal("known", File.ReadAllText(Path.Combine(at.Path, "known")));
        ShellResult locked = Shell.Script("flock lock -c 'flock -w 0.2 lock -c true || echo held'", at.Path);
        Assert.Equal("held", locked.Out.Trim());
        Assert.DoesNotContain("defect", mount.Error, StringComparison.Ordinal);
        mount.Signal(Native.SIGTERM);
        Assert.Equal(0, mount.AwaitExit());
    }
}
