using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Posix;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Vhost;

/// <summary>The sandbox by default, and that of an ordinary user: behind a user namespace.</summary>
public sealed class UserSandboxTests : IDisposable
{
    private const ulong Needed = 0x8800_00DB | (1 << 2); // with kernel handles
    private const int User = 65534; // has a name, which newuidmap asks for

    private static readonly string[] s_asUser =
        ["setpriv", $"--reuid={User}", $"--regid={User}", "--clear-groups", "--inh-caps=-all"];

    private readonly TempDirectory _shared = new();

    public UserSandboxTests()
    {
        Require.Root();
        Require.Program("setpriv", "unshare");
        Assert.Equal(0, Shell.Run("chown", [$"{User}:{User}", _shared.Path]).ExitCode);
    }

    public void Dispose() => _shared.Dispose();

    [Fact]
    public void Namespaces_are_the_default_of_root()
    {
        using DaemonProcess daemon = DaemonProcess.StartedBy([], _shared.Path, "--num-request-queues", "2");
        Assert.NotEqual(daemon.Pid, daemon.ServerPid);
        Use(daemon);
        AssertShutIn(daemon);
        Assert.Equal(Namespace("self"), Namespace($"{daemon.ServerPid}"));
        Assert.Equal("0:0", OwnerOf("used"));
    }

    [Fact]
    public void An_ordinary_user_is_root_of_a_namespace_with_one_user()
    {
        using DaemonProcess daemon = DaemonProcess.StartedBy(
            s_asUser, _shared.Path, "--num-request-queues", "2", "--sandbox", "namespace",
            $"--uid-map=:0:{User}:1:", $"--gid-map=:0:{User}:1:");
        Use(daemon);
        AssertShutIn(daemon);
        AssertUser(daemon);
        Assert.Equal($"{User}:{User}", OwnerOf("used"));
    }

    [Fact]
    public void An_ordinary_user_without_maps_is_who_it_is()
    {
        using DaemonProcess daemon = DaemonProcess.StartedBy(
            s_asUser, _shared.Path, "--num-request-queues", "2", "--sandbox", "namespace");
        using (var posix = new DispatchPosix(new VhostChannel(daemon.SocketPath)))
        {
            posix.Caller = new Caller(User, User);
            posix.WriteFile("used", "x"u8);
        }

        AssertShutIn(daemon);
        AssertUser(daemon);
        Assert.Equal($"{User}:{User}", OwnerOf("used"));
    }

    [Fact]
    public void Ranges_of_ids_are_mapped_by_the_programs_that_may()
    {
        Require.Program("newuidmap", "newgidmap");

        // What the user is allowed to is in files in /etc: in a copy of that directory that nobody else sees.
        const string script = """
            cp -a /etc "$0/etc"
            for file in subuid subgid; do echo nobody:100000:65536 >"$0/etc/$file"; done
            mount --bind "$0/etc" /etc
            exec "$@"
            """;
        using var directory = new TempDirectory();
        using DaemonProcess daemon = DaemonProcess.StartedBy(
            ["unshare", "--mount", "bash", "-euc", script, directory.Path, .. s_asUser], _shared.Path,
            "--num-request-queues", "2", $"--uid-map=:0:{User}:1:", "--uid-map=:1:100000:60000:",
            $"--gid-map=:0:{User}:1:", "--gid-map=:1:100000:60000:");
        using (var posix = new DispatchPosix(new VhostChannel(daemon.SocketPath)))
        {
            posix.WriteFile("roots", "x"u8);
            posix.Mkdir("open", 0x1FF).IsOk();
            posix.Chmod("open", 0x1FF).IsOk();
            posix.Caller = new Caller(5, 6);
            posix.WriteFile("open/somebodys", "x"u8);
        }

        AssertShutIn(daemon);
        AssertUser(daemon);
        Assert.Equal($"{User}:{User}", OwnerOf("roots"));
        Assert.Equal("100004:100005", OwnerOf("open/somebodys"));
    }

    [Fact]
    public void In_a_user_namespace_that_is_there_already_namespaces_are_the_default()
    {
        using DaemonProcess daemon = DaemonProcess.StartedBy(
            [.. s_asUser, "unshare", "--user", "--map-root-user"], _shared.Path, "--num-request-queues", "2");
        Assert.NotEqual(daemon.Pid, daemon.ServerPid);
        Use(daemon);
        AssertShutIn(daemon);
        AssertUser(daemon);
        Assert.Equal($"{User}:{User}", OwnerOf("used"));
    }

