using System;
using System.Collections.Generic;
using System.IO;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Posix;
using PassthroughFs.PtfsVirtiofsd.Seccomp;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Vhost.Seccomp;

/// <summary>What the kernel does with a system call that serving does not take.</summary>
public sealed class SeccompTests : IDisposable
{
    private const int SIGSYS = 31;
    private const string Forbidden = "getpgrp"; // by itself without any effect

    private readonly TempDirectory _shared = new();

    public void Dispose() => _shared.Dispose();

    // By their numbers on x86-64 and arm64, with arguments with which the kernel would at least look at them.
    public static TheoryData<string, int, int, ulong[]> Dangerous => new()
    {
        { "execve", 59, 221, [0, 0, 0] },
        { "execveat", 322, 281, [0, 0, 0, 0, 0] },
        { "fork", 57, -1, [] },
        { "vfork", 58, -1, [] },
        { "clone", 56, 220, [17] },
        { "ptrace", 101, 117, [16, 1] },
        { "process_vm_readv", 310, 270, [1] },
        { "process_vm_writev", 311, 271, [1] },
        { "pidfd_open", 434, 434, [1] },
        { "pidfd_getfd", 438, 438, [3, 0] },
        { "socket", 41, 198, [1, 1, 0] },
        { "socketpair", 53, 199, [1, 1, 0] },
        { "connect", 42, 203, [3] },
        { "bind", 49, 200, [3] },
        { "unshare", 272, 97, [0] },
        { "setns", 308, 268, [3] },
        { "mount", 165, 40, [0, 0] },
        { "umount2", 166, 39, [0] },
        { "pivot_root", 155, 41, [0] },
        { "chroot", 161, 51, [0] },
        { "open_tree", 428, 428, [] },
        { "move_mount", 429, 429, [] },
        { "fsopen", 430, 430, [] },
        { "mount_setattr", 442, 442, [] },
        { "bpf", 321, 280, [0] },
        { "keyctl", 250, 219, [0] },
        { "add_key", 248, 217, [0] },
        { "request_key", 249, 218, [0] },
        { "userfaultfd", 323, 282, [0] },
        { "io_uring_setup", 425, 425, [8] },
        { "io_uring_enter", 426, 426, [] },
        { "perf_event_open", 298, 241, [] },
        { "init_module", 175, 105, [] },
        { "finit_module", 313, 273, [3] },
        { "kexec_load", 246, 104, [] },
        { "syslog", 103, 116, [2] },
        { "settimeofday", 164, 170, [] },
        { "memfd_create", 319, 279, [] },
        { "setuid", 105, 146, [0] },
        { "kill", 62, 129, [1, 0] },
        { "tkill", 200, 130, [1, 0] },
        { "ioctl TIOCSTI", 16, 29, [0, 0x5412, 0] },
        { "prctl PR_SET_DUMPABLE", 157, 167, [4, 1] },
        { "seccomp", 317, 277, [2] },
    };

