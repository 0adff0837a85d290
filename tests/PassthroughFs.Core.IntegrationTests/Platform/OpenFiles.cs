using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;

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

    /// <summary>
    /// Descriptors below the root of a process whose root is a mount that only it sees; the root itself does not count.
    /// </summary>
    public static string[] OnRootMount(int pid)
    {
        string root = File.ReadLines($"/proc/{pid}/mountinfo")
            .Select(line => line.Split(' ')).Single(fields => fields[4] == "/")[0];
        var found = new List<string>();
        foreach (string link in Directory.GetFileSystemEntries($"/proc/{pid}/fd"))
        {
            string number = Path.GetFileName(link);
            try
            {
                if (File.ReadLines($"/proc/{pid}/fdinfo/{number}").Contains($"mnt_id:\t{root}")
                    && new FileInfo(link).LinkTarget is { } target && target != "/")
                {
                    found.Add($"{number} -> {target}");
                }
            }
            catch (FileNotFoundException)
            {
                // Closed meanwhile.
            }
        }

        return [.. found];
    }
}
