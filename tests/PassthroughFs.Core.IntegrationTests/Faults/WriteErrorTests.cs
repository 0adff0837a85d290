using System;
using System.Collections.Generic;
using System.IO;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.IntegrationTests.Posix;
using PassthroughFs.Core.IntegrationTests.Vhost;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Faults;

/// <summary>What the host does not take, its writer hears of, by the same call as in the bare directory.</summary>
public sealed class WriteErrorTests
{
    /// <summary>Operations of the source that fail, from which byte on, and what a program does meanwhile.</summary>
    private static readonly (string Operation, int From, string Scenario)[] s_faults =
    [
        ("Write", Scenarios.Half, "write"),
        ("Write", Scenarios.Half, "append"),
        ("Write", Scenarios.Half, "direct"),
        ("Write", Scenarios.Half, "write and close"),
        ("Write", Scenarios.Half, "mapping"),
        ("Write", Scenarios.Half, "mapping and close"),
        ("Write", 0, "write"),
        ("Write", 0, "direct"),
        ("Write", 0, "mapping"),
        ("CopyFileRange", Scenarios.Half, "copy"),
        ("CopyFileRange", 0, "copy"),
        ("Fallocate", 0, "fallocate"),
        ("Fallocate", 0, "punch"),
        ("SetAttr", 0, "truncate"),
        ("Fsync", 0, "write"),
        ("Fsync", 0, "mapping"),
        ("Flush", 0, "write"),
        ("Flush", 0, "write and close"),
    ];

    /// <summary>
    /// What a client's kernel makes of it where that is not what the bare directory says; docs/conformance.md has the
    /// reasons. E stands for the error.
    /// </summary>
    private static readonly Dictionary<(string Option, string, int, string), string> s_differ = new()
    {
        [("--writeback", "Write", Scenarios.Half, "write")] = "write OK 131072, fsync E, again OK, close OK",
        [("--writeback", "Write", Scenarios.Half, "append")] = "write OK 131072, fsync E, again OK, close OK",
        [("--writeback", "Write", Scenarios.Half, "write and close")] = "write OK 131072, close EIO or ENOSPC",
        [("--writeback", "Write", 0, "write")] = "write OK 131072, fsync E, again OK, close OK",
        [("--writeback", "Write", Scenarios.Half, "direct")] = "write E 0, fsync OK, again OK, close OK",
        [("--no-open", "Write", Scenarios.Half, "direct")] = "write E 0, fsync OK, again OK, close OK",
        [("--no-open", "Flush", 0, "write")] = "write OK 131072, fsync OK, again OK, close OK",
        [("--no-open", "Flush", 0, "write and close")] = "write OK 131072, close OK",
        [("--passthrough", "Write", Scenarios.Half, "mapping")] = "msync E, fsync E, again OK, close OK",
        [("--passthrough", "Write", 0, "mapping")] = "msync E, fsync E, again OK, close OK",
    };

    [Theory, MemberData(nameof(FaultyMount.Modes), MemberType = typeof(FaultyMount))]
    public void An_error_is_told_by_the_call_that_tells_it_in_the_bare_directory(string options)
    {
        using var scene = new FaultyMount(
            options, host => File.WriteAllBytes(Path.Combine(host, "from"), Scenarios.Content));
        var wrong = new List<string>();
        foreach (Errno errno in new[] { Errno.ENOSPC, Errno.EDQUOT, Errno.EIO, Errno.EFBIG })
        {
            foreach ((string operation, int from, string scenario) in s_faults)
            {
                scene.Source.Clear();
                scene.Source.Fail(operation, "f", errno, $"from={from}");
                string bare = Scenarios.All[scenario](scene.Bare);
                string expected = bare;
                foreach (((string Option, string, int, string) key, string value) in s_differ)
                {
                    if (options.Contains(key.Option, StringComparison.Ordinal) &&
                        key == (key.Option, operation, from, scenario))
                    {
                        expected = value
                            .Replace(
                                "EIO or ENOSPC", errno == Errno.ENOSPC ? "ENOSPC" : "EIO", StringComparison.Ordinal)
                            .Replace("E,", $"{errno},", StringComparison.Ordinal)
                            .Replace("E 0,", $"{errno} 0,", StringComparison.Ordinal);
                    }
                }

                File.Delete(scene.OnHost("f"));
                string mounted = Scenarios.All[scenario](scene.Mounted);
                if (mounted != expected)
                {
                    wrong.Add($"{scenario}, {operation} {errno} from {from}: {mounted}; not {expected}; bare {bare}");
                }

                // What was acknowledged is there, to the byte.
                CheckContent(scene, scenario, mounted, wrong);
                scene.Source.Clear();
                scene.Mounted.Unlink("f").IsOk();
            }
        }

        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
    }

    [Fact]
    public void A_guest_hears_of_each_error()
    {
        using var source = new FailingSource();
        File.WriteAllBytes(Path.Combine(source.Host, "from"), Scenarios.Content);
        using var daemon = new DaemonProcess(source.Path, "--num-request-queues", "2");
        using var guest = new DispatchPosix(new VhostChannel(daemon.SocketPath));
        using var bare = new HostPosix(source.Path);
        foreach (Errno errno in new[] { Errno.ENOSPC, Errno.EDQUOT, Errno.EIO, Errno.EFBIG })
        {
            foreach ((string operation, int from, string scenario) in s_faults)
            {
                if (scenario is "direct" or "mapping" or "mapping and close")
                {
                    continue;
                }

                source.Clear();
                source.Fail(operation, "f", errno, $"from={from}");

                // The guest here asks for the rest at once.
                string expected = Scenarios.All[scenario](bare)
                    .Replace("write OK 65536", $"write {errno} 65536", StringComparison.Ordinal);
                File.Delete(Path.Combine(source.Host, "f"));
                Assert.Equal(expected, Scenarios.All[scenario](guest));
                File.Delete(Path.Combine(source.Host, "f"));
            }

            source.Clear();
            source.Fail("Read", "from", errno, $"from={Scenarios.Half}");
            int fd = guest.MustOpen("from", Linux.O_RDONLY);

            // A guest's cache takes a short answer for the end of the file.
            guest.PRead(fd, new byte[Scenarios.Size], 0, out _).Is(errno);
            guest.PRead(fd, new byte[Scenarios.Half], 0, out int count).IsOk();
            Assert.Equal(Scenarios.Half, count);
            guest.Close(fd).IsOk();
        }

        source.Clear();
    }

    private static void CheckContent(FaultyMount scene, string scenario, string said, List<string> wrong)
    {
        if (scenario is "fallocate" or "punch" or "truncate")
        {
            return;
        }

        byte[] content = File.ReadAllBytes(scene.OnHost("f"));
        string[] words = said.Split(' ', ',');
        int acknowledged = said.Contains('E', StringComparison.Ordinal) || words[0] == "msync"
            ? 0
            : words[0] == "close" ? 0 : int.Parse(words[2], null);
        int common = content.AsSpan().CommonPrefixLength(Scenarios.Content);
        if (common < acknowledged || (words[0] is "write" or "copy" && common != content.Length))
        {
            wrong.Add($"{scenario}: {said}, and {common} bytes of {content.Length} are right");
        }
    }
}
