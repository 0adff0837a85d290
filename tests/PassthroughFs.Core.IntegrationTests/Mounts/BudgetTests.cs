using System;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Text;
using System.Threading.Tasks;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Vhost;
using PassthroughFs.Core.IntegrationTests.Ways;
using PassthroughFs.Core.IntegrationTests.Wire;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Mounts;

/// <summary>
/// A tree larger than the hard limit of open files, through a mount without further options: 30,000 files at 1,024, and
/// with PTFS_NIGHTLY=1 a million at 20,000.
/// </summary>
public sealed class BudgetTests(ITestOutputHelper output)
{
    private const int FilesOfDirectory = 500;

    private static bool IsNightly => Environment.GetEnvironmentVariable("PTFS_NIGHTLY") == "1";

    [Fact]
    public void A_tree_larger_than_the_limit_is_walked_statted_and_read_without_an_error()
    {
        Require.Root();
        (int files, int limit) = IsNightly ? (1_000_000, 20_000) : (30_000, 1_024);
        int patience = IsNightly ? 3_600 : 120;
        using var source = new TempDirectory(Backing.Tmpfs);
        using var at = new TempDirectory();
        int bytes = Fill(source.Path, files);
        using MountProcess mount = StartWithLimit(source.Path, at.Path, limit);
        using var watchdog = new Watchdog(mount, patience);
        using var samples = new Descriptors(mount.Pid);
        Expect("walk and stat", "find . -type f -size -2 | wc -l", files);
        Expect("read", "find . -type f -print0 | xargs -0 cat | wc -c", bytes);
        Expect("stat again", "find . -type f -printf '%i\\n' | sort -u | wc -l", files);
        Expect("write", "for d in d*; do echo more >>$d/f0 || exit 1; mv $d/f1 $d/g1; rm $d/f2; done; echo 7", 7);
        Expect("walk again", "find . -type f | wc -l", files - (files / FilesOfDirectory));
        Assert.InRange(samples.Most, limit / 2, limit);
        output.WriteLine($"{samples.Most} descriptors at most, of {limit}");
        Assert.Equal("", mount.Error);

        void Expect(string what, string script, int expected)
        {
            var watch = Stopwatch.StartNew();
            ShellResult result = Shell.Script(script, at.Path, patience);
            output.WriteLine($"{what}: {watch.Elapsed.TotalSeconds:F1} s");
            Assert.Equal(
                ("", expected.ToString(CultureInfo.InvariantCulture)), (result.Error, result.Out.Trim()));
        }
    }

    [Fact]
    public void Both_programs_keep_to_the_budget_they_are_given()
    {
        const int Files = 600, Budget = 100;
        Require.Root();
        using var source = new TempDirectory(Backing.Tmpfs);
        for (int i = 0; i < Files; i++)
        {
            File.WriteAllText(source[$"f{i}"], "");
        }

        using var at = new TempDirectory();
        using (MountProcess mount = MountProcess.Start(source.Path, at.Path, "--fd-budget", $"{Budget}"))
        {
            using var watchdog = new Watchdog(mount);
            Assert.Equal($"{Files}", Shell.Script("find . -type f -size -2 | wc -l", at.Path, 60).Out.Trim());
            Assert.InRange(mount.OpenBelow(source.Path).Length, 1, Budget);
        }

        using var daemon = new DaemonProcess(source.Path, "--num-request-queues", "2", "--fd-budget", $"{Budget}");
        using var client = new FuseClient(new VhostChannel(daemon.SocketPath));
        for (int i = 0; i < Files; i++)
        {
            Assert.Equal(Core.Api.Errno.OK, client.Lookup(1, Encoding.UTF8.GetBytes($"f{i}"), out _));
        }

        Assert.InRange(daemon.OpenBelow(source.Path).Length, 1, Budget);
    }

    [Fact]
    public void Files_that_stay_open_take_the_place_of_inodes()
    {
        Require.Root();
        using var source = new TempDirectory();
        using var at = new TempDirectory();
        Fill(source.Path, 2_000);
        using MountProcess mount = StartWithLimit(source.Path, at.Path, 1_024);
        using var watchdog = new Watchdog(mount);
        using var samples = new Descriptors(mount.Pid);
        ShellResult walk = Shell.Script("find . -type f -size -2 | wc -l", at.Path, 60);
        Assert.Equal("2000", walk.Out.Trim());

        // Held open here, where the limit is another.
        var open = new FileStream[700];
        try
        {
            for (int i = 0; i < open.Length; i++)
            {
                open[i] = File.OpenRead(Path.Combine(at.Path, $"d{i / FilesOfDirectory}/f{i % FilesOfDirectory}"));
            }

            walk = Shell.Script("find . -type f -size -2 | wc -l", at.Path, 60);
            Assert.Equal(("", "2000"), (walk.Error, walk.Out.Trim()));
        }
        finally
        {
            Array.ForEach(open, file => file?.Dispose());
        }

        Assert.InRange(samples.Most, 700, 1_024);
        Assert.Equal("", mount.Error);
    }

    private static MountProcess StartWithLimit(string source, string at, int limit)
    {
        MountProcess mount = MountProcess.Launch(
            source, at,
            ["sh", "-c", $"ulimit -n {limit} && exec \"$@\"", "sh", .. MountProcess.Command, source, at]);
        mount.AwaitServing();
        return mount;
    }

    /// <summary>Each file has its number in it; returns how many bytes that are.</summary>
    private static int Fill(string directory, int files)
    {
        int bytes = 0;
        for (int i = 0; i < files; i++)
        {
            string below = Path.Combine(directory, $"d{i / FilesOfDirectory}");
            if (i % FilesOfDirectory == 0)
            {
                Directory.CreateDirectory(below);
            }

            string content = i.ToString(CultureInfo.InvariantCulture);
            File.WriteAllText(Path.Combine(below, $"f{i % FilesOfDirectory}"), content);
            bytes += content.Length;
        }

        return bytes;
    }

    /// <summary>Counts a process's descriptors all the time.</summary>
    private sealed class Descriptors : IDisposable
    {
        private readonly Task _task;
        private volatile bool _ends;
        private volatile int _most;

        public Descriptors(int pid) => _task = Task.Factory.StartNew(
            () =>
            {
                while (!_ends)
                {
                    _most = Math.Max(_most, Directory.GetFileSystemEntries($"/proc/{pid}/fd").Length);
                    Task.Delay(50).Wait();
                }
            },
            TaskCreationOptions.LongRunning);

        public int Most => _most;

        public void Dispose()
        {
            _ends = true;
            _task.Wait();
        }
    }
}
