using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Threading;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Posix;
using Xunit;
using static PassthroughFs.Core.Api.Linux;

namespace PassthroughFs.Core.IntegrationTests.Faults;

/// <summary>What the host cannot read is an error on a mount as well: never the end of a file, never zeros.</summary>
public sealed class ReadErrorTests
{
    private const string Name = "f";

    /// <summary>Each mode, with an error on the last page and one in the midst of what is read ahead.</summary>
    public static TheoryData<string, int, int, string> Copies
    {
        get
        {
            var data = new TheoryData<string, int, int, string>();
            foreach (string mode in FaultyMount.Modes.Select(row => row.Data))
            {
                data.Add(mode, 5000, 4096, "");
                data.Add(mode, 700_000, 150_000, "delay=2");
            }

            return data;
        }
    }

    [Theory, MemberData(nameof(Copies))]
    public void A_copy_fails_as_in_the_bare_directory(string options, int size, int from, string how)
    {
        byte[] content = Bytes.Pattern(size);
        using var scene = new FaultyMount(options, host => File.WriteAllBytes(Path.Combine(host, Name), content));
        using var copies = new TempDirectory();
        foreach (Errno errno in new[] { Errno.EIO, Errno.ESTALE })
        {
            scene.Source.Clear();
            scene.Source.Fail("Read", Name, errno, $"from={from} {how}");

            // Somebody who asks for attributes all the while: what the client has read too little of it must not take
            // for a hole.
            bool ends = false;
            Thread asking = new(() => AskUntil(Path.Combine(scene.Mounted.Root, Name), ref ends));
            asking.Start();
            ShellResult bare = Shell.Run("cp", [Path.Combine(scene.Source.Path, Name), copies["bare"]]);
            ShellResult mount = Shell.Run("cp", [Path.Combine(scene.Mounted.Root, Name), copies["mount"]]);
            Volatile.Write(ref ends, true);
            asking.Join();
            Assert.Equal(1, bare.ExitCode);
            Assert.Equal(1, mount.ExitCode);
            Assert.Equal(Reason(bare), Reason(mount));
            byte[] copied = File.ReadAllBytes(copies["mount"]);
            Assert.True(copied.Length <= from, $"{copied.Length} bytes");
            Assert.True(content.AsSpan(0, copied.Length).SequenceEqual(copied), "not what the file begins with");
        }
    }

    [Theory, MemberData(nameof(FaultyMount.Modes), MemberType = typeof(FaultyMount))]
    public void What_can_be_read_is_read_and_the_rest_is_the_error(string options)
    {
        byte[] content = Bytes.Pattern(40_000);
        using var scene = new FaultyMount(options, host => File.WriteAllBytes(Path.Combine(host, Name), content));
        scene.Source.Fail("Read", Name, Errno.EIO, "from=20480");
        int bare = scene.Bare.MustOpen(Name, O_RDONLY);
        int mounted = scene.Mounted.MustOpen(Name, O_RDONLY);
        byte[] buffer = new byte[8192];
        foreach (long offset in new long[] { 24_576, 20_480, 0, 8192, 28_672, 12_288, 36_864 })
        {
            Errno expected = scene.Bare.PRead(bare, buffer, offset, out int wanted);
            Errno errno = scene.Mounted.PRead(mounted, buffer, offset, out int count);
            Assert.Equal((offset, expected, wanted), (offset, errno, count));
            Assert.True(content.AsSpan((int)offset, count).SequenceEqual(buffer.AsSpan(0, count)), $"at {offset}");
        }

        // The medium is whole again: nothing of the error stays.
        scene.Source.Clear();
        Assert.Equal(content, scene.Mounted.ReadFile(Name));
    }

    [Theory, MemberData(nameof(FaultyMount.Modes), MemberType = typeof(FaultyMount))]
    public void A_source_of_short_reads_is_read_whole(string options)
    {
        byte[] content = Bytes.Pattern(60_000);
        using var scene = new FaultyMount(options, host => File.WriteAllBytes(Path.Combine(host, Name), content));
        scene.Source.Set("Read", Name, "most=1000");
        Assert.Equal(content, scene.Mounted.ReadFile(Name));
    }

    [Theory, MemberData(nameof(FaultyMount.Modes), MemberType = typeof(FaultyMount))]
    public void A_mapping_of_what_cannot_be_read_is_a_bus_error(string options)
    {
        Require.Program("/usr/bin/python3");
        const string touch = """
            import mmap, os, sys
            fd = os.open(sys.argv[1], os.O_RDONLY)
            m = mmap.mmap(fd, 16384, mmap.MAP_PRIVATE, mmap.PROT_READ)
            print(m[0], m[4095], flush=True)
            print(m[12288])
            """;
        using var scene = new FaultyMount(
            options,
            host => File.WriteAllBytes(Path.Combine(host, Name), Enumerable.Repeat((byte)7, 16_384).ToArray()));
        scene.Source.Fail("Read", Name, Errno.EIO, "from=8192 whole");
        foreach (string directory in new[] { scene.Source.Path, scene.Mounted.Root })
        {
            ShellResult result = Shell.Script(
                $"ulimit -c 0; /usr/bin/python3 -c \"$PROGRAM\" {directory}/{Name}", "/",
                environment: new Dictionary<string, string?> { ["PROGRAM"] = touch });

            // 128 and SIGBUS.
            Assert.Equal((directory, 135, "7 7\n"), (directory, result.ExitCode, result.Out));
        }
    }