    [Theory]
    [InlineData(2, "--uid-map :0:1: is no range: give :INSIDE:OUTSIDE:COUNT:", "--uid-map=:0:1:")]
    [InlineData(2, "--gid-map 0:1:1 is no range: give :INSIDE:OUTSIDE:COUNT:", "--gid-map=0:1:1")]
    [InlineData(2, "--uid-map :0:1:0: is no range", "--uid-map=:0:1:0:")]
    [InlineData(2, "--uid-map :0:4294967295:1: is no range", "--uid-map=:0:4294967295:1:")]
    [InlineData(2, "--uid-map and --gid-map need --sandbox namespace", "--uid-map=:0:1:1:", "--sandbox=none")]
    [InlineData(1, "--uid-map and --gid-map are for an ordinary user", "--uid-map=:0:1:1:")]
    public void Maps_that_make_no_sense_are_refused(int exitCode, string message, params string[] options)
    {
        ShellResult result = Refused([], options);
        Assert.Equal(exitCode, result.ExitCode);
        Assert.Contains(message, result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_range_that_the_user_has_not_is_refused_with_the_reason()
    {
        Require.Program("newuidmap", "newgidmap");
        ShellResult result = Refused(s_asUser, ["--uid-map=:0:1:1000:"]);
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("--uid-map or --gid-map is refused (newuidmap", result.Error, StringComparison.Ordinal);
        Assert.Contains("give ranges that /etc/subuid and", result.Error, StringComparison.Ordinal);
    }

    private static string Namespace(string process) => new FileInfo($"/proc/{process}/ns/user").LinkTarget!;

    private static void AssertUser(DaemonProcess daemon)
    {
        string status = $"/proc/{daemon.ServerPid}/status";
        Assert.Equal($"{User}\t{User}\t{User}\t{User}", ProcessState.TryField(status, "Uid"));
        Assert.Equal($"{User}\t{User}\t{User}\t{User}", ProcessState.TryField(status, "Gid"));
        Assert.NotEqual(Namespace("self"), Namespace($"{daemon.ServerPid}"));
    }

    // As whoever is root sees it: nothing by path, few capabilities and no way to more, the filter.
    private static void AssertShutIn(DaemonProcess daemon)
    {
        string proc = $"/proc/{daemon.ServerPid}";
        Assert.Empty(Directory.GetFileSystemEntries($"{proc}/root/"));
        Assert.Equal("/", Assert.Single(File.ReadAllLines($"{proc}/mountinfo")).Split(' ')[4]);
        var found = new HashSet<(ulong Effective, ulong Permitted)>();
        foreach (string task in Directory.GetDirectories($"{proc}/task").Select(task => $"{task}/status"))
        {
            if (ProcessState.TryField(task, "CapEff") is { } effective
                && ProcessState.TryField(task, "CapPrm") is { } permitted)
            {
                found.Add((Convert.ToUInt64(effective, 16), Convert.ToUInt64(permitted, 16)));
                Assert.Equal(0ul, Convert.ToUInt64(ProcessState.TryField(task, "CapBnd") ?? "0", 16));
                Assert.Equal("1", ProcessState.TryField(task, "NoNewPrivs") ?? "1");
                Assert.Equal("2", ProcessState.TryField(task, "Seccomp") ?? "2");
            }
        }

        Assert.Equal([(Needed, Needed)], found);
    }

    private string OwnerOf(string name) => Shell.Run("stat", ["-c", "%u:%g", _shared[name]]).Out.Trim();

    private ShellResult Refused(string[] starter, string[] options)
    {
        using var directory = new TempDirectory();
        _ = Native.Chmod(Bytes.Z(directory.Path), 0x1FF);
        string[] command =
        [
            .. starter, DaemonProcess.Host, DaemonProcess.Program, "--socket-path", directory["socket"], "--shared-dir",
            _shared.Path, .. options,
        ];
        ShellResult result = Shell.Run(
            command[0], command[1..], timeoutSeconds: 60,
            environment: new Dictionary<string, string?> { ["TMPDIR"] = directory.Path });
        Assert.Single(result.Error.TrimEnd('\n').Split('\n'));
        Assert.Empty(Directory.GetFileSystemEntries(directory.Path));
        return result;
    }

    private void Use(DaemonProcess daemon)
    {
        using (var posix = new DispatchPosix(new VhostChannel(daemon.SocketPath)))
        {
            posix.WriteFile("used", "x"u8);
        }

        Assert.Equal("x", File.ReadAllText(_shared["used"]));
    }
}
