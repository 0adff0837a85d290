using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Posix;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Vhost;

/// <summary>What a daemon sees of the host, and what it may do there.</summary>
public sealed class SandboxTests : IDisposable
{
    private readonly TempDirectory _shared = new();

    public SandboxTests() => Require.Root();

    public void Dispose() => _shared.Dispose();

    [Fact]
    public void With_its_root_changed_the_daemon_serves_all_the_same()
    {
        using DaemonProcess daemon = Start("chroot");
        Use(daemon);
        AssertNothingByPath($"/proc/{daemon.Pid}");
        using (var frontEnd = new FrontEnd(daemon.SocketPath))
        {
            // Even what has to be said for the first time needs nothing from outside.
            _ = frontEnd.Send(7777, default);
            Assert.True(frontEnd.IsClosed());
        }

        daemon.AwaitOutput("message 7777 is not known");
        daemon.ExpectFaults = true;
    }

    [Fact]
    public void A_daemon_leaves_nothing_in_the_temporary_directory()
    {
        foreach (string mode in new[] { "none", "chroot", "namespace" })
        {
            // Its end is where that is looked at.
            using DaemonProcess daemon = Start(mode);
            Use(daemon);
        }
    }

    [Theory]
    [InlineData("none")]
    [InlineData("chroot")]
    [InlineData("namespace")]
    public void A_daemon_in_a_sandbox_has_no_port_for_diagnostics(string mode)
    {
        using DaemonProcess daemon = Start(mode);
        Use(daemon);
        string proc = $"/proc/{daemon.ServerPid}";
        var own = new HashSet<string>();
        foreach (string fd in Directory.GetFileSystemEntries($"{proc}/fd"))
        {
            if (new FileInfo(fd).LinkTarget is { } target && target.StartsWith("socket:[", StringComparison.Ordinal))
            {
                own.Add(target["socket:[".Length..^1]);
            }
        }

        // Each line ends with the socket's number and its path.
        string[] ports =
        [
            .. File.ReadLines("/proc/self/net/unix").Concat(File.ReadLines($"{proc}/net/unix"))
                .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
                .Where(words => words.Length == 8 && own.Contains(words[6]))
                .Select(words => words[7])
                .Where(path => path.Contains("dotnet-diagnostic", StringComparison.Ordinal)),
        ];

        // A native executable has none anyway.
        bool hasPort = mode == "none" && new FileInfo($"{proc}/exe").LinkTarget!.EndsWith("/dotnet", StringComparison.Ordinal);
        Assert.Equal(hasPort, ports.Length > 0);
        Assert.NotEmpty(own);
    }

    [Fact]
    public void In_namespaces_no_file_can_be_at_any_path()
    {
        File.WriteAllText(_shared["visible"], "");
        using DaemonProcess daemon = Start("namespace");
        Use(daemon);
        string proc = $"/proc/{daemon.ServerPid}";
        Assert.NotEqual(daemon.Pid, daemon.ServerPid);
        AssertNothingByPath(proc);
        string[] mount = Assert.Single(File.ReadAllLines($"{proc}/mountinfo")).Split(' ');
        Assert.Equal("/", mount[4]);
        Assert.Equal(["nodev", "noexec", "nosuid", "ro"], mount[5].Split(',').Order().Where(o => o != "relatime"));
        Assert.Equal("1", Status(proc, "NSpid")[^1]);
        foreach (string kind in new[] { "mnt", "pid", "net" })
        {
            Assert.NotEqual(
                new FileInfo($"/proc/self/ns/{kind}").LinkTarget, new FileInfo($"{proc}/ns/{kind}").LinkTarget);
        }
    }

    [Theory]
    [InlineData("namespace")]
    [InlineData("chroot")]
    public void Whatever_a_guest_makes_no_path_leads_the_daemon_there(string mode)
    {
        Require.Program("strace");
        using DaemonProcess daemon = Start(mode);
        string[] wanted =
        [
            "proc/self/status", "proc/self/maps", "proc/stat", "proc/meminfo", "proc/self/cgroup", "proc/self/mountinfo",
            "sys/devices/system/cpu/possible", "sys/devices/system/cpu/online", "etc/localtime", "dev/null", "etc/passwd",
        ];
        using (var posix = new DispatchPosix(new VhostChannel(daemon.SocketPath)))
        {
            IEnumerable<string> comm = Enumerable.Range(1, 200).Select(i => $"proc/self/task/{i}/comm");
            foreach (string path in wanted.Concat(comm))
            {
                string[] parts = path.Split('/');
                for (int i = 1; i < parts.Length; i++)
                {
                    _ = posix.Mkdir(string.Join('/', parts[..i]), 0x1ff);
                }

                posix.Mknod(path, Core.Api.Linux.S_IFIFO | 0x1ff, 0).IsOk();
            }
        }

        // Threads come and go, and each connection starts some.
        using var trace = new TempDirectory();
        using var tracer = System.Diagnostics.Process.Start(
            "strace", ["-ff", "-q", "-e", "trace=%file", "-p", $"{daemon.ServerPid}", "-o", trace["out"]]);
        try
        {
            daemon.AwaitTracer();
            for (int i = 0; i < 5; i++)
            {
                Use(daemon);
            }
        }
        finally
        {
            Assert.Equal(0, Native.Kill(tracer.Id, Native.SIGINT));
            tracer.WaitForExit();
        }

        // The library opens names below descriptors. What asks for a path, as the runtime does, finds nothing there.
        string[] calls = [.. Directory.GetFiles(trace.Path).SelectMany(File.ReadAllLines)];
        Assert.Contains(calls, call => call.Contains("used", StringComparison.Ordinal));
        Assert.DoesNotContain(
            calls, call => call.Contains("\"/", StringComparison.Ordinal)
                && !call.Contains("\"/\"", StringComparison.Ordinal)
                && !call.Contains("= -1 ENOENT", StringComparison.Ordinal));
    }

