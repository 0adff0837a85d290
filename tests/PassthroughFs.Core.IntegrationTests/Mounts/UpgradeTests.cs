using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net.Sockets;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Ways;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Mounts;

/// <summary>A program takes the place of another one under a real mount, and nobody who uses the mount notices.</summary>
public sealed class UpgradeTests : IDisposable
{
    private const int Upgrades = 3;

    private readonly TempDirectory _source = new();
    private readonly TempDirectory _at = new();
    private readonly TempDirectory _other = new();
    private MountProcess? _mount;
    private Watchdog? _watchdog;

    [Theory]
    [InlineData("")]
    [InlineData("--inode-file-handles mandatory --use-host-ino")]
    [InlineData("--cache always --no-open --no-opendir")]
    [InlineData("--cache always --writeback")]
    [InlineData("--cache never --export")]
    [InlineData("--passthrough")]
    [InlineData("--allow-other --posix-locks --flock-locks")]
    public void Open_files_go_on(string options)
    {
        Start(options.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        File.WriteAllText(_at["f"], "0123456789");
        File.WriteAllText(_at["gone"], "deleted");
        Directory.CreateDirectory(_at["d"]);
        for (int i = 0; i < 500; i++)
        {
            File.WriteAllText(_at[$"d/{i}"], $"{i}");
        }

        using FileStream file = Open("f", FileMode.Open);
        using FileStream append = new(_at["log"], FileMode.Append, FileAccess.Write, FileShare.ReadWrite, 0);
        using FileStream gone = Open("gone", FileMode.Open);
        using IEnumerator<string> listing = Directory.EnumerateFiles(_at["d"]).GetEnumerator();
        Assert.True(listing.MoveNext());
        File.Delete(_at["gone"]);
        append.Write("one "u8);
        Assert.Equal("0123", Read(file, 4));
#pragma warning disable CA1416 // These tests are for Linux alone.
        file.Lock(0, 1);
        Upgrade();
        Assert.Equal("4567", Read(file, 4));
        append.Write("two"u8);
        Assert.Equal("deleted", Read(gone, 7));
        AssertOpensAnew(gone);
        file.Write("89"u8);
        file.Flush(flushToDisk: true);
        file.Unlock(0, 1);
#pragma warning restore CA1416
        int rest = 1;
        for (; listing.MoveNext(); rest++)
        {
        }

        Assert.Equal(500, rest);
        Assert.Equal("0123456789", File.ReadAllText(_source["f"]));
        Assert.Equal("one two", File.ReadAllText(_at["log"]));
        File.WriteAllText(_at["new"], "of the successor");
        Assert.Equal("of the successor", File.ReadAllText(_source["new"]));
        Upgrade();
        Assert.Equal("one two", File.ReadAllText(_at["log"]));
    }

    [Fact]
    public async Task Several_in_a_row_under_a_walk_and_writers_make_nothing_fail()
    {
        Start();
        ShellResult made = Shell.Script(
            "for i in $(seq 20); do mkdir d$i; for j in $(seq 50); do echo $j > d$i/f$j; done; done", _at.Path);
        Assert.True(made.ExitCode == 0, made.All);
        using var stop = new CancellationTokenSource();
        Task<ShellResult>[] work =
        [
            Repeat("test \"$(find d* -name 'f*' -size -2 | wc -l)\" = 1000 && cat d*/f* > /dev/null", stop),
            Repeat("for i in $(seq 30); do echo $i > w; echo x >> a; mv w w2; rm w2; done; sync a; rm a", stop),
            Repeat("mkdir -p t && cp -r d1 t/c && diff -r d1 t/c && rm -r t", stop),
        ];
        for (int i = 0; i < Upgrades; i++)
        {
            await Task.Delay(300, TestContext.Current.CancellationToken);
            Upgrade();
        }

        await Task.Delay(300, TestContext.Current.CancellationToken);
        await stop.CancelAsync();
        foreach (ShellResult result in await Task.WhenAll(work))
        {
            Assert.True(result.ExitCode == 0 && result.Error.Length == 0, result.All);
        }
    }

    [Fact]
    public async Task A_clone_that_is_under_way_is_whole()
    {
        Require.Program("git");
        Start();
        const string Identity =
            "export HOME=$PWD GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b; ";
        ShellResult made = Shell.Script(
            Identity + "git init -q repo && cd repo && for i in $(seq 400); do mkdir -p d$((i % 20)); " +
                "seq $i 1500 > d$((i % 20))/f$i; done; git add . && git commit -qm one", _at.Path);
        Assert.True(made.ExitCode == 0, made.All);
        Task<ShellResult> clone = InBackground(
            Identity + "for i in 1 2 3; do git clone -q --no-hardlinks --no-local repo c$i && git -C c$i fsck --full " +
                "--strict && test -z \"$(git -C c$i status --porcelain)\" && diff -r --exclude=.git repo c$i; done");
        for (int i = 0; i < Upgrades && !clone.IsCompleted; i++)
        {
            await Task.Delay(200, TestContext.Current.CancellationToken);
            Upgrade();
        }

        ShellResult result = await clone;
        Assert.True(result.ExitCode == 0, result.All);
    }

    [Theory]
    [InlineData("")]
    [InlineData("--cache always --writeback")]
    public async Task What_fio_has_written_meanwhile_is_what_it_reads(string options)
    {
        Require.Program("fio");
        Start(options.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        Task<ShellResult> fio = InBackground(
            "fio --name=v --directory=. --size=8m --nrfiles=4 --numjobs=2 --rw=randrw --bs=4k --ioengine=psync " +
                "--time_based --runtime=5 --verify=crc32c --verify_backlog=256 --verify_fatal=1 --fsync=64 " +
                "--output=/dev/stderr");
        int meanwhile = 0;
        for (int i = 0; i < Upgrades && !fio.IsCompleted; i++)
        {
            await Task.Delay(500, TestContext.Current.CancellationToken);
            Upgrade();
            meanwhile += fio.IsCompleted ? 0 : 1;
        }

        Assert.NotEqual(0, meanwhile);
        ShellResult result = await fio;
        Assert.True(result.ExitCode == 0, result.All);
        Assert.DoesNotContain("verify failed", result.All, StringComparison.Ordinal);
    }

    [Fact]
    public void A_tree_goes_on_with_what_was_removed_and_is_open()
    {
        File.WriteAllText(_source["f"], "first");
        File.WriteAllText(_other["f"], "second");
        _mount = MountProcess.StartTree([$"/a={_source.Path}", $"/b={_other.Path}"], _at.Path);
        _watchdog = new Watchdog(_mount, 90);
        using FileStream removed = Open("a/f", FileMode.Open);
        Assert.Equal("fi", Read(removed, 2));
        Assert.Equal(0, _mount.Order("remove", "/a").ExitCode);
        Upgrade();
        Assert.Equal("rst", Read(removed, 3));
        Assert.Equal("second", File.ReadAllText(_at["b/f"]));
        Assert.False(Directory.Exists(_at["a"]));
        Assert.Equal($"/b={_other.Path}\n", _mount.Order("list").Out);
        Assert.Equal(0, _mount.Order("add", $"/a={_other.Path}").ExitCode);
        Assert.Equal("second", File.ReadAllText(_at["a/f"]));
        Assert.Equal("", Read(removed, 1));
    }

    /// <summary>How far a successor gets that goes away.</summary>
    public static TheoryData<string[]> Stages =>
    [
        new TheoryDataRow<string[]>([]),
        new TheoryDataRow<string[]>(["upgrade 1"]),
        new TheoryDataRow<string[]>(["upgrade 1", "stop"]),
        new TheoryDataRow<string[]>(["upgrade 1", "stop", "error it is cut off"]),
    ];

    [Theory, MemberData(nameof(Stages))]
    public void If_the_successor_goes_away_the_mount_is_served_on(string[] words)
    {
        string control = _other["control"];
        Start("--control", control);
        File.WriteAllText(_at["f"], "0123456789");
        using FileStream file = Open("f", FileMode.Open);
        Assert.Equal("0123", Read(file, 4));
        for (int i = 0; i < 3; i++)
        {
            using Socket socket = Connect(control);
            foreach (string word in words)
            {
                socket.Send(Encoding.UTF8.GetBytes(word + "\n"));
                Await(socket, word.StartsWith("upgrade", StringComparison.Ordinal) ? "}" : word == "stop" ? "state " : "");
            }
        }

        Assert.Equal("4567", Read(file, 4));
        File.WriteAllText(_at["g"], "served");
        Assert.Equal("served", File.ReadAllText(_source["g"]));
        Upgrade("--control", control);
        Assert.Equal("89", Read(file, 2));
    }

    [Fact]
    public void A_successor_that_cannot_have_as_many_descriptors_says_so_and_the_mount_is_served_on()
    {
        Start();
        Shell.Script("for i in $(seq 400); do echo $i > f$i; done; cat f* > /dev/null", _at.Path);
        ShellResult result = Shell.Run(
            "sh", ["-c", "ulimit -n 256 && exec \"$@\"", "sh", .. MountProcess.Command, "--upgrade", _at.Path]);
        Assert.Equal(1, result.ExitCode);
        Assert.StartsWith(
            $"ptfs-mount: {_at.Path} is not upgraded, and served as before: ", result.Error, StringComparison.Ordinal);
        Assert.Contains("raise `ulimit -n`", result.Error, StringComparison.Ordinal);
        Assert.Equal("7\n", File.ReadAllText(_at["f7"]));
        Upgrade();
        Assert.Equal("8\n", File.ReadAllText(_at["f8"]));
    }

    [Fact]
    public void When_a_client_has_taken_all_the_descriptors_it_gets_an_upgrade_works()
    {
        StartWithFewDescriptors();
        _mount!.ExpectedFault = "Out of file descriptors";
        Upgrade();
        File.WriteAllText("/proc/sys/vm/drop_caches", "2");
        Assert.Equal("7\n", Shell.Script("until cat f7 2>/dev/null; do sleep 0.1; done", _at.Path, 60).Out);
    }

    [Fact]
    public void Without_a_descriptor_left_the_mount_is_served_on()
    {
        StartWithFewDescriptors();

        // Not even the reserve: a limit that is all in use.
        string[] used = Directory.GetFileSystemEntries($"/proc/{_mount!.Pid}/fd");
        int limit = 0;
        while (used.Contains($"/proc/{_mount.Pid}/fd/{limit}"))
        {
            limit++;
        }

        Shell.Run("prlimit", ["--pid", $"{_mount.Pid}", $"--nofile={limit}:"]);
        ShellResult result = Shell.Run(MountProcess.Command[0], [.. MountProcess.Command[1..], "--upgrade", _at.Path]);
        Assert.Equal(1, result.ExitCode);

        // With its own limit again; the client forgets in the background.
        Shell.Run("prlimit", ["--pid", $"{_mount.Pid}", "--nofile=400:"]);
        File.WriteAllText("/proc/sys/vm/drop_caches", "2");
        Assert.Equal("7\n", Shell.Script("until cat f7 2>/dev/null; do sleep 0.1; done", _at.Path, 60).Out);

        // Its log says what was lacking.
        _mount.Signal(Native.SIGTERM);
        Assert.Equal(0, _mount.AwaitExit());
    }

    // Each inode that the client knows is a descriptor, until there are no more for it.
    private void StartWithFewDescriptors()
    {
        _mount = MountProcess.Launch(
            _source.Path, _at.Path,
            [
                "sh", "-c", "ulimit -n 400 && exec \"$@\"", "sh", .. MountProcess.Command, "--inode-file-handles", "never",
                _source.Path, _at.Path,
            ]);
        _mount.AwaitServing();
        _watchdog = new Watchdog(_mount, 90);
        Shell.Script("for i in $(seq 500); do echo $i > f$i; done", _source.Path);
        Shell.Run("sh", ["-c", "cat * > /dev/null"], _at.Path);
    }

    [Fact]
    public void A_program_of_another_version_is_refused_by_both_numbers()
    {
        string control = _other["control"];
        Start("--control", control);
        using Socket socket = Connect(control);
        socket.Send("upgrade 2\n"u8);
        byte[] answer = new byte[200];
        string text = Encoding.UTF8.GetString(answer, 0, socket.Receive(answer));
        Assert.StartsWith("error ", text, StringComparison.Ordinal);
        Assert.Contains("in version 1", text, StringComparison.Ordinal);
        Assert.Contains("version 2", text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_mount_over_a_ring_says_why_it_cannot_be()
    {
        Start("--io-uring");
        ShellResult result = Shell.Run(MountProcess.Command[0], [.. MountProcess.Command[1..], "--upgrade", _at.Path]);
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("requests come over io_uring", result.Error, StringComparison.Ordinal);
        File.WriteAllText(_at["f"], "served");
        Assert.Equal("served", File.ReadAllText(_source["f"]));
    }

    [Fact]
    public void Where_nothing_is_mounted_there_is_nothing_to_upgrade()
    {
        Require.Fuse();
        ShellResult result = Shell.Run(MountProcess.Command[0], [.. MountProcess.Command[1..], "--upgrade", _at.Path]);
        Assert.Equal(1, result.ExitCode);
        Assert.StartsWith($"ptfs-mount: {_at.Path} is no mount of ptfs-mount", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void The_successor_goes_to_the_background_and_unmounts_in_the_end()
    {
        Start();
        ShellResult result = Shell.Run(
            MountProcess.Command[0], [.. MountProcess.Command[1..], "--upgrade", "--background", _at.Path]);
        Assert.True(result.ExitCode == 0, result.All);
        Assert.Equal(0, _mount!.AwaitExit());
        File.WriteAllText(_at["f"], "served");
        Assert.Equal(0, Shell.Run("umount", [_at.Path], timeoutSeconds: 20).ExitCode);
        Assert.Equal("served", File.ReadAllText(_source["f"]));
    }

    /// <summary>Whoever has a file without a name open opens it once more, and nobody tells it that the file is gone.</summary>
    private static void AssertOpensAnew(FileStream file)
    {
        string path = $"/proc/self/fd/{file.SafeFileHandle.DangerousGetHandle()}";
        using var again = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        Assert.Equal("deleted", Read(again, 7));
    }

    public void Dispose()
    {
        _watchdog?.Dispose();
        _mount?.Dispose();
        _other.Dispose();
        _at.Dispose();
        _source.Dispose();
    }

    private static string Read(FileStream file, int count)
    {
        byte[] buffer = new byte[count];
        return Encoding.UTF8.GetString(buffer, 0, file.ReadAtLeast(buffer, count, throwOnEndOfStream: false));
    }

    private static Socket Connect(string path)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Connect(new UnixDomainSocketEndPoint(path));
        return socket;
    }

    private static void Await(Socket socket, string end)
    {
        socket.ReceiveTimeout = 30_000;
        byte[] some = new byte[4096];
        for (string text = ""; !text.Contains(end, StringComparison.Ordinal);)
        {
            int length = socket.Receive(some);
            Assert.NotEqual(0, length);
            text += Encoding.UTF8.GetString(some, 0, length);
        }
    }

    private FileStream Open(string name, FileMode mode) =>
        new(_at[name], mode, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete, 0);

    private void Start(params string[] options)
    {
        _mount = MountProcess.Start(_source.Path, _at.Path, options);
        _watchdog = new Watchdog(_mount, 90);
    }

    /// <summary>The mount is another process's then, which is disposed of in the end: it must end as ever.</summary>
    private void Upgrade(params string[] options)
    {
        MountProcess old = _mount!;
        _mount = old.Upgrade(options);
        old.Dispose();
    }

    private Task<ShellResult> InBackground(string script) => Task.Run(() => Shell.Script(script, _at.Path, 120));

    private Task<ShellResult> Repeat(string script, CancellationTokenSource stop) => Task.Run(() =>
    {
        ShellResult result;
        do
        {
            result = Shell.Script(script, _at.Path, 60);
        }
        while (!stop.IsCancellationRequested && result.ExitCode == 0);
        return result;
    });
}
