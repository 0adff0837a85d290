using System.Collections;
using System.Collections.Generic;
using System.IO;

namespace PassthroughFs.PtfsVirtiofsd;

/// <summary>
/// How this process was started, to start another like it: an executable of its own, or <c>dotnet</c> with an assembly.
/// </summary>
internal sealed record OwnProgram(string Path, IReadOnlyList<string> Arguments, IReadOnlyList<string> Environment)
{
    /// <summary>This process's.</summary>
    /// <param name="variable">A variable that the other one gets instead of this one's.</param>
    /// <param name="value">Its value.</param>
    /// <exception cref="DaemonException">It cannot be found out.</exception>
    public static OwnProgram With(string variable, string value)
    {
        // The runtime's sockets for diagnostics are ways in, and would be left behind where nobody can remove them.
        const string diagnostics = "DOTNET_EnableDiagnostics";
        var environment = new List<string> { $"{variable}={value}", $"{diagnostics}=0" };
        foreach (DictionaryEntry entry in System.Environment.GetEnvironmentVariables())
        {
            if ((string)entry.Key != variable && (string)entry.Key != diagnostics)
            {
                environment.Add($"{entry.Key}={entry.Value}");
            }
        }

        string path = System.Environment.ProcessPath
            ?? throw new DaemonException("cannot find the program's own file: mount /proc, or use --sandbox none");
        return new OwnProgram(path, File.ReadAllText("/proc/self/cmdline").Split('\0')[..^1], environment);
    }
}
