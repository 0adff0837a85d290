using System;
using System.IO;

namespace PassthroughFs.Core.Benchmarks;

internal static class FileSystems
{
    /// <summary>The type of the file system that a directory is on, as /proc/self/mounts names it.</summary>
    public static string TypeOf(string directory)
    {
        string path = Path.GetFullPath(directory);
        string type = "?";
        int longest = -1;
        foreach (string line in File.ReadLines("/proc/self/mounts"))
        {
            string[] fields = line.Split(' ');
            string point = fields[1].TrimEnd('/');
            bool isAbove = path.StartsWith(point, StringComparison.Ordinal) &&
                (path.Length == point.Length || path[point.Length] == '/');
            if (isAbove && point.Length >= longest)
            {
                (longest, type) = (point.Length, fields[2]);
            }
        }

        return type;
    }
}
