using System;
using System.Diagnostics;
using System.IO;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Posix;
using PassthroughFs.Core.IntegrationTests.Vhost;
using PassthroughFs.Core.IntegrationTests.Ways;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Faults;

/// <summary>Signals that interrupt the server's threads in whatever they do: no program sees any of it.</summary>
public sealed class SignalStormTests
{
    // Each thread in turn, as fast as it goes. SIGXFSZ has a handler in both programs, which has nothing to do.
    private const string Storm = """
        import ctypes, os, sys, time
        libc = ctypes.CDLL(None)
        pid, sent = int(sys.argv[1]), 0
        nr = 234 if os.uname().machine == 'x86_64' else 131
        print('begins', flush=True)
        while os.getppid() != 1:
            try:
                threads = os.listdir(f'/proc/{pid}/task')
            except OSError:
                break
            for thread in threads:
                sent += 1
                libc.syscall(nr, pid, int(thread), 25)
            time.sleep(0.0005)
        """;

    // What a program does to files, and each of its answers; the same digest on any directory.
    private const string Work = """
        import hashlib, os, sys
        os.chdir(sys.argv[1])
        said = hashlib.sha256()
        for i in range(60):
            data = bytes([i & 255]) * (i * 700 + 1)
            fd = os.open('w', os.O_RDWR | os.O_CREAT, 0o644)
            said.update(b'%d' % os.pwrite(fd, data, i * 10))
            os.fsync(fd)
            said.update(os.pread(fd, 200000, 0))
            os.ftruncate(fd, i * 1000)
            said.update(b'%d' % os.fstat(fd).st_size)
            os.close(fd)
            os.mkdir('d'); os.rename('d', 'e'); os.symlink('w', 'l')
            said.update(os.readlink('l').encode() + b' '.join(sorted(n.encode() for n in os.listdir('.'))))
            os.setxattr('w', 'user.n', b'%d' % i)
            said.update(os.getxattr('w', 'user.n'))
            os.posix_fallocate(os.open('w', os.O_RDWR), 0, 5000) if i == 0 else None
            os.unlink('l'); os.rmdir('e')
        print(said.hexdigest())
        """;

    [Theory]
    [InlineData("--xattr")]
    [InlineData("--xattr --cache never")]
    [InlineData("--xattr --writeback")]
    [InlineData("--xattr --io-uring")]
    [InlineData("--xattr --inode-file-handles mandatory")]
    public void Signals_at_the_servers_threads_are_seen_by_nobody(string options)
    {
        using var bare = new TempDirectory();
        using var fixture = new MountFixture(Backing.Disk, options.Split(' '));
        string expected = Digest(bare.Path);
        using var storm = new SignalStorm(fixture.Mount.Pid);
        Assert.Equal(expected, Digest(fixture.Path));
    }

    [Fact]
    public void Signals_at_the_daemons_threads_are_seen_by_no_guest()
    {
        using var shared = new TempDirectory();
        using var daemon = new DaemonProcess(shared.Path, "--num-request-queues", "2");
        using var posix = new DispatchPosix(new VhostChannel(daemon.SocketPath));
        using var storm = new SignalStorm(daemon.Pid);
        for (int i = 0; i < 100; i++)
        {
            byte[] data = Bytes.Pattern(1 + (i * 997));
            posix.WriteFile("f", data);
            Assert.Equal(data, File.ReadAllBytes(shared["f"]));
            posix.Mkdir("d", 0x1C0).IsOk();
            posix.Rmdir("d").IsOk();
        }
    }

    private static string Digest(string directory)
    {
        ShellResult result = Shell.Run("/usr/bin/python3", ["-c", Work, directory], timeoutSeconds: 300);
        Assert.True(result.ExitCode == 0, result.All);
        return result.Out;
    }

    private sealed class SignalStorm : IDisposable
    {
        private readonly Process _process;

        public SignalStorm(int pid)
        {
            const int handled = 25;
            ulong caught = Convert.ToUInt64(ProcessState.TryField($"/proc/{pid}/status", "SigCgt"), 16);
            Assert.True((caught >> (handled - 1) & 1) != 0, "the signal interrupts nothing");
            _process = Process.Start(new ProcessStartInfo("/usr/bin/python3", ["-c", Storm, $"{pid}"])
            {
                RedirectStandardOutput = true,
            })!;
            Assert.Equal("begins", _process.StandardOutput.ReadLine());
        }

        public void Dispose()
        {
            Assert.False(_process.HasExited, "the storm has ended");
            _process.Kill();
            _process.WaitForExit();
            _process.Dispose();
        }
    }
}
