using System;
using System.IO;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Ways;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Mounts;

/// <summary>Several directories under one real mount, which come and go at run time.</summary>
public sealed class TreeTests : IDisposable
{
    // The kernel keeps what it knows as long as it is not told otherwise.
    private static readonly string[] s_longTimeouts =
        ["--entry-timeout", "1000", "--attr-timeout", "1000", "--negative-timeout", "1000"];

    private readonly TempDirectory _at = new();
    private readonly TempDirectory _a = new();
    private readonly TempDirectory _b = new();
    private MountProcess? _mount;
    private Watchdog? _watchdog;

    [Fact]
    public void A_directory_that_is_added_is_there_at_once_and_one_that_is_removed_is_gone()
    {
        Start($"/a={_a.Path}");
        File.WriteAllText(_b["f"], "of b");
        Assert.False(File.Exists(At("x/b/f")));
        Assert.False(File.Exists(At("x/b/f")));
        Ok("add", $"/x/b={_b.Path}");
        Assert.Equal("of b", File.ReadAllText(At("x/b/f")));
        Assert.Equal(["a", "x"], Names(""));
        Assert.Equal(["b"], Names("x"));
        Assert.Equal($"/a={_a.Path}\n/x/b={_b.Path}\n", Ok("list"));
        Ok("remove", "/x/b");
        Assert.False(Directory.Exists(At("x/b")));
        Assert.False(Directory.Exists(At("x")));
        Assert.Equal(["a"], Names(""));
        Await(() => _mount!.OpenBelow(_b.Path).Length == 0 && !IsHeld(_b.Path), "the removed directory is held");
    }

    [Fact]
    public void Files_that_are_open_go_on_after_a_removal_and_end_with_force()
    {
        Start($"/a={_a.Path}", $"/b={_b.Path}");
        File.WriteAllText(_a["f"], "first");
        using (FileStream file = new(At("a/f"), FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, 0))
        {
            Ok("remove", "/a");
            file.Write("FIRST"u8);
            Assert.Equal("FIRST", File.ReadAllText(_a["f"]));
            Ok("add", $"/a={_b.Path}");
            Assert.False(File.Exists(At("a/f")));
            file.Position = 0;
            byte[] content = new byte[5];
            file.ReadExactly(content);
            Assert.Equal("FIRST"u8, content);
            Assert.True(IsHeld(_a.Path));
        }

        File.WriteAllText(_b["g"], "second");
        using FileStream other = new(At("b/g"), FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, 0);
        Ok("remove", "--force", "/b");
        IOException e = Assert.Throws<IOException>(() => other.Write("SECOND"u8));
        Assert.Contains("Stale", e.Message, StringComparison.OrdinalIgnoreCase);
        Assert.Equal("second", File.ReadAllText(_b["g"]));
    }

    [Fact]
    public void A_replaced_directory_is_another_one_for_all_who_look_now()
    {
        Start($"/a={_a.Path}");
        File.WriteAllText(_a["f"], "old");
        File.WriteAllText(_b["f"], "new");
        using StreamReader held = new(At("a/f"));
        ulong before = InodeOf("a/f");
        Ok("replace", $"/a={_b.Path}");
        Assert.Equal("new", File.ReadAllText(At("a/f")));
        Assert.Equal("old", held.ReadToEnd());
        Assert.NotEqual(before, InodeOf("a/f"));
    }

