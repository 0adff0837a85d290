using System;
using System.IO;
using System.Linq;

namespace PassthroughFs.Core.IntegrationTests.Platform;

/// <summary>What <c>/proc</c> says of another process.</summary>
internal static class ProcessState
{
    /// <summary>Whether all threads of a process have stopped, as SIGSTOP wants it.</summary>
    public static bool IsStopped(int pid) => Directory.GetDirectories($"/proc/{pid}/task").All(
        task => File.ReadAllText(Path.Combine(task, "stat")).Split(')')[^1].StartsWith(" T", StringComparison.Ordinal));
}
