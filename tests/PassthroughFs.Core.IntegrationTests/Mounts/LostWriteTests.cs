using System;
using System.IO;
using System.Linq;
using System.Text;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Ways;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Mounts;

/// <summary>Writes that must not be lost, or go where they do not belong, without anybody hearing of it.</summary>
public sealed class LostWriteTests
{
    private const int Head = 1 << 16;
    private const int Records = 100_000;
    private const int RecordBytes = 61;

    // One process appends records; another changes a mapping of the file's head and has it written.
    private const string AppendAndMap = """
        import ctypes, mmap, os, sys
        write_back = ctypes.CDLL(None).sync_file_range
        write_back.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint]
        path, head, records = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        os.write(fd, b'h' * head)
        child = os.fork()
        if child == 0:
            for i in range(records):
                assert os.write(fd, b'%060d\n' % i) == 61
            os._exit(0)
        m, flushes = mmap.mmap(fd, head), 0
        while True:
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid: break
            m[:] = bytes([65 + flushes % 26]) * head
            write_back(fd, 0, head, 7)
            flushes += 1
        m.flush()
        print(status, flushes)
        """;

    // Whatever says so first: write, msync, fsync or close.
    private const string FillUp = """
        import mmap, os, sys
        path, how, size = sys.argv[1], sys.argv[2], 1 << 17
        written, said = size, []
        fd = os.open(path, os.O_RDWR | os.O_CREAT)
        def tried(what, call):
            try: return call()
            except OSError as e: said.append(f'{what}:{e.errno}')
        if how == 'mapping':
            os.ftruncate(fd, size)
            m = mmap.mmap(fd, size)
            m[:] = b'x' * size
            tried('msync', m.flush)
        else:
            written = tried('write', lambda: os.write(fd, b'x' * size)) or 0
        tried('fsync', lambda: os.fsync(fd))
        tried('close', lambda: os.close(fd))
        print(written, *said)
        """;

    [Theory]
    [InlineData("--cache", "auto")]
    [InlineData("--cache", "always")]
    [InlineData("--writeback", "--xattr")]
    [InlineData("--passthrough", "--xattr")]
    public void Appends_go_to_the_end_and_nothing_else_does(string option, string value)
    {
        Require.Root();
        Require.Program("/usr/bin/python3");
        using var source = new TempDirectory();
        using var at = new TempDirectory();
        using MountProcess mount = MountProcess.Start(source.Path, at.Path, option, value);
        using var watchdog = new Watchdog(mount, 120);
        ShellResult result = Shell.Run(
            "/usr/bin/python3", ["-c", AppendAndMap, Path.Combine(at.Path, "f"), $"{Head}", $"{Records}"],
            timeoutSeconds: 100);
        Assert.True(result.ExitCode == 0, result.All);
        Assert.StartsWith("0 ", result.Out, StringComparison.Ordinal);

        byte[] content = File.ReadAllBytes(source["f"]);
        Assert.Equal(Head + (Records * RecordBytes), content.Length);
        Assert.InRange(content[0], (byte)'A', (byte)'Z');
        Assert.Equal(-1, content.AsSpan(0, Head).IndexOfAnyExcept(content[0]));
        Assert.Equal(
            string.Concat(Enumerable.Range(0, Records).Select(i => $"{i:D60}\n")),
            Encoding.ASCII.GetString(content, Head, content.Length - Head));
    }

