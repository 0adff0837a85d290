using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Threading.Tasks;

namespace PassthroughFs.Core.IntegrationTests.Platform;

/// <summary>What a program left behind.</summary>
internal sealed record ShellResult(int ExitCode, string Out, string Error)
{
    public string All => $"exit code {ExitCode}\nstdout: {Out}\nstderr: {Error}";
}

/// <summary>Runs programs with a time limit; what runs over it is ended with its children.</summary>
internal static class Shell
{
    public static ShellResult Run(
        string program, IEnumerable<string> arguments, string? directory = null, int timeoutSeconds = 120,
        IReadOnlyDictionary<string, string?>? environment = null)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = directory ?? "/",
        };
        foreach ((string name, string? value) in environment ?? new Dictionary<string, string?>())
        {
            start.Environment[name] = value;
        }

        using Process process = Process.Start(start)!;
        process.StandardInput.Close();
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(TimeSpan.FromSeconds(timeoutSeconds)))
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{program} {string.Join(' ', arguments)} took over {timeoutSeconds} s");
        }

        Task.WaitAll([output, error], TimeSpan.FromSeconds(10));
        return new ShellResult(process.ExitCode, output.Result, error.Result);
    }

    /// <summary>Runs a script in a strict shell.</summary>
    public static ShellResult Script(
        string script, string directory, int timeoutSeconds = 120,
        IReadOnlyDictionary<string, string?>? environment = null) =>
        Run("bash", ["-euo", "pipefail", "-c", script], directory, timeoutSeconds, environment);
}
