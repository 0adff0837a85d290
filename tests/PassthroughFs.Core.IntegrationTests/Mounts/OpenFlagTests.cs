using System;
using System.IO;
using System.Linq;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Ways;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Mounts;

/// <summary>Flags of open files that programs change by fcntl.</summary>
public sealed class OpenFlagTests
{
    // A file of mode 0400 that its maker has open for writing: nobody but root could open it so once more.
    private const string Toggle = """
        import fcntl, mmap, os, sys
        name, first = sys.argv[1], int(sys.argv[2])
        page = 4096
        fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | (os.O_DIRECT if first else 0), 0o400)
        memory = mmap.mmap(-1, page)
        content = bytearray(8 * page)
        for i in range(32):
            direct = (i + first) % 2 if i else first
            fcntl.fcntl(fd, fcntl.F_SETFL, os.O_DIRECT if direct else 0)
            at = (i * 5 % 8) * page
            memory[:] = bytes([i + 1]) * page
            assert os.pwritev(fd, [memory], at) == page, i
            content[at:at + page] = memory[:]
            if not direct:
                # Of no alignment.
                assert os.pwrite(fd, b'odd', at + 7) == 3, i
                content[at + 7:at + 10] = b'odd'
            for back in (at, (at + 3 * page) % (8 * page)):
                count = os.preadv(fd, [memory], back)
                end = min(len(content), os.fstat(fd).st_size)
                assert count == max(0, min(page, end - back)), (i, back, count)
                assert memory[:count] == content[back:back + count], (i, back)
        os.close(fd)
        """;

    private const string CopyAfterAppend = """
        import fcntl, os, sys
        name = sys.argv[1]
        fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        os.write(fd, b'0123456789')
        try:
            os.copy_file_range(fd, fd, 4, 0, 4)
            print('copied into a file that is appended to')
        except OSError as e: print('appending:', e.errno)
        fcntl.fcntl(fd, fcntl.F_SETFL, 0)
        assert os.copy_file_range(fd, fd, 4, 0, 4) == 4
        os.pwrite(fd, b'xy', 8)
        fcntl.fcntl(fd, fcntl.F_SETFL, os.O_APPEND)
        os.pwrite(fd, b'end', 0)
        print(os.pread(fd, 100, 0).decode())
        """;

    private const string Nobody = "setpriv --reuid 65533 --regid 65533 --clear-groups";

    [Theory]
    [InlineData("")]
    [InlineData("--cache never")]
    [InlineData("--writeback")]
    [InlineData("--io-uring")]
    [InlineData("--cache always --no-open")]
    public void O_DIRECT_comes_and_goes_while_a_file_is_open(string options)
    {
        Require.Program("/usr/bin/python3", "setpriv");
        using var fixture = new MountFixture(
            Backing.Disk, ["--allow-other", .. options.Split(' ', StringSplitOptions.RemoveEmptyEntries)]);
        foreach (string directory in new[] { fixture.Source, fixture.Path })
        {
            Assert.Equal(0, Native.Chmod(Bytes.Z(directory), 0x1FF));
            foreach (string who in new[] { "", Nobody })
            {
                if (who.Length > 0 && options.Contains("--no-open", StringComparison.Ordinal))
                {
                    // Nothing is opened there, so that it is the mode that counts at each write.
                    continue;
                }

                foreach (int first in new[] { 0, 1 })
                {
                    ShellResult result = Run(who, Toggle, $"{directory}/{who.Length}-{first}", $"{first}");
                    Assert.True(result.ExitCode == 0, $"{directory} {who} {first}: {result.All}");
                    File.Delete($"{fixture.Source}/{who.Length}-{first}");
                }
            }
        }
    }

    [Fact]
    public void O_DIRECT_is_set_where_the_server_may_not_open_the_file_so_again()
    {
        Require.Fuse();
        Require.Program("/usr/bin/python3", "setpriv");
        using var source = new TempDirectory();
        using var at = new TempDirectory();

        // As an ordinary user's server, for whom modes count.
        using MountProcess mount = MountProcess.Launch(
            source.Path, at.Path,
            [
                "setpriv", "--bounding-set", "-dac_override,-dac_read_search", .. MountProcess.Command, source.Path,
                at.Path,
            ]);
        mount.AwaitServing();
        using var watchdog = new Watchdog(mount);
        ShellResult result = Run("", Toggle, at["f"], "0");
        Assert.True(result.ExitCode == 0, result.All);
    }

    [Theory]
    [InlineData("")]
    [InlineData("--cache never")]
    [InlineData("--writeback")]
    [InlineData("--io-uring")]
    [InlineData("--cache always --no-open")]
    public void A_copy_goes_into_a_file_that_is_no_longer_appended_to(string options)
    {
        Require.Program("/usr/bin/python3");
        using var fixture = new MountFixture(
            Backing.Disk, options.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        ShellResult bare = Run("", CopyAfterAppend, Path.Combine(fixture.Source, "bare"));
        ShellResult mount = Run("", CopyAfterAppend, Path.Combine(fixture.Path, "mount"));
        Assert.True(mount.ExitCode == 0, mount.All);
        Assert.Equal("appending: 9\n01230123xyend\n", bare.Out);
        Assert.Equal(bare.Out, mount.Out);
    }

    private static ShellResult Run(string who, string program, params string[] arguments)
    {
        string[] command =
            [.. who.Split(' ', StringSplitOptions.RemoveEmptyEntries), "/usr/bin/python3", "-c", program];
        return Shell.Run(command[0], [.. command.Skip(1), .. arguments], timeoutSeconds: 60);
    }
}
