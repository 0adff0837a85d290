using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Threading;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Posix;
using PassthroughFs.Core.IntegrationTests.Ways;
using Xunit;
using static PassthroughFs.Core.Api.Linux;

namespace PassthroughFs.Core.IntegrationTests.Mounts;

/// <summary>Files that the kernel reads and writes by itself.</summary>
public sealed unsafe class PassthroughTests
{
    private const int Size = 32 << 20;

    private static readonly string[] s_hour =
        ["--passthrough", "--killpriv-v2", "--attr-timeout", "3600", "--entry-timeout", "3600"];

    [Theory]
    [InlineData("auto", Backing.Disk)]
    [InlineData("never", Backing.Tmpfs)]
    [InlineData("always", Backing.Disk)]
    public void Nothing_that_is_read_written_or_mapped_passes_through_the_server(string cache, Backing backing)
    {
        RequirePassthrough();
        using var fixture = new MountFixture(backing, "--passthrough", "--cache", cache);
        string path = Path.Combine(fixture.Path, "f");
        byte[] content = Bytes.Pattern(Size);
        long before = Traffic(fixture.Mount.Pid);
        File.WriteAllBytes(path, content);
        Assert.Equal(content, File.ReadAllBytes(path));
        using (var p = new HostPosix(fixture.Path))
        {
            int fd = p.MustOpen("f", O_RDWR);
            byte* memory = Map(path, fd, Size);
            Assert.True(new ReadOnlySpan<byte>(memory, Size).SequenceEqual(content));
            new Span<byte>(memory, Size).Fill(7);
            Assert.Equal(0, Native.MUnmap(memory, Size));
        }

        long passed = Traffic(fixture.Mount.Pid) - before;
        Assert.True(passed < 1 << 20, $"{passed} bytes passed through the server");
        Assert.Equal(-1, File.ReadAllBytes(Path.Combine(fixture.Source, "f")).AsSpan().IndexOfAnyExcept((byte)7));
    }

    [Fact]
    public void Another_process_sees_size_and_times_of_a_write_at_once()
    {
        RequirePassthrough();
        using var fixture = new MountFixture(Backing.Disk, s_hour);
        using var p = new HostPosix(fixture.Path);
        p.WriteFile("f", Bytes.Pattern(10_000));
        string before = AssertSameStat(fixture);
        foreach (uint flags in new[] { O_WRONLY, O_RDWR, O_WRONLY | O_APPEND, O_RDWR | O_TRUNC })
        {
            Tick();
            int fd = p.MustOpen("f", flags);
            AssertSameStat(fixture);
            Tick();
            p.MustWrite(fd, Bytes.Pattern(20_000, (int)flags));
            before = AssertStatMoved(fixture, before);
            Tick();
            p.FTruncate(fd, 11_000).IsOk();
            before = AssertStatMoved(fixture, before);
            Tick();
            p.FAllocate(fd, 0, 0, 30_000).IsOk();
            before = AssertStatMoved(fixture, before);
            p.Close(fd).IsOk();
            AssertSameStat(fixture);
        }
    }

    [Fact]
    public void Another_process_sees_the_times_of_a_write_to_a_mapping_at_once_and_after_the_close()
    {
        RequirePassthrough();
        using var fixture = new MountFixture(Backing.Disk, s_hour);
        using var p = new HostPosix(fixture.Path);
        p.WriteFile("f", Bytes.Pattern(16_384));
        string before = AssertSameStat(fixture);
        int fd = p.MustOpen("f", O_RDWR);
        byte* memory = Map(Path.Combine(fixture.Path, "f"), fd, 16_384);

        for (int page = 0; page < 4; page++)
        {
            if (page == 2)
            {
                p.Close(fd).IsOk();
                AssertSameStat(fixture);
            }

            // The host notes the time when a page becomes dirty.
            Assert.Equal(0, Native.MSync(memory, 16_384, Native.MS_SYNC));
            Tick();
            memory[page * 4096] ^= 0xFF;
            before = AssertStatMoved(fixture, before);
        }

        Assert.Equal(0, Native.MUnmap(memory, 16_384));
        AssertSameStat(fixture);
    }

    [Fact]
    public void Two_hundred_opens_at_once_of_one_file_all_read_and_write_it()
    {
        RequirePassthrough();
        using var fixture = new MountFixture(Backing.Disk, "--passthrough");
        string path = Path.Combine(fixture.Path, "f");
        for (int round = 0; round < 3; round++)
        {
            const int opens = 200;
            File.WriteAllBytes(path, new byte[opens]);
            using var start = new Barrier(opens);
            var faults = new List<Exception>();
            Thread[] threads = [.. Enumerable.Range(0, opens).Select(i => new Thread(() =>
            {
                try
                {
                    start.SignalAndWait();
                    using FileStream file = new(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, 0);
                    file.Position = i;
                    file.WriteByte((byte)(i + 1));
                    file.Position = i;
                    Assert.Equal((byte)(i + 1), file.ReadByte());
                    start.SignalAndWait();
                }
                catch (Exception e) when (e is IOException or Xunit.Sdk.XunitException)
                {
                    start.RemoveParticipant();
                    lock (faults)
                    {
                        faults.Add(e);
                    }
                }
            }))];
            Array.ForEach(threads, thread => thread.Start());
            Array.ForEach(threads, thread => thread.Join());
            Assert.Empty(faults);
            Assert.Equal(
                Enumerable.Range(1, opens).Select(i => (byte)i), File.ReadAllBytes(Path.Combine(fixture.Source, "f")));
        }
    }

