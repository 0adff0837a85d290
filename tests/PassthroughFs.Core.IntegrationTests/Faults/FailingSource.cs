using System;
using System.Diagnostics;
using System.Linq;
using System.Reflection;
using System.Threading.Tasks;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.IntegrationTests.Platform;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Faults;

/// <summary>
/// A directory on a file system that fails, stops half-way, takes its time or hangs when it is told to: a process of
/// its own, so that whoever hangs in it hangs no test.
/// </summary>
internal sealed class FailingSource : IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(120);

    private readonly TempDirectory _host;
    private readonly TempDirectory _at = new();
    private readonly Process _process;

    public FailingSource(Backing backing = Backing.Tmpfs)
    {
        Require.Fuse();
        _host = new TempDirectory(backing);
        string host = Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet";
        string program = typeof(FailingSource).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
            .Single(a => a.Key == "FailingSourceProgram").Value!;
        _process = Process.Start(new ProcessStartInfo(host, [program, _host.Path, _at.Path])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            WorkingDirectory = "/",
        })!;
        try
        {
            Expect("serving");
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The directory that may fail.</summary>
    public string Path => _at.Path;

    /// <summary>The same where nothing fails.</summary>
    public string Host => _host.Path;

    /// <summary>Has calls fail from now on.</summary>
    /// <param name="operation">The operation, as <see cref="IFileSystem"/> calls it.</param>
    /// <param name="name">The file's name, or * for any.</param>
    /// <param name="errno">The error.</param>
    /// <param name="conditions">Which calls, as "from=4096 whole skip=1 times=1 percent=5".</param>
    public void Fail(string operation, string name, Errno errno, string conditions = "") =>
        Order($"{operation} {name} errno={(int)errno} {conditions}".TrimEnd());

    /// <summary>Has calls move few bytes, take their time or hang: "most=1000", "delay=100", "hang".</summary>
    public void Set(string operation, string name, string conditions) => Order($"{operation} {name} {conditions}");

    /// <summary>Waits until calls hang.</summary>
    public void AwaitHanging(int count) => Order($"hanging {count}");

    /// <summary>Ends the faults of one operation and name, and lets go of who hangs in them.</summary>
    public void Release(string operation, string name) => Order($"release {operation} {name}");

    /// <summary>Ends all faults and lets go of who hangs.</summary>
    public void Clear() => Order("clear");

    public void Dispose()
    {
        try
        {
            _process.StandardInput.Close();
            bool ended = _process.WaitForExit(s_patience);
            Assert.True(ended && _process.ExitCode == 0, "the failing source did not end as it should");
        }
        finally
        {
            if (!_process.HasExited)
            {
                _process.Kill();
                _process.WaitForExit(s_patience);
            }

            // What is there still after a crash.
            _ = Native.UMount2(Bytes.Z(_at.Path), 2);
            _process.Dispose();
            _at.Dispose();
            _host.Dispose();
        }
    }

    private void Order(string line)
    {
        _process.StandardInput.WriteLine(line);
        _process.StandardInput.Flush();
        Expect("ok");
    }

    private void Expect(string word)
    {
        Task<string?> answer = _process.StandardOutput.ReadLineAsync();
        if (!answer.Wait(s_patience) || answer.Result != word)
        {
            Assert.Fail($"the failing source says {(answer.IsCompleted ? answer.Result ?? "nothing" : "nothing yet")}");
        }
    }
}