    [Fact]
    public void In_namespaces_no_open_directory_leads_out()
    {
        using DaemonProcess daemon = Start("namespace", "--xattr");
        using var posix = new DispatchPosix(new VhostChannel(daemon.SocketPath));
        posix.WriteFile("f", "x"u8);
        int fd = posix.MustOpen("", Core.Api.Linux.O_DIRECTORY);
        string proc = $"/proc/{daemon.ServerPid}";
        string shared = Inode(_shared.Path);
        string descriptors = Inode($"{proc}/fd");
        int seen = 0;
        foreach (string link in Directory.GetFileSystemEntries($"{proc}/fd"))
        {
            if (Directory.Exists(link + "/."))
            {
                seen++;
                string inode = Inode(link);
                Assert.True(inode == shared || inode == descriptors, new FileInfo(link).LinkTarget);
                Assert.Equal(inode, Inode(link + "/.."));
                Assert.Equal(inode, Inode(link + "/../../../.."));
            }
        }

        Assert.True(seen >= 3, $"{seen} directories: the root, the guest's, the descriptors'");
        posix.Close(fd);
    }

    [Fact]
    public void In_namespaces_every_thread_has_only_the_capabilities_that_serving_takes()
    {
        const ulong needed = 0x8800_00DB, dacReadSearch = 1 << 2, mknod = 1 << 27, sysAdmin = 1 << 21;
        const ulong sysChroot = 1 << 18;
        Assert.Equal(needed | dacReadSearch, CapabilitiesOf("namespace"));
        Assert.Equal(needed, CapabilitiesOf("namespace", "--inode-file-handles", "never"));
        Assert.Equal(
            (needed & ~mknod) | sysAdmin, CapabilitiesOf("namespace", "--modcaps=-mknod:+SYS_ADMIN:-dac_read_search"));
        Assert.Equal(needed | dacReadSearch | sysChroot, CapabilitiesOf("chroot"));
    }

    [Fact]
    public void If_one_process_of_the_sandbox_is_killed_the_other_goes_and_the_path_is_free()
    {
        using (DaemonProcess daemon = Start("namespace"))
        {
            Use(daemon);
            Assert.Equal(0, Native.Kill(daemon.ServerPid, Native.SIGKILL));
            Assert.Equal(128 + Native.SIGKILL, daemon.AwaitExit());
            Assert.False(File.Exists(daemon.SocketPath));
        }

        using (DaemonProcess daemon = Start("namespace"))
        {
            Use(daemon);
            int server = daemon.ServerPid;
            daemon.Kill();
            daemon.Await(() => !IsRunning(server), "the daemon inside is still there");
            using var next = DaemonProcess.At(daemon.SocketPath, _shared.Path, "--num-request-queues", "2");
            Use(next);
        }
    }

    [Fact]
    public void However_long_the_daemon_inside_takes_to_start_the_one_outside_waits()
    {
        // Longer than the runtime keeps its idle threads: new ones are started at a moment of its choice.
        const string script = """
            "$HOST" "$PROGRAM" --socket-path "$PWD/socket" --shared-dir "$SHARED" --sandbox namespace >out 2>&1 &
            outside=$!
            # The child that has become the daemon inside, as its environment says. There are others for a moment:
            # what a program tries to start and cannot.
            inside=
            while [ -z "$inside" ] && kill -0 $outside; do
              for child in $(cat /proc/$outside/task/*/children 2>/dev/null || true); do
                if grep -qz '^PTFS_VIRTIOFSD_SANDBOX=' /proc/$child/environ 2>/dev/null; then inside=$child; fi
              done
            done
            kill -STOP $inside
            sleep 6
            kill -CONT $inside
            while ! grep -q '^listening' out && kill -0 $outside; do sleep 0.1; done
            kill $outside
            code=0
            wait $outside || code=$?
            cat out
            exit $code
            """;
        using var directory = new TempDirectory();
        ShellResult result = Shell.Script(script, directory.Path, environment: new Dictionary<string, string?>
        {
            ["HOST"] = DaemonProcess.Host,
            ["PROGRAM"] = DaemonProcess.Program,
            ["SHARED"] = _shared.Path,
        });
        Assert.True(result.ExitCode == 0, result.All);
        Assert.Equal($"listening on {directory["socket"]}", result.Out.Trim());
    }

