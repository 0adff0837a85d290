using System;
using System.IO;
using System.Linq;
using System.Net.Sockets;
using System.Text;
using System.Threading;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Vhost;
using PassthroughFs.Core.IntegrationTests.Ways;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Mounts;

/// <summary>Orders and takeovers that make no sense, over the control socket of a mount that serves.</summary>
public sealed class ControlFuzzTests
{
    private static readonly string[] s_words =
    [
        "add", "replace", "remove", "remove --force", "list", "requests", "remount", "upgrade", "upgrade 1", "stop",
        "ready", "state 3", "state 2147483647", "error it", "ok", "",
    ];

    private static readonly string[] s_paths =
    [
        "/a", "/a/b", "/a/../..", "/", "//", "/a\0b", "/\ud800", "a", "", "--force", "=", "/=", "/x=", "=/x", "/.=/",
        "/..",
    ];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Random_orders_neither_end_the_mount_nor_leave_anything_in_it(int seed)
    {
        using var one = new TempDirectory();
        using var two = new TempDirectory();
        using var at = new TempDirectory();
        using var place = new TempDirectory();
        string control = place["control"];
        string[] mounts = [$"/one={one.Path}", $"/two={two.Path}"];
        File.WriteAllText(one["f"], "kept");
        using MountProcess mount = MountProcess.StartTree(mounts, at.Path, "--control", control);
        Converse(control, "remove /gone\n"u8.ToArray(), []);
        int fds = Descriptors(mount).Length;
        using var open = new FileStream(at["one/f"], FileMode.Open);
        var random = new Random(seed);
        for (int round = 0; round < FuzzRounds.Count; round++)
        {
            byte[] dialogue = Dialogue(random, two.Path);
            int fd = open.SafeFileHandle.DangerousGetHandle().ToInt32();
            int[] some = random.Next(4) == 0 ? [fd, fd, fd] : [];
            Converse(control, dialogue, some);
            Assert.True(
                File.ReadAllText(at["one/f"]) == "kept",
                $"seed {seed}, round {round}: {Convert.ToHexString(dialogue)}: {mount.Error}");
        }

        string[] left = [.. Order(control, "list\n").Split('\n').Skip(1)];
        Assert.Contains($"/one={one.Path}", left);
        foreach (string line in left)
        {
            if (line.Length == 0 || line.StartsWith("/one=", StringComparison.Ordinal))
            {
                continue;
            }

            Assert.Equal("ok\n", Order(control, $"remove --force {line.Split('=')[0]}\n"));
        }

        Assert.True(
            SpinWait.SpinUntil(() => Descriptors(mount).Length <= fds + 1, TimeSpan.FromMinutes(1)),
            $"{fds + 1} descriptors before, now {string.Join(", ", Descriptors(mount))}");
        Assert.DoesNotContain("defect", mount.Error, StringComparison.Ordinal);
    }

    /// <summary>What is open, but for what the runtime loads when it first needs it.</summary>
    private static string[] Descriptors(MountProcess mount) =>
    [
        .. Directory.GetFileSystemEntries($"/proc/{mount.Pid}/fd").Select(link => new FileInfo(link).LinkTarget ?? "?")
            .Where(target => !target.EndsWith(".dll", StringComparison.Ordinal)),
    ];

    private static byte[] Dialogue(Random random, string directory)
    {
        var text = new StringBuilder();
        int lines = 1 + random.Next(3);
        for (int i = 0; i < lines; i++)
        {
            text.Append(s_words[random.Next(s_words.Length)]);
            int arguments = random.Next(3);
            for (int j = 0; j < arguments; j++)
            {
                text.Append(random.Next(8) == 0 ? "" : " ").Append(Argument(random, directory));
            }

            text.Append(random.Next(6) == 0 ? "" : "\n");
        }

        byte[] bytes = Encoding.UTF8.GetBytes(text.ToString());
        switch (random.Next(10))
        {
            case 0:
                random.NextBytes(bytes);
                break;
            case 1 when bytes.Length > 0:
                bytes = bytes[..random.Next(bytes.Length)];
                break;
            case 2:
                // The length of a text that never comes.
                int length = random.Next(2) == 0 ? -1 : random.Next();
                bytes = [.. "upgrade 1\n"u8, .. BitConverter.GetBytes(length), .. bytes];
                break;
            case 3 when random.Next(8) == 0:
                bytes = [.. bytes, .. new byte[random.Next(40_000)]];
                break;
        }

        // A real takeover would be one: the last word but one is left out.
        return bytes.AsSpan().IndexOf("ready"u8) >= 0 && bytes.AsSpan().IndexOf("stop"u8) >= 0
            ? bytes[..bytes.AsSpan().IndexOf("ready"u8)]
            : bytes;
    }

    private static string Argument(Random random, string directory) => random.Next(6) switch
    {
        0 => $"{random.NextInt64()}",
        1 => $"/{random.Next(3)}={directory}",
        2 => $"/{random.Next(3)}",
        3 => $"{s_paths[random.Next(s_paths.Length)]}={s_paths[random.Next(s_paths.Length)]}",
        4 => new string('x', random.Next(6000)),
        _ => s_paths[random.Next(s_paths.Length)],
    };

    /// <summary>Says all this, with descriptors beside it, and listens to half of what comes, or to nothing.</summary>
    private static void Converse(string control, byte[] bytes, int[] fds)
    {
        using Socket socket = Connect(control);
        try
        {
            if (bytes.Length > 0)
            {
                VhostNative.Send(socket, bytes, fds);
            }

            socket.Shutdown(SocketShutdown.Send);
            Span<byte> some = stackalloc byte[64];
            if (bytes.Length % 2 == 0)
            {
                _ = socket.Receive(some);
            }
        }
        catch (SocketException)
        {
            // It has had enough: that is an answer, too.
        }
    }

    private static string Order(string control, string line)
    {
        using Socket socket = Connect(control);
        socket.Send(Encoding.UTF8.GetBytes(line));
        using var stream = new NetworkStream(socket);
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }

    private static Socket Connect(string control)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
        {
            ReceiveTimeout = 60_000,
        };
        socket.Connect(new UnixDomainSocketEndPoint(control));
        return socket;
    }
}
