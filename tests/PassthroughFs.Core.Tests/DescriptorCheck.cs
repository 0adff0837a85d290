using System;
using System.IO;
using System.Linq;
using Xunit;

namespace PassthroughFs.Core.Tests;

/// <summary>Fails a test that leaves a file descriptor open. Derive from it.</summary>
public abstract class DescriptorCheck : IDisposable
{
    private readonly string[] _before = Descriptors();

    public static int Count => Descriptors().Length;

    public void Dispose()
    {
        Cleanup();
        GC.SuppressFinalize(this);
        string[] left = [.. Descriptors().Except(_before)];
        Assert.True(left.Length == 0, "Left open: " + string.Join(", ", left));
    }

    protected virtual void Cleanup()
    {
    }

    /// <summary>Each descriptor with what it refers to; those of the runtime's own files and pipes left out.</summary>
    private static string[] Descriptors() =>
    [
        .. from link in Directory.GetFileSystemEntries("/proc/self/fd")
           let target = Target(link)
           where target is not null && !target.StartsWith("/proc/", StringComparison.Ordinal)
               && !target.Contains("/dotnet/", StringComparison.Ordinal)
               && !target.EndsWith(".dll", StringComparison.Ordinal)
               && !target.EndsWith(".pdb", StringComparison.Ordinal)
               && !target.StartsWith("anon_inode:", StringComparison.Ordinal)
               && !target.StartsWith("socket:", StringComparison.Ordinal)
               && !target.StartsWith("pipe:", StringComparison.Ordinal)
           select $"{Path.GetFileName(link)} -> {target}",
    ];

    private static string? Target(string link)
    {
        try
        {
            return new FileInfo(link).LinkTarget;
        }
        catch (IOException)
        {
            // The descriptor with which the directory itself was listed.
            return null;
        }
    }
}
