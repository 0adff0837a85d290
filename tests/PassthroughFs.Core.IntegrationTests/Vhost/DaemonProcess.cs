using System;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Reflection;
using System.Text;
using System.Threading.Tasks;
using PassthroughFs.Core.IntegrationTests.Platform;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Vhost;

/// <summary>
/// The daemon as a child process. Disposing ends it as a service manager would and asserts that it went cleanly;
/// whatever happens, neither the process nor its socket stays.
/// </summary>
internal sealed class DaemonProcess : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    private readonly Process _process;
    private readonly TempDirectory _directory = new();
    private readonly StringBuilder _error = new();
    private readonly TaskCompletionSource _listening = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public DaemonProcess(string sharedDirectory, params string[] options)
        : this(null, null, sharedDirectory, WithSandbox(options))
    {
    }

    private DaemonProcess(
        long? heapLimit, string? socketPath, string sharedDirectory, string[] options, string[]? starter = null)
    {
        SocketPath = socketPath ?? _directory["socket"];
        string[] command =
        [
            .. starter ?? [], Host, Program, "--socket-path", SocketPath, "--shared-dir", sharedDirectory, .. options,
        ];
        if (starter is not null)
        {
            // Another user makes the socket.
            _ = Native.Chmod(Bytes.Z(_directory.Path), 0x1FF);
        }

        _process = new Process
        {
            StartInfo = new ProcessStartInfo(command[0], command[1..])
            {
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                WorkingDirectory = "/",
            },
            EnableRaisingEvents = true,
        };

        // Its own, so that what it leaves there is seen.
        _process.StartInfo.Environment["TMPDIR"] = Directory.CreateDirectory(_directory["tmp"]).FullName;
        _ = Native.Chmod(Bytes.Z(_directory["tmp"]), 0x1FF);
        if (heapLimit is { } limit)
        {
            _process.StartInfo.Environment["DOTNET_GCHeapHardLimit"] = $"0x{limit:x}";
        }

        _process.OutputDataReceived += (_, e) => Note(e.Data);
        _process.ErrorDataReceived += (_, e) => Note(e.Data);
        _process.Exited += (_, _) => _listening.TrySetResult();
        _process.Start();
        _process.StandardInput.Close();
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
        if (!_listening.Task.Wait(Patience) || _process.HasExited)
        {
            Kill();
            Assert.Fail($"the daemon does not listen: {Output}");
        }
    }

    /// <summary>One that takes over the place of another, which has gone.</summary>
    public static DaemonProcess At(string socketPath, string sharedDirectory, params string[] options) =>
        new(null, socketPath, sharedDirectory, WithSandbox(options));

    /// <summary>One with the options that are given and no other, started by a program that becomes it.</summary>
    public static DaemonProcess StartedBy(string[] starter, string sharedDirectory, params string[] options) =>
        new(null, null, sharedDirectory, options, starter);

    /// <summary>One whose managed memory is limited, in bytes.</summary>
    public static DaemonProcess WithHeap(long limit, string sharedDirectory, params string[] options) =>
        new(limit, null, sharedDirectory, WithSandbox(options));

    // Most tests look at the process that they have started.
    private static string[] WithSandbox(string[] options) =>
        options.Any(option => option.StartsWith("--sandbox", StringComparison.Ordinal))
            ? options
            : ["--sandbox", "none", .. options];

    public static string Host => Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet";

    /// <summary>The daemon's assembly, as the build noted it.</summary>
    public static string Program { get; } = typeof(DaemonProcess).Assembly
        .GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == "DaemonProgram").Value!;

    public string SocketPath { get; }

    public int Pid => _process.Id;

    /// <summary>Whether errors in the log are what a test wants.</summary>
    public bool ExpectFaults { get; set; }

    /// <summary>All that it printed.</summary>
    public string Output
    {
        get
        {
            lock (_error)
            {
                return _error.ToString();
            }
        }
    }

    /// <summary>The process that serves: another one in a sandbox of namespaces.</summary>
    public int ServerPid => Directory.GetDirectories($"/proc/{Pid}/task")
        .SelectMany(task => ChildrenOf(task).Split(' '))
        .Where(child => child.Length > 0)
        .Select(child => int.Parse(child, null))
        .SingleOrDefault(Pid);

    private static string ChildrenOf(string task)
    {
        try
        {
            return File.ReadAllText(Path.Combine(task, "children"));
        }
        catch (IOException)
        {
            // The thread has ended since it was listed. Who serves is the child of one that has not.
            return "";
        }
    }

    /// <summary>How many descriptors it has.</summary>
    public int FdCount => Directory.GetFileSystemEntries($"/proc/{Pid}/fd").Length;

    /// <summary>Waits until something is true, and fails with the daemon's output if it stays false.</summary>
    public void Await(Func<bool> condition, string what)
    {
        for (long end = Environment.TickCount64 + (long)Patience.TotalMilliseconds; !condition();)
        {
            Assert.True(Environment.TickCount64 < end, $"{what}: {Output}");
            System.Threading.Thread.Sleep(10);
        }
    }

    /// <summary>Waits until a tracer has each thread: any of them may take the next connection.</summary>
    public void AwaitTracer()
    {
        string tasks = $"/proc/{ServerPid}/task";
        Await(
            () => Directory.GetDirectories(tasks)
                .All(task => ProcessState.TryField($"{task}/status", "TracerPid") != "0"),
            "nobody traces");
    }

    public void AwaitOutput(string text) =>
        Await(() => Output.Contains(text, StringComparison.Ordinal), $"\"{text}\" is not in the output");

    /// <summary>The descriptors of what is, or was, below the shared directory.</summary>
    public string[] OpenBelow(string directory) => ServerPid is { } server && server == Pid
        ? OpenFiles.Below(directory, Pid)
        : OpenFiles.OnMountOf(directory, server);

    /// <summary>Waits for its end and gives the exit code.</summary>
    public int AwaitExit()
    {
        Assert.True(_process.WaitForExit(Patience), $"the daemon does not end: {Output}");
        _process.WaitForExit();
        return _process.ExitCode;
    }

    public void Kill()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
            _process.WaitForExit(Patience);
        }
    }

    public void Dispose()
    {
        try
        {
            if (!_process.HasExited)
            {
                Assert.Equal(0, Native.Kill(Pid, Native.SIGTERM));
                Assert.Equal(0, AwaitExit());
                Assert.False(File.Exists(SocketPath), "the socket is still there");
                Assert.Empty(Directory.GetFileSystemEntries(_directory["tmp"]));
            }

            if (!ExpectFaults)
            {
                string[] words = ["fail", "crit", "defect", "   at "];
                Assert.DoesNotContain(
                    Output.Split('\n'), line => words.Any(w => line.Contains(w, StringComparison.Ordinal)));
            }
        }
        finally
        {
            Kill();
            _process.Dispose();
            _directory.Dispose();
        }
    }

    private void Note(string? line)
    {
        if (line is null)
        {
            return;
        }

        lock (_error)
        {
            _error.Append(line).Append('\n');
        }

        if (line.StartsWith("listening on ", StringComparison.Ordinal))
        {
            _listening.TrySetResult();
        }
    }
}