    [Fact]
    public async Task Hundreds_that_come_and_go_never_give_a_wrong_file()
    {
        Start($"/keep={_a.Path}");
        File.WriteAllText(_a["f"], "keep");
        const int versions = 8;
        TempDirectory[] sources = [.. Enumerable.Range(0, versions).Select(_ => new TempDirectory())];
        try
        {
            for (int i = 0; i < versions; i++)
            {
                File.WriteAllText(sources[i]["f"], $"version {i}");
            }

            using CancellationTokenSource stop = new();
            Task readers = Task.WhenAll(Enumerable.Range(0, 3).Select(_ => Task.Run(
                () => ReadUntil(stop.Token), TestContext.Current.CancellationToken)));
            StreamReader?[] held = new StreamReader?[versions];
            for (int i = 0; i < 300; i++)
            {
                int now = i % versions;
                string verb = i == 0 || i % 50 == 1 ? "add" : "replace";
                Assert.Equal("ok\n", OrderDirectly($"{verb} /v={sources[now].Path}"));
                Assert.Equal($"version {now}", File.ReadAllText(At("v/f")));
                Assert.Equal($"version {(now + 1) % versions}",
                    held[(now + 1) % versions]?.ReadToEnd() ?? $"version {(now + 1) % versions}");
                held[(now + 1) % versions]?.Dispose();
                held[(now + 1) % versions] = null;
                held[now]?.Dispose();
                held[now] = new StreamReader(At("v/f"));
                if (i % 50 == 0)
                {
                    Assert.Equal("ok\n", OrderDirectly("remove /v"));
                    Assert.False(File.Exists(At("v/f")));
                }
            }

            await stop.CancelAsync();
            await readers.WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
            foreach (StreamReader? reader in held)
            {
                reader?.Dispose();
            }
        }
        finally
        {
            foreach (TempDirectory source in sources)
            {
                source.Dispose();
            }
        }
    }

    [Fact]
    public void Two_of_one_source_are_different_files_to_whoever_compares_numbers()
    {
        Start($"/one={_a.Path}", $"/two={_a.Path}");
        File.WriteAllText(_a["f"], "twice");
        Assert.NotEqual(InodeOf("one/f"), InodeOf("two/f"));
        Assert.NotEqual(InodeOf("one"), InodeOf("two"));

        // du counts an inode once.
        File.WriteAllBytes(_a["big"], new byte[1 << 20]);
        string sum = Shell.Script("du -s --apparent-size -k one two | cut -f1", _at.Path).Out;
        Assert.All(sum.Split('\n', StringSplitOptions.RemoveEmptyEntries), line => Assert.True(int.Parse(line, null) > 1000));
    }

