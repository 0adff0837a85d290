using System;
using System.IO;
using System.Linq;

namespace PassthroughFs.Core.IntegrationTests.Platform;

/// <summary>What <c>/proc</c> says of another process.</summary>
internal static class ProcessState
{
    /// <summary>Whether all threads of a process have stopped, as SIGSTOP wants it.</summary>
    public static bool IsStopped(int pid) => Tasks(pid, "stat").All(
        stat => stat.Split(')')[^1].StartsWith(" T", StringComparison.Ordinal));

    /// <summary>Whether a thread of a process is in statx(2) at this moment.</summary>
    public static bool IsInStatx(int pid)
    {
        string number = Native.IsArm64 ? "291 " : "332 ";
        return Tasks(pid, "syscall").Any(call => call.StartsWith(number, StringComparison.Ordinal));
    }

    /// <summary>A field of a status file, as "Seccomp"; null if the process has ended.</summary>
    public static string? TryField(string status, string field) =>
        Read(status).Split('\n').FirstOrDefault(line => line.StartsWith(field + ":", StringComparison.Ordinal))?
            [(field.Length + 1)..].Trim();

    private static string[] Tasks(int pid, string file) =>
        [.. Directory.GetDirectories($"/proc/{pid}/task").Select(task => Read(Path.Combine(task, file)))
            .Where(text => text.Length > 0)];

    private static string Read(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (IOException)
        {
            // The thread has ended since it was listed.
            return "";
        }
    }
}
