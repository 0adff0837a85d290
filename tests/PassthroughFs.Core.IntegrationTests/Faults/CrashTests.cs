using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Security.Cryptography;
using System.Threading;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Posix;
using PassthroughFs.Core.IntegrationTests.Vhost;
using PassthroughFs.Core.IntegrationTests.Ways;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Faults;

/// <summary>
/// kill -9 under load: what fsync has acknowledged is there, and the next start works or says what to do. Twice each;
/// PTFS_CRASHES says otherwise: 100.
/// </summary>
public sealed class CrashTests
{
    // Four at once, each file named by its content's digest; a line for each that is safe, in a file outside.
    private const string Load = """
        import hashlib, os, sys
        at, log, seed = sys.argv[1], os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT), sys.argv[3]
        for worker in range(4):
            if os.fork() == 0:
                nothing = os.open('/dev/null', os.O_RDWR)
                os.dup2(nothing, 1)
                os.dup2(nothing, 2)
                break
        else:
            os._exit(0)
        i = 0
        try:
            while True:
                i += 1
                data = hashlib.sha256(f'{seed} {worker} {i}'.encode()).digest() * (1 + i * 37 % 4000)
                name = f'{seed}-{worker}-{i}-{hashlib.sha256(data).hexdigest()}'
                if i % 3 == 0:
                    fd = os.open(f'{at}/temporary-{worker}', os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
                    os.write(fd, data)
                    os.fsync(fd)
                    os.rename(f'{at}/temporary-{worker}', f'{at}/{name}')
                else:
                    fd = os.open(f'{at}/{name}', os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
                    os.write(fd, data[:1000])
                    os.write(fd, data[1000:])
                    os.fsync(fd)
                os.close(fd)
                directory = os.open(at, os.O_RDONLY)
                os.fsync(directory)
                os.close(directory)
                os.write(log, f'{name}\n'.encode())
        except OSError as e:
            os._exit(0 if e.errno in (107, 103, 5) else 1)
        """;

    private static int Rounds => int.Parse(
        Environment.GetEnvironmentVariable("PTFS_CRASHES") ?? "2", CultureInfo.InvariantCulture);

    [Theory]
    [InlineData("")]
    [InlineData("--writeback")]
    [InlineData("--cache never --inode-file-handles mandatory")]
    [InlineData("--io-uring")]
    public void What_was_synced_is_there_after_the_mounts_server_was_killed(string options)
    {
        Require.Fuse();
        using var source = new TempDirectory();
        using var at = new TempDirectory();
        using var files = new TempDirectory();
        string[] words = options.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        int total = 0;
        for (int round = 0; round < Rounds; round++)
        {
            string log = files[$"log{round}"];
            using (MountProcess mount = MountProcess.Start(source.Path, at.Path, words))
            {
                using var watchdog = new Watchdog(mount);
                Assert.Equal(
                    0, Shell.Run("/usr/bin/python3", ["-c", Load, at.Path, log, $"{round}"]).ExitCode);
                AwaitLines(log, 4 + (round * 7 % 40));
                mount.Signal(Native.SIGKILL);
                Assert.NotEqual(0, mount.AwaitExit());

                // The next start says what to do, and that helps.
                ShellResult refused = Shell.Run(
                    MountProcess.Command[0], [.. MountProcess.Command[1..], .. words, source.Path, at.Path]);
                Assert.Equal(1, refused.ExitCode);
                Assert.Contains($"remove it with `umount {at.Path}`", refused.Error, StringComparison.Ordinal);
                AwaitUnmounted(at.Path);
            }

            total += Check(source.Path, File.ReadAllLines(log));
        }

        Assert.True(total >= 4 * Rounds, $"{total} files");
        TestContext.Current.SendDiagnosticMessage($"mount with \"{options}\": {Rounds} kills, {total} files");
    }