    [Fact]
    public void Between_directories_there_are_copies_and_no_links()
    {
        Start($"/a={_a.Path}", $"/b={_b.Path}");
        File.WriteAllText(_a["f"], "content");
        Assert.Contains("cross-device", Shell.Run("ln", [At("a/f"), At("b/f")]).Error, StringComparison.OrdinalIgnoreCase);
        Assert.Equal(0, Shell.Run("mv", [At("a/f"), At("b/g")]).ExitCode);
        Assert.Equal("content", File.ReadAllText(_b["g"]));
        Assert.False(File.Exists(_a["f"]));
        Assert.Contains("busy", Shell.Run("rmdir", [At("a")]).Error, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("busy", Shell.Run("mv", [At("a"), At("c")]).Error, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("Read-only", Shell.Run("mkdir", [At("c")]).Error, StringComparison.Ordinal);
        Assert.Equal(_at.Path, Shell.Script("cd a/.. && /bin/pwd", _at.Path).Out.TrimEnd());
        Assert.Equal(0, Shell.Run("sync", ["-f", _at.Path]).ExitCode);
    }

    [Fact]
    public void Ids_are_others_on_each_side_and_each_directory_may_have_its_own()
    {
        Start(
            [$"/a={_a.Path}", $"/b={_b.Path}"],
            "--uid-map", "0:100000:1000", "--gid-map", "0:200000:1000", "--uid-map", "/b=0:300000:1000", "--xattr",
            "--allow-other", "--default-permissions");
        Chown(_a.Path, 100_000, 200_000);
        Chown(_b.Path, 300_000, 200_000);
        foreach ((string name, TempDirectory host, uint first) in new[] { ("a", _a, 100_000u), ("b", _b, 300_000u) })
        {
            Assert.Equal("0 0", Owner(At(name)));
            File.WriteAllText(At($"{name}/f"), "new");
            Assert.Equal($"{first} 200000", Owner(host["f"]));
            Assert.Equal(0, Shell.Run("chown", ["5:6", At($"{name}/f")]).ExitCode);
            Assert.Equal($"{first + 5} 200006", Owner(host["f"]));
            Assert.Equal("5 6", Owner(At($"{name}/f")));
            Assert.Contains(
                "too large", Shell.Run("chown", ["5000", At($"{name}/f")]).Error, StringComparison.OrdinalIgnoreCase);
            File.WriteAllText(host["strange"], "of the host's root");
            Assert.Equal("65534 65534", Owner(At($"{name}/strange")));
        }
    }

    [Fact]
    public void Orders_that_make_no_sense_are_refused_with_the_reason()
    {
        Start($"/a={_a.Path}");
        Refused("inside what is mounted", "add", $"/a/b={_b.Path}");
        Refused("mounted already", "add", $"/a={_b.Path}");
        Refused("nothing is mounted at /b: use add", "replace", $"/b={_b.Path}");
        Refused("does not exist", "add", "/b=/nowhere/at/all");
        Refused("inside the mount point", "add", $"/b={At("a")}");
        Refused("Nothing is mounted at \"/b\"", "remove", "/b");
        Refused("is no order", "frobnicate");
        Refused("is no order", "remove");
        Refused("is no directory to serve", "add", _b.Path);
        Refused("cannot be a mount point", "add", $"/..={_b.Path}");
        Assert.StartsWith("error ", OrderDirectly("add /b=relative"), StringComparison.Ordinal);
        Assert.StartsWith("error ", OrderDirectly(""), StringComparison.Ordinal);
        Assert.StartsWith("error ", OrderDirectly(new string('x', 16 * 1024 - 1)), StringComparison.Ordinal);
        ShellResult elsewhere = Shell.Run(
            MountProcess.Command[0], [.. MountProcess.Command[1..], "ctl", _b.Path, "list"]);
        Assert.Equal(1, elsewhere.ExitCode);
        Assert.Contains("is no mount of ptfs-mount", elsewhere.Error, StringComparison.Ordinal);
        Assert.Equal($"/a={_a.Path}\n", Ok("list"));
    }

    [Fact]
    public void The_control_socket_is_its_users_alone_and_goes_with_the_mount()
    {
        Start([$"/a={_a.Path}"], "--control", _b["socket"]);
        Assert.Equal("600", Shell.Run("stat", ["-c", "%a", _b["socket"]]).Out.TrimEnd());
        Assert.Equal("ok\n/a=" + _a.Path + "\n", OrderDirectly("list", _b["socket"]));
        ShellResult named = Shell.Run(
            MountProcess.Command[0],
            [.. MountProcess.Command[1..], "ctl", "--control", _b["socket"], _at.Path, "list"]);
        Assert.Equal($"/a={_a.Path}\n", named.Out);
        End();
        Assert.False(File.Exists(_b["socket"]));
    }

    [Fact]
    public void What_a_killed_server_left_is_replaced_and_nothing_else()
    {
        Start([$"/a={_a.Path}"], "--control", _b["socket"]);
        _mount!.Signal(Native.SIGKILL);
        Assert.NotEqual(0, _mount.AwaitExit());
        Assert.True(File.Exists(_b["socket"]));
        Assert.Equal(0, Shell.Run("umount", [_at.Path]).ExitCode);
        Start([$"/a={_a.Path}"], "--control", _b["socket"]);
        using (TempDirectory second = new())
        {
            ShellResult taken = Shell.Run(
                MountProcess.Command[0],
                [.. MountProcess.Command[1..], "--mount", $"/a={_a.Path}", "--control", _b["socket"], second.Path]);
            Assert.Equal(1, taken.ExitCode);
            Assert.Contains("is in use", taken.Error, StringComparison.Ordinal);
            File.WriteAllText(_b["file"], "precious");
            taken = Shell.Run(
                MountProcess.Command[0],
                [.. MountProcess.Command[1..], "--mount", $"/a={_a.Path}", "--control", _b["file"], second.Path]);
            Assert.Equal(1, taken.ExitCode);
            Assert.Contains("cannot be made", taken.Error, StringComparison.Ordinal);
            Assert.Equal("precious", File.ReadAllText(_b["file"]));
            string nowhere = Path.Combine(_b["nowhere"], "socket");
            taken = Shell.Run(
                MountProcess.Command[0],
                [.. MountProcess.Command[1..], "--mount", $"/a={_a.Path}", "--control", nowhere, second.Path]);
            Assert.Equal(1, taken.ExitCode);
            Assert.Contains($"there is no directory {_b["nowhere"]}: create it", taken.Error, StringComparison.Ordinal);
        }

        Assert.Equal($"ok\n/a={_a.Path}\n", OrderDirectly("list", _b["socket"]));
    }

    public void Dispose()
    {
        try
        {
            End();
        }
        finally
        {
            _at.Dispose();
            _a.Dispose();
            _b.Dispose();
        }
    }

    private static string Owner(string path) => Shell.Run("stat", ["-c", "%u %g", path]).Out.TrimEnd();

    private static void Chown(string path, uint uid, uint gid) =>
        Assert.Equal(0, Native.LChown(Bytes.Z(path), uid, gid));

    private static void Await(Func<bool> condition, string otherwise)
    {
        for (int i = 0; i < 300 && !condition(); i++)
        {
            Thread.Sleep(100);
        }

        Assert.True(condition(), otherwise);
    }

    private void Start(params string[] mounts) => Start(mounts, s_longTimeouts);

    private void Start(string[] mounts, params string[] options)
    {
        End();
        _mount = MountProcess.StartTree(mounts, _at.Path, options);
        _watchdog = new Watchdog(_mount, seconds: 120);
    }

    private void End()
    {
        _mount?.Dispose();
        _watchdog?.Dispose();
        _mount = null;
        _watchdog = null;
    }

    private string At(string name) => _at[name];

    private string[] Names(string directory) =>
        [.. Directory.GetFileSystemEntries(At(directory)).Select(Path.GetFileName).Order(StringComparer.Ordinal)!];

    private ulong InodeOf(string name) => ulong.Parse(Shell.Run("stat", ["-c", "%i", At(name)]).Out, null);

    private bool IsHeld(string directory) => Directory.GetFileSystemEntries($"/proc/{_mount!.Pid}/fd")
        .Any(link => new FileInfo(link).LinkTarget == directory);

    private string Ok(params string[] words)
    {
        ShellResult result = _mount!.Order(words);
        Assert.True(result.ExitCode == 0, result.All);
        return result.Out;
    }

    private void Refused(string reason, params string[] words)
    {
        ShellResult result = _mount!.Order(words);
        Assert.NotEqual(0, result.ExitCode);
        Assert.Contains(reason, result.Error, StringComparison.Ordinal);
        Assert.Single(result.Error.TrimEnd('\n').Split('\n'));
    }

    private static string OrderDirectly(string line, string path)
    {
        using var socket = new System.Net.Sockets.Socket(
            System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Stream,
            System.Net.Sockets.ProtocolType.Unspecified);
        socket.Connect(new System.Net.Sockets.UnixDomainSocketEndPoint(path));
        using var stream = new System.Net.Sockets.NetworkStream(socket);
        using var reader = new StreamReader(stream);
        stream.Write(System.Text.Encoding.UTF8.GetBytes(line + "\n"));
        return reader.ReadToEnd();
    }

    private string OrderDirectly(string line) => OrderDirectly(line, ControlSocket());

    // The one on which the mount's own process listens: others of the machine have theirs in the same place.
    private string ControlSocket()
    {
        string[] own =
        [
            .. Directory.GetFileSystemEntries($"/proc/{_mount!.Pid}/fd")
                .Select(fd => new FileInfo(fd).LinkTarget ?? "")
                .Where(target => target.StartsWith("socket:[", StringComparison.Ordinal))
                .Select(target => target["socket:[".Length..^1]),
        ];
        return File.ReadLines("/proc/net/unix")
            .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .First(words => words.Length == 8 && own.Contains(words[6]) && words[7].EndsWith(".sock", StringComparison.Ordinal))[7];
    }

    private void ReadUntil(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            Assert.Equal("keep", File.ReadAllText(At("keep/f")));
            try
            {
                string text = File.ReadAllText(At("v/f"));
                Assert.Matches("^version [0-7]$", text);
            }
            catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
            {
                // Between a removal and what comes after it.
            }
        }
    }
}
