using System;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Threading;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Ways;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Faults;

/// <summary>
/// 64 clients of mixed work under a limit of memory: no error, and nothing grows. 2 s each; PTFS_LOAD_SECONDS says
/// otherwise: 600, 7200.
/// </summary>
public sealed class LoadTests
{
    private const int HeapLimit = 64 << 20;

    // Each in a directory of its own, beside one that all share; whatever is not as it should be ends it with an error.
    private const string Client = """
        import hashlib, os, random, sys, time
        at, number, end = sys.argv[1], int(sys.argv[2]), time.monotonic() + float(sys.argv[3])
        pids = []
        for client in range(number):
            pid = os.fork()
            if pid == 0:
                break
            pids.append(pid)
        else:
            bad = [p for p in pids if os.waitpid(p, 0)[1] != 0]
            print(f'{len(bad)} bad', flush=True)
            sys.exit(1 if bad else 0)
        rng = random.Random(client)
        home, shared = f'{at}/c{client}', f'{at}/shared'
        os.mkdir(home)
        os.makedirs(shared, exist_ok=True)
        i = 0
        while time.monotonic() < end:
            i += 1
            name = f'{home}/f{i % 50}'
            data = rng.randbytes(rng.choice((10, 4096, 70000)))
            with open(name, 'wb') as f:
                f.write(data)
            if i % 7 == 0:
                fd = os.open(name, os.O_RDWR); os.fsync(fd); os.ftruncate(fd, len(data)); os.close(fd)
            os.rename(name, name + 'x')
            with open(name + 'x', 'rb') as f:
                assert f.read() == data, name
            assert os.stat(name + 'x').st_size == len(data)
            os.symlink('f', f'{home}/l'); os.unlink(f'{home}/l')
            os.link(name + 'x', f'{home}/h'); assert os.stat(f'{home}/h').st_nlink == 2; os.unlink(f'{home}/h')
            os.makedirs(f'{home}/d/e'); os.rmdir(f'{home}/d/e'); os.rmdir(f'{home}/d')
            open(f'{shared}/s{client}', 'w').close()
            assert f's{client}' in os.listdir(shared)
            if i % 20 == 0:
                assert len(os.listdir(home)) <= 50
            if i % 3 == 0:
                os.unlink(name + 'x')
        """;

    [Theory]
    [InlineData("--xattr")]
    [InlineData("--writeback --fd-budget 500")]
    public void Many_clients_for_long_meet_no_error_and_nothing_grows(string options)
    {
        Require.Fuse();
        double seconds = double.Parse(
            Environment.GetEnvironmentVariable("PTFS_LOAD_SECONDS") ?? "2", CultureInfo.InvariantCulture);
        using var source = new TempDirectory(Backing.Tmpfs);
        using var at = new TempDirectory();
        using MountProcess mount = MountProcess.Launch(
            source.Path, at.Path,
            [
                "env", $"DOTNET_GCHeapHardLimit=0x{HeapLimit:x}", .. MountProcess.Command, .. options.Split(' '),
                source.Path, at.Path,
            ]);
        mount.AwaitServing();
        using var watchdog = new Watchdog(mount, (int)(seconds * 3) + 180);

        // Everything has been used once, and whatever is kept for good is there.
        Run(at.Path, seconds / 4);
        (long Memory, int Files) before = Sample(mount);
        Run(at.Path, seconds);
        (long Memory, int Files) after = Sample(mount);
        TestContext.Current.SendDiagnosticMessage($"{options}: {before} KiB, files; then {after}");
        Assert.True(after.Files <= before.Files + 8, $"{before.Files} descriptors became {after.Files}");
        Assert.True(
            after.Memory < before.Memory + (before.Memory / 4) + (16 << 10),
            $"{before.Memory} KiB became {after.Memory}");
        Assert.Empty(mount.OpenBelow(source.Path).Except([source.Path]));
        Assert.Equal("", mount.Error);
    }

    private static void Run(string directory, double seconds)
    {
        ShellResult result = Shell.Run(
            "/usr/bin/python3",
            ["-c", Client, directory, "64", seconds.ToString(CultureInfo.InvariantCulture)],
            timeoutSeconds: (int)(seconds * 2) + 120);
        Assert.True(result.ExitCode == 0, result.All);
        Assert.Equal(0, Shell.Script("rm -rf c* shared", directory, 120).ExitCode);
    }

    // When the kernel has forgotten all it can.
    private static (long Memory, int Files) Sample(MountProcess mount)
    {
        int files = int.MaxValue;
        for (int i = 0; i < 50; i++)
        {
            File.WriteAllText("/proc/sys/vm/drop_caches", "2");
            int now = Directory.GetFileSystemEntries($"/proc/{mount.Pid}/fd").Length;
            if (now >= files)
            {
                break;
            }

            files = now;
            Thread.Sleep(200);
        }

        string line = File.ReadLines($"/proc/{mount.Pid}/status").Single(l => l.StartsWith("VmRSS", StringComparison.Ordinal));
        return (long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture), files);
    }
}
