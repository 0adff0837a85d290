using System;
using System.Diagnostics;
using System.IO;
using Xunit;

namespace PassthroughFs.Core.Tests;

/// <summary>Something mounted on a new directory until it is disposed.</summary>
internal sealed class TestMount : IDisposable
{
    private TestMount(string path, params string[] mount)
    {
        Path = Directory.CreateDirectory(path).FullName;
        Privileges.Require(Run("mount", [.. mount, Path]) == 0, "needs to mount");
    }

    /// <summary>Where it is; to be set when a directory above it was renamed.</summary>
    public string Path { get; set; }

    public static TestMount Tmpfs(string path) => new(path, "-t", "tmpfs", "tmpfs");

    public static TestMount Bind(string source, string path) => new(path, "--bind", source);

    public void Dispose() => Assert.Equal(0, Run("umount", Path));

    private static int Run(string program, params string[] arguments)
    {
        using Process process = Process.Start(program, arguments);
        process.WaitForExit();
        return process.ExitCode;
    }
}
