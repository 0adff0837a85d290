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
    /// Descriptors of what is below a directory of which a process has a mount of its own, whatever it has at its root;
    /// those of the directory itself do not count.
    /// </summary>
    public static string[] OnMountOf(string directory, int pid)
    {
        string wanted = Identity(directory);
        (string Number, string Mount, string Target, string Inode)[] all =
            [.. Directory.GetFileSystemEntries($"/proc/{pid}/fd").Select(link => Describe(pid, link))];
        string? mount = all.FirstOrDefault(fd => fd.Target == "/" && fd.Inode == wanted).Mount;
        return [.. all.Where(fd => fd.Mount == mount && fd.Target != "/").Select(fd => $"{fd.Number} -> {fd.Target}")];
    }

    private static (string Number, string Mount, string Target, string Inode) Describe(int pid, string link)
    {
        string number = Path.GetFileName(link);
        try
        {
            string mount = File.ReadLines($"/proc/{pid}/fdinfo/{number}")
                .Single(line => line.StartsWith("mnt_id:", StringComparison.Ordinal));
            string target = new FileInfo(link).LinkTarget ?? "";
            return (number, mount, target, target == "/" ? Identity(link) : "");
        }
        catch (IOException)
        {
            return (number, "closed meanwhile", "/", "");
        }
    }

    private static string Identity(string path) => Shell.Run("stat", ["-L", "-c", "%d:%i", path]).Out.Trim();
}
