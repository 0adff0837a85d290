using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Reflection;
using System.Text;
using System.Threading.Tasks;
using PassthroughFs.Core.IntegrationTests.Platform;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Ways;

/// <summary>
/// The mount program as a child process. Disposing ends it as a service manager would and asserts that it went cleanly;
/// whatever happens, neither the process nor the mount stays.
/// </summary>
internal sealed class MountProcess : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    private readonly Process _process;
    private readonly StringBuilder _output = new();
    private readonly StringBuilder _error = new();
    private readonly TaskCompletionSource _firstLine = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private bool _over;
    private bool _hasSuccessor;

    private MountProcess(string source, string mountPoint, ProcessStartInfo start)
    {
        Source = source;
        MountPoint = mountPoint;
        start.RedirectStandardInput = true;
        start.RedirectStandardOutput = true;
        start.RedirectStandardError = true;
        _process = new Process { StartInfo = start, EnableRaisingEvents = true };
        _process.OutputDataReceived += (_, e) => Note(_output, e.Data, true);
        _process.ErrorDataReceived += (_, e) => Note(_error, e.Data, false);
        _process.Exited += (_, _) => _firstLine.TrySetResult();
        _process.Start();
        _process.StandardInput.Close();
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    public string Source { get; }

    public string MountPoint { get; }

    public int Pid => _process.Id;

    /// <summary>Something in the one line of error that a test provokes.</summary>
    public string? ExpectedFault { get; set; }

    public string Output => Text(_output);

    public string Error => Text(_error);

    /// <summary>The mount program's assembly, as the build noted it.</summary>
    public static string Program { get; } = typeof(MountProcess).Assembly
        .GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == "MountProgram").Value!;

    /// <summary>The command that runs the mount program.</summary>
    public static string[] Command =>
        [Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet", Program];

    /// <summary>Starts and waits until the mount serves.</summary>
    public static MountProcess Start(string source, string mountPoint, params string[] options)
    {
        bool wantsRing = options.Contains("--io-uring");
        using UringSwitch? ring = wantsRing ? new UringSwitch(true) : null;
        MountProcess mount = Launch(source, mountPoint, [.. Command, .. options, source, mountPoint]);
        mount.AwaitServing();
        if (wantsRing && mount.Error.Length > 0)
        {
            mount.CleanUp();
            Assert.Fail($"the mount does without its ring: {mount.Error}");
        }

        return mount;
    }

    /// <summary>Starts with several directories, and waits until the mount serves.</summary>
    /// <param name="mounts">"/PATH=SOURCE" each.</param>
    /// <param name="mountPoint">Where.</param>
    /// <param name="options">Other options.</param>
    public static MountProcess StartTree(string[] mounts, string mountPoint, params string[] options)
    {
        MountProcess mount = Launch(
            string.Join(',', mounts), mountPoint,
            [.. Command, .. options, .. mounts.SelectMany(item => new[] { "--mount", item }), mountPoint]);
        mount.AwaitServing();
        return mount;
    }

    /// <summary>Gives an order at run time.</summary>
    public ShellResult Order(params string[] words) =>
        Shell.Run(Command[0], [.. Command[1..], "ctl", MountPoint, .. words], timeoutSeconds: 60);

    /// <summary>Has another program go on with the mount, and waits until it serves and this one is gone.</summary>
    public MountProcess Upgrade(params string[] options)
    {
        MountProcess next = Launch(Source, MountPoint, [.. Command, "--upgrade", .. options, MountPoint]);
        string line = next.AwaitLine();
        Assert.StartsWith($"mounted {Source} at {MountPoint}, in place of process {Pid}: ", line, StringComparison.Ordinal);
        _hasSuccessor = true;
        Assert.Equal(0, AwaitExit());
        Assert.DoesNotContain(
            Error.Split('\n'),
            line => IsFault(line) && !(ExpectedFault is { } fault && line.Contains(fault, StringComparison.Ordinal)));
        return next;
    }

    /// <summary>Starts a whole command line without waiting for anything.</summary>
    public static MountProcess Launch(string source, string mountPoint, IReadOnlyList<string> command)
    {
        Require.Fuse();
        return new MountProcess(
            source, mountPoint, new ProcessStartInfo(command[0], command.Skip(1)) { WorkingDirectory = "/" });
    }

    public void AwaitServing()
    {
        Assert.Equal($"mounted {Source} at {MountPoint}", AwaitLine());
        Assert.True(IsMounted(MountPoint), "it said it was mounted, but it is not");
    }

    private string AwaitLine()
    {
        bool inTime = _firstLine.Task.Wait(Patience);
        if (!inTime || _process.HasExited)
        {
            CleanUp();
            Assert.Fail($"the mount did not come up: {Output} {Error}");
        }

        return Output.TrimEnd();
    }

    public void Signal(int signal) => Assert.Equal(0, Native.Kill(Pid, signal));

    /// <summary>Waits for the end and gives the exit code.</summary>
    public int AwaitExit()
    {
        if (!_process.WaitForExit(Patience))
        {
            Abort();
            CleanUp();
            Assert.Fail($"the mount did not end in {Patience.TotalSeconds} s. {Error}");
        }

        _process.WaitForExit();
        _over = true;
        return _process.ExitCode;
    }

    /// <summary>Ends a hung mount from outside: whoever waits for it gets an error instead.</summary>
    public void Abort()
    {
        if (FindMinor(MountPoint) is { } minor && File.Exists($"/sys/fs/fuse/connections/{minor}/abort"))
        {
            File.WriteAllText($"/sys/fs/fuse/connections/{minor}/abort", "1");
        }
        else if (!_process.HasExited)
        {
            // Without the control file system: the connection ends with the last descriptor of it.
            _ = Native.Kill(Pid, Native.SIGKILL);
        }
    }

    /// <summary>What the daemon holds open below a directory.</summary>
    public string[] OpenBelow(string directory) => OpenFiles.Below(directory, Pid);

    public static bool IsMounted(string mountPoint) => FindMinor(mountPoint) is not null;

    public void Dispose()
    {
        try
        {
            if (!_over)
            {
                Signal(Native.SIGTERM);
                int exitCode = AwaitExit();
                string[] faults = [.. Error.Split('\n').Where(IsFault)];
                if (ExpectedFault is null)
                {
                    Assert.Equal("", string.Join('\n', faults));
                }
                else
                {
                    Assert.Contains(ExpectedFault, Assert.Single(faults), StringComparison.Ordinal);
                }

                Assert.Equal(0, exitCode);
            }

            Assert.False(!_hasSuccessor && IsMounted(MountPoint), "the program ended, but the mount is still there");
        }
        finally
        {
            CleanUp();
        }
    }

    private static bool IsFault(string line) =>
        new[] { "error", "fail", "exception", "   at " }.Any(w => line.Contains(w, StringComparison.OrdinalIgnoreCase));

    public static string? FindMinor(string mountPoint) => File.ReadLines("/proc/self/mountinfo")
        .Select(line => line.Split(' '))
        .Where(fields => fields[4] == mountPoint)
        .Select(fields => fields[2].Split(':')[1])
        .LastOrDefault();

    private static string Text(StringBuilder builder)
    {
        lock (builder)
        {
            return builder.ToString();
        }
    }

    private void Note(StringBuilder builder, string? line, bool first)
    {
        if (line is null)
        {
            return;
        }

        lock (builder)
        {
            builder.Append(line).Append('\n');
        }

        if (first)
        {
            _firstLine.TrySetResult();
        }
    }

    private void CleanUp()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
            _process.WaitForExit(Patience);
        }

        if (!_hasSuccessor && IsMounted(MountPoint))
        {
            const int detach = 2;
            _ = Native.UMount2(Bytes.Z(MountPoint), detach);
        }
    }
}
