using System;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Threading;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.IntegrationTests.Platform;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Faults;

/// <summary>
/// Errors of system calls that a server makes on one file, put in by strace: for file systems of a disk, which fail at
/// nobody's order.
/// </summary>
internal sealed class InjectedErrors : IDisposable
{
    private const int Sigint = 2;

    private readonly Process _strace;
    private readonly int _pid;

    /// <param name="pid">The server.</param>
    /// <param name="path">The file, by its name on the host.</param>
    /// <param name="calls">System calls, with commas between them.</param>
    /// <param name="errno">The error.</param>
    /// <param name="when">Which of the calls, as strace's inject has it; "" for all.</param>
    public InjectedErrors(int pid, string path, string calls, Errno errno, string when = "")
    {
        Require.Program("strace");
        _pid = pid;
        string condition = when.Length > 0 ? $":when={when}" : "";
        _strace = Process.Start(new ProcessStartInfo(
            "strace",
            [
                "-f", "-qqq", "-o", "/dev/null", "-p", $"{pid}", "-P", path, "-e", $"trace={calls}", "-e",
                $"inject={calls}:error={errno}{condition}",
            ])
        {
            RedirectStandardInput = true,
            WorkingDirectory = "/",
        })!;
        _strace.StandardInput.Close();
        var clock = Stopwatch.StartNew();
        while (!IsTraced())
        {
            if (_strace.HasExited || clock.Elapsed > TimeSpan.FromSeconds(30))
            {
                Dispose();
                Assert.Fail("strace does not trace the server");
            }

            Thread.Sleep(5);
        }
    }

    public void Dispose()
    {
        if (!_strace.HasExited)
        {
            // It lets go of the server then.
            _ = Native.Kill(_strace.Id, Sigint);
            _strace.WaitForExit();
        }

        _strace.Dispose();
    }

    private bool IsTraced() => Directory.GetDirectories($"/proc/{_pid}/task")
        .All(task => File.ReadLines(Path.Combine(task, "status")).Contains($"TracerPid:\t{_strace.Id}"));
}