    [Theory]
    [InlineData("mapping")]
    [InlineData("mapping", "--writeback")]
    [InlineData("write")]
    [InlineData("write", "--writeback")]
    [InlineData("write", "--writeback", "--cache", "always")]
    [InlineData("write", "--cache", "never")]
    [InlineData("write", "--passthrough")]
    public void What_a_full_host_does_not_take_somebody_hears_of(string how, params string[] options)
    {
        Require.Root();
        Require.Program("/usr/bin/python3");
        using var source = new TempDirectory(Backing.Tmpfs);
        using var at = new TempDirectory();
        string full = Directory.CreateDirectory(source["full"]).FullName;
        Shell.Run("mount", ["-t", "tmpfs", "-o", "size=1m", "full", full]);
        try
        {
            File.WriteAllBytes(Path.Combine(full, "fill"), new byte[956 * 1024]);
            using MountProcess mount = MountProcess.Start(full, at.Path, options);
            using var watchdog = new Watchdog(mount);
            ShellResult result = Shell.Run(
                "/usr/bin/python3", ["-c", FillUp, Path.Combine(at.Path, "f"), how], timeoutSeconds: 60);
            Assert.True(result.ExitCode == 0, result.All);
            string[] said = result.Out.Trim().Split(' ');
            long written = long.Parse(said[0], null);
            Assert.InRange(File.ReadAllBytes(Path.Combine(full, "f")).Count(b => b == 'x'), 1, (1 << 17) - 1);

            // A short count tells as well as ENOSPC does.
            Assert.True(written < 1 << 17 || said.Any(word => word.EndsWith(":28", StringComparison.Ordinal)), result.Out);
        }
        finally
        {
            Shell.Run("umount", ["-l", full]);
        }
    }

    [Theory]
    [InlineData("write:27")]
    [InlineData("fsync:27", "--writeback")]
    public void A_server_that_may_write_no_more_says_so_and_lives(string expected, params string[] options)
    {
        Require.Root();
        Require.Program("/usr/bin/python3");
        using var source = new TempDirectory();
        using var at = new TempDirectory();
        using MountProcess mount = MountProcess.Start(source.Path, at.Path, options);
        Shell.Run("prlimit", ["--pid", $"{mount.Pid}", "--fsize=512:"]);
        using var watchdog = new Watchdog(mount);

        // Beyond the limit at once, so that nothing of it can be written.
        ShellResult result = Shell.Script(
            $"dd if=/dev/zero of=f bs=512 count=1 2>/dev/null; exec /usr/bin/python3 -c \"$PROGRAM\"", at.Path,
            environment: new System.Collections.Generic.Dictionary<string, string?>
            {
                ["PROGRAM"] = """
                    import os
                    said = []
                    fd = os.open('f', os.O_RDWR)
                    for what, call in (('write', lambda: os.pwrite(fd, b'x' * 4096, 1 << 20)), ('fsync', lambda: os.fsync(fd))):
                        try: call()
                        except OSError as e: said.append(f'{what}:{e.errno}')
                    print(*said)
                    """,
            });
        Assert.Contains(expected, result.Out, StringComparison.Ordinal);
        Assert.Single(Directory.GetFiles(at.Path));
    }

    [Theory]
    [InlineData("--allow-other", "--writeback")]
    [InlineData("--allow-other", "--default-permissions", "--writeback")]
    public void Whoever_may_write_to_somebody_elses_file_has_its_writes_collected(params string[] options)
    {
        const string Script = """
            import os, sys
            path = sys.argv[1]
            fd = os.open(path, os.O_RDWR)
            os.write(fd, b'abc'); os.fsync(fd); os.close(fd)
            os.truncate(path, 2)
            fd = os.open(path, os.O_WRONLY | os.O_TRUNC)
            os.write(fd, b'x'); os.close(fd)
            try:
                os.utime(path, (1, 1))
                print('its times')
            except PermissionError:
                print('no times')
            """;
        Require.Program("/usr/bin/python3", "setpriv");
        using var fixture = new MountFixture(Backing.Disk, options);
        File.WriteAllText(Path.Combine(fixture.Source, "f"), "hello");
        Shell.Script("chmod 777 .; chmod 666 f", fixture.Source);
        ShellResult result = Shell.Run(
            "setpriv",
            [
                "--reuid", "65534", "--regid", "65534", "--clear-groups", "/usr/bin/python3", "-c", Script,
                Path.Combine(fixture.Path, "f"),
            ]);
        Assert.Equal((0, "no times\n"), (result.ExitCode, result.Out));
        Assert.Equal("x", File.ReadAllText(Path.Combine(fixture.Source, "f")));
    }
}
