using System;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Net;
using System.Net.Sockets;
using System.Threading;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.IntegrationTests.Platform;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.TwoSides;

/// <summary>
/// A GlusterFS of one brick on loopback, mounted: a brick's process and a client, each with the translators that a volume
/// has by default, without open-behind (a file that is removed cannot be read by who has it open then). Nothing of them is
/// outside of a directory of their own.
/// </summary>
internal sealed class GlusterVolume : IDisposable
{
    private readonly TempDirectory _files = new();
    private readonly Process _brick;
    private readonly Process? _client;

    public GlusterVolume()
    {
        Require.Fuse();
        Require.Program("glusterfs", "glusterfsd");
        Directory.CreateDirectory(_files["brick"]);
        Directory.CreateDirectory(Path);
        int port = FreePort();
        File.WriteAllText(_files["brick.vol"], Graph(
            ("storage/posix", [$"directory {_files["brick"]}"]),
            ("features/access-control", []),
            ("features/locks", []),
            ("features/upcall", ["cache-invalidation off"]),
            ("performance/io-threads", []),
            ("debug/io-stats", []),
            ("protocol/server",
            [
                "transport-type tcp", "transport.address-family inet", "transport.socket.bind-address 127.0.0.1",
                $"transport.socket.listen-port {port}", "auth.addr.v5.allow 127.0.0.1",
            ])));
        File.WriteAllText(_files["client.vol"], Graph(
            ("protocol/client",
            [
                "transport-type tcp", "transport.address-family inet", "remote-host 127.0.0.1", $"remote-port {port}",
                "remote-subvolume v5", "send-gids true",
            ]),
            ("cluster/distribute", []),
            ("features/utime", ["noatime on"]),
            ("performance/write-behind", []),
            ("performance/quick-read", []),
            ("performance/md-cache", []),
            ("performance/io-threads", []),
            ("debug/io-stats", [])));
        _brick = Start("glusterfsd", "brick");
        try
        {
            // A client whose brick does not listen yet takes it for lost, for seconds.
            Await(() => Listens(port));

            // By default its own kernel client trusts names for a second: a look-up that a removal overtakes leaves one.
            _client = Start("glusterfs", "client", "--entry-timeout=0", "--attribute-timeout=0", Path);
            Await(() => File.ReadAllText("/proc/self/mounts").Contains($" {Path} fuse.glusterfs", StringComparison.Ordinal));

            // Mounted before it is connected; until then it has no root.
            Await(() => Calls.Mkdir(Path + "/source") is 0 or -(int)Errno.EEXIST);
        }
        catch (Exception e)
        {
            string logs = Logs();
            Dispose();
            throw new InvalidOperationException(logs, e);
        }
    }

    public string Path => _files["mount"];

    public void Dispose()
    {
        // The client goes first: without it a mount that hangs answers.
        foreach (Process? process in new[] { _client, _brick })
        {
            process?.Kill();
            process?.WaitForExit();
            process?.Dispose();
        }

        Shell.Run("umount", ["-l", Path]);
        _files.Dispose();
    }

    private static string Graph(params (string Type, string[] Options)[] translators)
    {
        var text = new StringWriter(CultureInfo.InvariantCulture);
        for (int i = 0; i < translators.Length; i++)
        {
            text.WriteLine($"volume v{i}\n  type {translators[i].Type}");
            Array.ForEach(translators[i].Options, option => text.WriteLine($"  option {option}"));
            text.WriteLine(i > 0 ? $"  subvolumes v{i - 1}\nend-volume" : "end-volume");
        }

        return text.ToString();
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private Process Start(string program, string name, params string[] more) => Process.Start(new ProcessStartInfo(
        Require.FindProgram(program)!,
        ["-N", "-f", _files[name + ".vol"], "-l", _files[name + ".log"], "-p", _files[name + ".pid"], .. more])
    {
        WorkingDirectory = "/",
    })!;

    private void Await(Func<bool> condition)
    {
        for (int attempt = 0; attempt < 1200 && !condition(); attempt++)
        {
            Assert.False(_brick.HasExited || _client?.HasExited == true, Logs());
            Thread.Sleep(50);
        }

        Assert.True(condition(), Logs());
    }

    private static bool Listens(int port)
    {
        try
        {
            using var client = new TcpClient("127.0.0.1", port);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private string Logs() => string.Concat(Directory.GetFiles(_files.Path, "*.log").Select(File.ReadAllText));
}