    [Theory]
    [InlineData("--killpriv-v2", "--xattr")]
    [InlineData("--xattr", "--verbose")]
    public void A_write_by_somebody_else_costs_the_file_its_set_id_bits(string option, string another)
    {
        RequirePassthrough();
        Require.Program("setpriv");
        using var fixture = new MountFixture(
            Backing.Disk, "--passthrough", "--allow-other", "--default-permissions", option, another);
        string host = Path.Combine(fixture.Source, "f");
        File.WriteAllText(host, "#");
        Assert.Equal(0, Native.Chmod(Bytes.Z(host), Octal.O(6777)));
        ShellResult result = Shell.Script(
            $"setpriv --reuid 65533 --regid 65532 --clear-groups dd if=/dev/zero of={fixture.Path}/f conv=notrunc " +
            "bs=1 count=1 status=none",
            "/");
        Assert.True(result.ExitCode == 0, result.All);
        Assert.Equal("777", Shell.Run("stat", ["-c", "%a", host]).Out.Trim());
    }

    [Fact]
    public void Without_the_right_it_says_so_in_one_line_and_serves_all_the_same()
    {
        RequirePassthrough();
        Require.Program("unshare", "mountpoint");
        using var temp = new TempDirectory();
        Directory.CreateDirectory(temp["source"]);
        Directory.CreateDirectory(temp["at"]);

        // Root of a user namespace may mount, and nothing beyond.
        ShellResult result = Shell.Run(
            "unshare",
            [
                "--user", "--map-root-user", "--mount", "bash", "-euc",
                """
                "$@" --passthrough source at > out 2> log & server=$!
                for i in $(seq 300); do mountpoint -q at && break; sleep 0.1; done
                (cd at; for i in 1 2 3; do seq 9999 > a$i; seq 9999 | cmp - a$i; done; exec 9<>a1 8<>a1; echo x >&9)
                umount at && wait $server
                """,
                "bash", .. MountProcess.Command,
            ],
            temp.Path, 60);
        Assert.True(result.ExitCode == 0, result.All + File.ReadAllText(temp["log"]));
        string line = Assert.Single(File.ReadAllLines(temp["log"]));
        Assert.Contains("BackingFiles", line, StringComparison.Ordinal);
        Assert.Contains("EPERM", line, StringComparison.Ordinal);
    }

    [Fact]
    public void On_a_stacked_host_file_system_it_says_so_in_one_line_and_serves_all_the_same()
    {
        RequirePassthrough();
        Require.That(
            File.ReadAllText("/proc/filesystems").Contains("\toverlay\n", StringComparison.Ordinal), "overlayfs");
        using var temp = new TempDirectory(Backing.Tmpfs);
        foreach (string name in new[] { "lower", "upper", "work", "source", "at" })
        {
            Directory.CreateDirectory(temp[name]);
        }

        ShellResult mounted = Shell.Script(
            "mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work source", temp.Path);
        Assert.True(mounted.ExitCode == 0, mounted.All);
        try
        {
            using MountProcess mount = MountProcess.Start(temp["source"], temp["at"], "--passthrough");
            byte[] content = Bytes.Pattern(100_000);
            File.WriteAllBytes(Path.Combine(temp["at"], "f"), content);
            Assert.Equal(content, File.ReadAllBytes(Path.Combine(temp["at"], "f")));
            mount.Signal(Native.SIGTERM);
            Assert.Equal(0, mount.AwaitExit());
            Assert.Contains("ELOOP", Assert.Single(mount.Error.TrimEnd().Split('\n')), StringComparison.Ordinal);
        }
        finally
        {
            Shell.Run("umount", [temp["source"]]);
        }
    }

    /// <summary>Such a kernel keeps files of a test mount for itself; nothing else tells.</summary>
    private static void RequirePassthrough()
    {
        Require.Fuse();
        Require.That(s_kernelHasIt.Value, "a kernel with CONFIG_FUSE_PASSTHROUGH (Linux 6.9)");
    }

    private static readonly Lazy<bool> s_kernelHasIt = new(() =>
    {
        using var source = new TempDirectory();
        using var at = new TempDirectory();
        using MountProcess mount = MountProcess.Start(source.Path, at.Path, "--passthrough");
        File.WriteAllText(at["f"], "x");
        mount.Signal(Native.SIGTERM);
        Assert.Equal(0, mount.AwaitExit());
        return !mount.Error.Contains("BackingFiles", StringComparison.Ordinal);
    });

    // Longer than the steps in which the host keeps time.
    private static void Tick() => Thread.Sleep(20);

    private static byte* Map(string path, int fd, nuint size)
    {
        // The suite's own descriptor number is the process's.
        byte* memory = Native.MMap(0, size, Native.PROT_READ | Native.PROT_WRITE, Native.MAP_SHARED, fd, 0);
        Assert.True((nint)memory != -1, path);
        return memory;
    }

    private static string AssertSameStat(MountFixture fixture)
    {
        string seen = Stat(Path.Combine(fixture.Path, "f"));
        Assert.Equal(Stat(Path.Combine(fixture.Source, "f")), seen);
        return seen;
    }

    private static string AssertStatMoved(MountFixture fixture, string before)
    {
        string seen = AssertSameStat(fixture);
        Assert.NotEqual(before, seen);
        return seen;
    }

    private static string Stat(string path)
    {
        ShellResult result = Shell.Run("stat", ["-c", "%s %b %y %z", path]);
        Assert.True(result.ExitCode == 0, result.All);
        return result.Out;
    }

    /// <summary>What a process has read and written so far, requests and replies of the device included.</summary>
    private static long Traffic(int pid) => File.ReadLines($"/proc/{pid}/io")
        .Where(line => line.StartsWith("rchar:", StringComparison.Ordinal)
            || line.StartsWith("wchar:", StringComparison.Ordinal))
        .Sum(line => long.Parse(line.Split(' ')[1], CultureInfo.InvariantCulture));
}
