using System;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Threading;

namespace PassthroughFs.Core.Benchmarks.Workload;

/// <summary>
/// A directory to work in: a source of its own, served by a program of the user's choice, or bare. Gone when disposed.
/// </summary>
internal sealed class MountedServer : IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(15);

    private readonly string _parent;
    private readonly Process? _process;

    /// <param name="name">What tables call it.</param>
    /// <param name="command">A command line with the words SOURCE and MOUNTPOINT; null for the bare directory.</param>
    /// <param name="on">Where the source is made.</param>
    public MountedServer(string name, string? command, string on)
    {
        Name = name;
        _parent = Path.Combine(on, "ptfs-mounts-" + Path.GetRandomFileName());
        Source = Directory.CreateDirectory(Path.Combine(_parent, "source")).FullName;
        Root = Source;
        if (command is null)
        {
            return;
        }

        Root = Directory.CreateDirectory(Path.Combine(_parent, "mount")).FullName;
        string[] words =
        [
            .. command.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(
                word => word.Replace("SOURCE", Source, StringComparison.Ordinal)
                    .Replace("MOUNTPOINT", Root, StringComparison.Ordinal)),
        ];
        Clock = Stopwatch.StartNew();
        _process = Process.Start(new ProcessStartInfo(words[0], words[1..]) { RedirectStandardOutput = true })!;
        try
        {
            WaitForMount(command);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public string Name { get; }

    public string Source { get; }

    /// <summary>Where to work.</summary>
    public string Root { get; }

    /// <summary>Runs since the server was started.</summary>
    public Stopwatch Clock { get; } = new();

    /// <summary>Processor time of the server in nanoseconds; 0 for none.</summary>
    public long Cpu => _process is null ? 0 : Benchmarks.Cpu.Process(_process.Id);

    public void Dispose()
    {
        if (_process is not null)
        {
            // Whatever the server does on SIGTERM, the mount must be gone: a lazy unmount of one that is gone fails.
            Run("umount", "-l", Root);
            if (!_process.WaitForExit(s_patience))
            {
                _process.Kill();
            }

            _process.Dispose();
        }

        Directory.Delete(_parent, recursive: true);
    }

    private static void Run(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardError = true };
        using Process process = Process.Start(start)!;
        process.WaitForExit();
    }

    private void WaitForMount(string command)
    {
        while (!File.ReadLines("/proc/self/mounts").Any(line => line.Contains($" {Root} ", StringComparison.Ordinal)))
        {
            if (_process!.HasExited || Clock.Elapsed > s_patience)
            {
                throw new UsageException(
                    $"{Name}: \"{command}\" mounted nothing. It must mount MOUNTPOINT and stay in the foreground.");
            }

            Thread.Sleep(1);
        }
    }
}
