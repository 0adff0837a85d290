using System;
using System.Collections.Generic;
using System.IO;

namespace PassthroughFs.Core.IntegrationTests.Platform;

/// <summary>What a process has open, by /proc.</summary>
internal static class OpenFiles
{
    /// <summary>Descriptors of what is, or was, below a directory; the directory itself does not count.</summary>
    public static string[] Below(string directory, int? pid = null)
    {
        var found = new List<string>();
        foreach (string link in Directory.GetFileSystemEntries($"/proc/{pid?.ToString() ?? "self"}/fd"))
        {
            if (new FileInfo(link).LinkTarget is { } target &&
                target.StartsWith(directory + "/", StringComparison.Ordinal))
            {
                found.Add($"{Path.GetFileName(link)} -> {target}");
            }
        }

        return [.. found];
    }
}