    [Theory]
    [MemberData(nameof(Dangerous))]
    public void What_serving_does_not_take_ends_the_process_or_is_logged(
        string name, int x64, int arm64, ulong[] arguments)
    {
        int number = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? x64 : arm64;
        Require.That(number >= 0, name);
        ulong[][] calls = [[(ulong)number, .. arguments]];
        Assert.Equal($"signal {SIGSYS}", Assert.Single(FilteredCalls.Make(Program(FilterProgram.Kill), calls)));
        Assert.Equal($"signal {SIGSYS}", Assert.Single(FilteredCalls.Make(Program(FilterProgram.Trap), calls)));
        if (name is "unshare" or "kill")
        {
            Assert.StartsWith(
                "errno", Assert.Single(FilteredCalls.Make(Program(FilterProgram.Log), calls)), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_call_that_is_newer_than_the_tables_and_one_with_hidden_flags_are_not_there()
    {
        string[] ends = FilteredCalls.Make(
            Program(FilterProgram.Kill), [[SystemCall.Newest + 1], [700], [(ulong)SystemCalls.Clone3.X64, 0, 0]]);
        Assert.All(ends, end => Assert.Equal("errno 38", end));
    }

    [Theory]
    [InlineData("none")]
    [InlineData("chroot")]
    [InlineData("namespace")]
    public void Every_thread_has_the_filter_and_no_way_to_new_privileges(string sandbox)
    {
        Require.Root();
        using DaemonProcess daemon = Start(sandbox);
        Use(daemon);
        AssertFilter(daemon, "2");
    }

    [Fact]
    public void The_filter_can_be_left_out()
    {
        Require.Root();
        using DaemonProcess daemon = Start("namespace", "--seccomp", "none");
        Use(daemon);
        AssertFilter(daemon, "0");
    }

    [Theory]
    [InlineData("none", "kill", 128 + SIGSYS, "")]
    [InlineData("namespace", "kill", 128 + SIGSYS, "a system call that --seccomp kill does not allow")]
    [InlineData("none", "trap", 1, "a system call was made that --seccomp trap does not allow, number ")]
    [InlineData("chroot", "trap", 1, "a system call was made that --seccomp trap does not allow, number ")]
    [InlineData("namespace", "trap", 1, "a system call was made that --seccomp trap does not allow, number ")]
    public void A_daemon_that_makes_another_call_ends(string sandbox, string mode, int exitCode, string message)
    {
        Require.Root();
        using DaemonProcess daemon = Start(sandbox, "--seccomp", mode);
        daemon.ExpectFaults = true;
        Trick(daemon);
        Assert.Equal(exitCode, daemon.AwaitExit());
        Assert.Contains(message, daemon.Output, StringComparison.Ordinal);
        if (sandbox == "namespace" || mode == "trap")
        {
            Assert.False(File.Exists(daemon.SocketPath));
        }
    }

    [Fact]
    public void A_call_that_is_only_logged_changes_nothing()
    {
        Require.Root();
        using DaemonProcess daemon = Start("namespace", "--seccomp", "log");
        Trick(daemon);
        Use(daemon);
        AssertFilter(daemon, "2");
    }

    private static BpfInstruction[] Program(uint otherwise) => FilterProgram.Create(
        ServingRules.Create(process: -1, kernelHandles: true, hasDiagnostics: false, isMusl: false),
        otherwise,
        RuntimeInformation.ProcessArchitecture);

    // A tracer puts another call in the place of the one by which the daemon takes a connection.
    private static void Trick(DaemonProcess daemon)
    {
        Require.Program("strace");
        using var tracer = System.Diagnostics.Process.Start(
            "strace",
            [
                "-f", "-qq", "-o", "/dev/null", "-e", "signal=none",
                "-e", $"inject=accept4:error=EAGAIN:syscall={Forbidden}:when=1", "-p", $"{daemon.ServerPid}",
            ]);
        daemon.AwaitTracer();
        using (var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            socket.Connect(new UnixDomainSocketEndPoint(daemon.SocketPath));
            socket.ReceiveTimeout = 1000;
            try
            {
                _ = socket.Receive(new byte[1]);
            }
            catch (SocketException)
            {
                // Nobody answers, or it was reset: both are an end of this.
            }
        }

        // It has to be gone before the daemon can be: who ends under a tracer waits for that one. Asked to detach it may
        // hang itself where a thread is ending.
        tracer.Kill();
        tracer.WaitForExit();
    }

    private static void AssertFilter(DaemonProcess daemon, string mode)
    {
        var found = new HashSet<string>();
        int threads = 0;
        foreach (string task in Directory.GetDirectories($"/proc/{daemon.ServerPid}/task"))
        {
            if (ProcessState.TryField($"{task}/status", "Seccomp") is { } seen)
            {
                threads++;
                found.Add(seen);
                if (mode == "2")
                {
                    Assert.Equal("1", ProcessState.TryField($"{task}/status", "NoNewPrivs") ?? "1");
                }
            }
        }

        Assert.True(threads >= 3, $"{threads} threads");
        Assert.Equal([mode], found);
    }

    private DaemonProcess Start(string sandbox, params string[] options) =>
        new(_shared.Path, ["--num-request-queues", "2", "--sandbox", sandbox, .. options]);

    private void Use(DaemonProcess daemon)
    {
        using (var posix = new DispatchPosix(new VhostChannel(daemon.SocketPath)))
        {
            posix.WriteFile("used", "x"u8);
        }

        Assert.Equal("x", File.ReadAllText(_shared["used"]));
    }
}