    [Fact]
    public void A_signal_reaches_the_daemon_inside()
    {
        using DaemonProcess daemon = Start("namespace");
        Assert.Equal(0, Native.Kill(daemon.Pid, Native.SIGINT));
        Assert.Equal(0, daemon.AwaitExit());
        Assert.Contains("SIGINT: ending", daemon.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("namespace", "sys_admin", "--sandbox namespace needs CAP_SYS_ADMIN: run the daemon as root, or behind")]
    [InlineData("chroot", "sys_chroot", "--sandbox chroot needs CAP_SYS_CHROOT: run the daemon as root, or use")]
    public void Where_the_machine_does_not_allow_it_the_daemon_says_so(string mode, string without, string message)
    {
        Require.Program("setpriv");
        ShellResult result = Refused(
            "setpriv",
            [$"--bounding-set=-{without}", DaemonProcess.Host, DaemonProcess.Program, "--sandbox", mode], _shared.Path);
        Assert.Contains(message, result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void The_whole_host_is_not_shared_in_namespaces()
    {
        ShellResult result = Refused(
            DaemonProcess.Host, [DaemonProcess.Program, "--sandbox", "namespace"], "/");
        Assert.Contains("cannot share /: name a directory below it", result.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--sandbox=namespace", "--modcaps=sys_admin", "--modcaps sys_admin: give + or -")]
    [InlineData("--sandbox=namespace", "--modcaps=+sys_admin:+sysadmin", "--modcaps +sysadmin: give + or -")]
    [InlineData("--sandbox=none", "--modcaps=+sys_admin", "--modcaps needs --sandbox namespace or chroot")]
    public void A_list_of_capabilities_that_makes_no_sense_is_refused(string sandbox, string list, string message)
    {
        ShellResult result = Refused(DaemonProcess.Host, [DaemonProcess.Program, sandbox, list], _shared.Path, 2);
        Assert.Contains(message, result.Error, StringComparison.Ordinal);
    }

    private static ShellResult Refused(string program, string[] arguments, string shared, int exitCode = 1)
    {
        string socket = Path.Combine(Path.GetTempPath(), $"ptfs-refused-{Environment.ProcessId}.sock");
        ShellResult result = Shell.Run(
            program, [.. arguments, "--socket-path", socket, "--shared-dir", shared], timeoutSeconds: 30);
        Assert.Equal(exitCode, result.ExitCode);
        Assert.Single(result.Error.TrimEnd('\n').Split('\n'));
        Assert.False(File.Exists(socket));
        return result;
    }

    // Nothing is below the root, and nobody can put anything there.
    private static void AssertNothingByPath(string proc)
    {
        Assert.Empty(Directory.GetFileSystemEntries($"{proc}/root/"));
        Assert.ThrowsAny<IOException>(() => File.WriteAllText($"{proc}/root/file", ""));
        Assert.StartsWith("0", File.ReadLines($"{proc}/limits").Single(
            line => line.StartsWith("Max core file size", StringComparison.Ordinal))["Max core file size".Length..].Trim());
    }

    private static string[] Status(string task, string field) =>
        File.ReadLines($"{task}/status").Single(line => line.StartsWith(field + ":", StringComparison.Ordinal))
            .Split(['\t', ' '], StringSplitOptions.RemoveEmptyEntries)[1..];

    private static string Inode(string path) => Shell.Run("stat", ["-L", "-c", "%d:%i", path]).Out.Trim();

    private static bool IsRunning(int pid) =>
        Directory.Exists($"/proc/{pid}") && Status($"/proc/{pid}", "State")[0] != "Z";

    private ulong CapabilitiesOf(string mode, params string[] options)
    {
        using DaemonProcess daemon = Start(mode, options);
        Use(daemon);
        var found = new HashSet<string>();
        foreach (string task in Directory.GetDirectories($"/proc/{daemon.ServerPid}/task"))
        {
            try
            {
                found.UnionWith([.. Status(task, "CapPrm"), .. Status(task, "CapEff")]);
                Assert.Equal(0ul, Convert.ToUInt64(Assert.Single(Status(task, "CapBnd")), 16));
                Assert.Equal("1", Assert.Single(Status(task, "NoNewPrivs")));
            }
            catch (IOException)
            {
                // That thread has ended.
            }
        }

        return Convert.ToUInt64(Assert.Single(found), 16);
    }

    private DaemonProcess Start(string mode, params string[] options) => new(
        _shared.Path,
        ["--num-request-queues", "2", "--log-level", "information", "--sandbox", mode, .. options]);

    private void Use(DaemonProcess daemon)
    {
        using (var posix = new DispatchPosix(new VhostChannel(daemon.SocketPath)))
        {
            posix.WriteFile("used", "x"u8);
        }

        Assert.Equal("x", File.ReadAllText(_shared["used"]));
    }
}
