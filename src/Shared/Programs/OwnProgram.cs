using System;
using System.Collections;
using System.Collections.Generic;
using System.IO;
using System.Linq;

namespace PassthroughFs.Shared;

/// <summary>
/// How this process was started, to start another like it: an executable of its own, or <c>dotnet</c> with an assembly.
/// </summary>
/// <param name="Path">The executable.</param>
/// <param name="Arguments">All of them, the name it was called by included.</param>
/// <param name="Environment">"NAME=VALUE" each.</param>
internal sealed record OwnProgram(string Path, IReadOnlyList<string> Arguments, IReadOnlyList<string> Environment)
{
    /// <summary>This process's; null where /proc does not say.</summary>
    public static OwnProgram? Find()
    {
        try
        {
            string[] arguments = File.ReadAllText("/proc/self/cmdline").Split('\0')[..^1];
            return System.Environment.ProcessPath is { } path && arguments.Length > 0
                ? new OwnProgram(path, arguments, [.. Variables()])
                : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>The same with another value of a variable.</summary>
    public OwnProgram With(string variable, string value) => this with
    {
        Environment =
        [
            $"{variable}={value}",
            .. Environment.Where(item => !item.StartsWith(variable + "=", StringComparison.Ordinal)),
        ],
    };

    private static IEnumerable<string> Variables()
    {
        foreach (DictionaryEntry entry in System.Environment.GetEnvironmentVariables())
        {
            yield return $"{entry.Key}={entry.Value}";
        }
    }
}