    [Theory, MemberData(nameof(FaultyMount.Modes), MemberType = typeof(FaultyMount))]
    public void A_listing_that_fails_half_way_is_no_shorter_directory(string options)
    {
        const int files = 3000;
        using var scene = new FaultyMount(options, host =>
        {
            Directory.CreateDirectory(Path.Combine(host, "d"));
            for (int i = 0; i < files; i++)
            {
                File.WriteAllBytes(Path.Combine(host, $"d/file number {i}"), []);
            }
        });

        // Once it fails at the first call, once after many names, each time for good; then it is whole again.
        foreach (string conditions in new[] { "", "skip=2" })
        {
            scene.Source.Clear();
            scene.Source.Fail("ReadDir", "d", Errno.EIO, conditions);
            Assert.Equal(Errno.EIO, List(scene.Mounted, out int count));
            Assert.True(conditions.Length > 0 ? count is > 0 and < files : count == 0, $"{count} names and an error");
        }

        scene.Source.Clear();
        Assert.Equal(Errno.OK, List(scene.Mounted, out int all));
        Assert.Equal(files + 2, all);
    }

    [Theory, MemberData(nameof(FaultyMount.Modes), MemberType = typeof(FaultyMount))]
    public void An_error_is_the_same_as_in_the_bare_directory(string options)
    {
        using var scene = new FaultyMount(
            options + " --xattr",
            host =>
            {
                File.WriteAllText(Path.Combine(host, Name), "content");
                File.CreateSymbolicLink(Path.Combine(host, "link"), "target");
                Directory.CreateDirectory(Path.Combine(host, "d"));
                Shell.Run("setfattr", ["-n", "user.x.a", "-v", "value", Path.Combine(host, Name)]);
            });
        byte[] buffer = new byte[100];
        (string Operation, string Name, Func<HostPosix, Errno> Call)[] calls =
        [
            ("Lookup", Name, p => p.LStat(Name, out _)),
            ("Lookup", "none", p => p.LStat("none", out _)),
            ("Lookup", "none", p => p.Open("none", O_RDWR | O_CREAT, 0x180, out _)),
            ("Create", "new", p => p.Open("new", O_RDWR | O_CREAT, 0x180, out _)),
            ("Mkdir", "new", p => p.Mkdir("new", 0x1C0)),
            ("Mknod", "new", p => p.Mknod("new", S_IFIFO | 0x180, 0)),
            ("GetAttr", Name, p => p.LStat(Name, out _)),
            ("Open", Name, p => p.Open(Name, O_RDONLY, 0, out _)),
            ("SetAttr", Name, p => p.Truncate(Name, 3)),
            ("SetAttr", Name, p => p.Chmod(Name, 0x180)),
            ("ReadLink", "link", p => p.ReadLink("link", out _)),
            ("GetXattr", Name, p => p.GetXattr(Name, "user.x.a", buffer, out _)),
            ("ListXattr", Name, p => p.ListXattr(Name, buffer, out _)),
            ("OpenDir", "d", p => p.Open("d", O_RDONLY | O_DIRECTORY, 0, out _)),
            ("Statfs", "d", p => p.StatFs("d", out _)),
            ("Lseek", Name, p => p.LSeek(p.MustOpen(Name, O_RDONLY), 0, SEEK_HOLE, out _)),
        ];
        var wrong = new List<string>();
        foreach (Errno errno in new[] { Errno.EIO, Errno.ESTALE, Errno.EDQUOT, Errno.ENOMEM })
        {
            foreach ((string operation, string name, Func<HostPosix, Errno> call) in calls)
            {
                if (operation.StartsWith("Open", StringComparison.Ordinal) &&
                    options.Contains("--no-open", StringComparison.Ordinal))
                {
                    // It comes with the first read then.
                    continue;
                }

                scene.Source.Clear();
                scene.Source.Fail(operation, name, errno);
                FaultyMount.DropCaches();
                Errno bare = call(scene.Bare);
                Errno mounted = call(scene.Mounted);
                scene.Bare.Dispose();
                scene.Mounted.Dispose();

                // With writeback only the client knows what is a hole: the host is not asked.
                bool isClients = operation == "Lseek" && options.Contains("--writeback", StringComparison.Ordinal);
                if (mounted != (isClients ? Errno.OK : bare) || bare != errno)
                {
                    wrong.Add($"{operation} {name}: {mounted} instead of {bare} ({errno})");
                }
            }
        }

        Assert.Empty(wrong);
    }

    private static unsafe void AskUntil(string path, ref bool ends)
    {
        byte* stat = stackalloc byte[256];
        byte[] name = Bytes.Z(path);
        while (!Volatile.Read(ref ends))
        {
            _ = Native.Statx(Native.AT_FDCWD, name, 0, 0x7FF, stat);
        }
    }

    private static string Reason(ShellResult result) => result.Error.Trim().Split(':')[^1];

    private static Errno List(HostPosix p, out int count)
    {
        count = 0;
        int fd = p.MustOpen("d", O_RDONLY | O_DIRECTORY);
        while (true)
        {
            Errno errno = p.ReadDir(fd, 32_768, out IReadOnlyList<DirEntry> entries);
            if (errno != Errno.OK || entries.Count == 0)
            {
                p.Close(fd).IsOk();
                return errno;
            }

            count += entries.Count;
        }
    }
}