    [Theory]
    [InlineData("none")]
    [InlineData("namespace")]
    public void What_a_guest_synced_is_there_after_the_daemon_was_killed(string sandbox)
    {
        Require.Root();
        using var shared = new TempDirectory();
        using var place = new TempDirectory();
        string socket = place["socket"];
        int total = 0;
        for (int round = 0; round < Rounds; round++)
        {
            // At the place of one that was killed, whose socket is still there.
            using var daemon = DaemonProcess.At(
                socket, shared.Path, "--num-request-queues", "2", "--sandbox", sandbox);
            int server = daemon.ServerPid;
            var load = new GuestLoad(socket, round);
            int wanted = 2 + (round * 31 % 100);
            daemon.Await(() => load.Failure is not null || load.Done.Length >= wanted, "the load does nothing");
            Assert.Null(load.Failure);
            load.IsOver = true;
            daemon.Kill();
            daemon.Await(() => !Directory.Exists($"/proc/{server}"), "who serves has outlived it");
            total += Check(shared.Path, load.Done);
        }

        Assert.True(total >= 2 * Rounds, $"{total} files");
        TestContext.Current.SendDiagnosticMessage($"daemon in sandbox {sandbox}: {Rounds} kills, {total} files");
    }

    private static int Check(string directory, string[] names)
    {
        foreach (string name in names)
        {
            string path = Path.Combine(directory, name);
            Assert.True(File.Exists(path), $"{name} was synced and is not there");
            string digest = Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(path)));
            Assert.True(name.EndsWith(digest, StringComparison.Ordinal), $"{name} was synced and is not whole");
            File.Delete(path);
        }

        return names.Length;
    }

    private static void AwaitLines(string log, int count)
    {
        for (long end = Environment.TickCount64 + 60_000; !File.Exists(log) || File.ReadAllLines(log).Length < count;)
        {
            Assert.True(Environment.TickCount64 < end, "the load does nothing");
            Thread.Sleep(5);
        }
    }

    // Whoever is at a call there has an error at once, and goes.
    private static void AwaitUnmounted(string mountPoint)
    {
        for (long end = Environment.TickCount64 + 30_000; Shell.Run("umount", [mountPoint]).ExitCode != 0;)
        {
            Assert.True(Environment.TickCount64 < end, "the mount stays busy");
            Thread.Sleep(20);
        }
    }

    /// <summary>A guest that writes and syncs files, each named by its content's digest, until nobody answers.</summary>
    private sealed class GuestLoad
    {
        private readonly List<string> _done = [];
        private readonly int _round;
        private volatile bool _isOver;
        private volatile Exception? _failure;

        public GuestLoad(string socket, int round)
        {
            _round = round;

            // Whoever waits for a daemon that is not there gives up in the end; nobody waits for that.
            new Thread(() => Run(socket)) { IsBackground = true }.Start();
        }

        /// <summary>Errors count for nothing from now on.</summary>
        public bool IsOver
        {
            set => _isOver = value;
        }

        /// <summary>What went wrong before that.</summary>
        public Exception? Failure => _failure;

        public string[] Done
        {
            get
            {
                lock (_done)
                {
                    return [.. _done];
                }
            }
        }

        private void Run(string socket)
        {
            try
            {
                using var channel = new VhostChannel(socket);
                var posix = new DispatchPosix(channel);
                for (int i = 0; ; i++)
                {
                    byte[] data = Bytes.Pattern(1 + ((i * 7919) % 100_000));
                    string name = $"{_round}-0-{i}-{Convert.ToHexStringLower(SHA256.HashData(data))}";
                    int fd = posix.MustOpen(name, Linux.O_RDWR | Linux.O_CREAT, 0x1A4);
                    posix.MustWrite(fd, data);
                    posix.FSync(fd, false).IsOk();
                    lock (_done)
                    {
                        _done.Add(name);
                    }

                    posix.Close(fd).IsOk();
                }
            }
            catch (Exception e)
            {
                _failure = _isOver ? null : e;
            }
        }
    }
}
