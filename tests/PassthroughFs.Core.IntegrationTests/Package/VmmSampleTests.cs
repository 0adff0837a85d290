using System;
using System.IO;
using System.Linq;
using System.Reflection;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Vhost;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Package;

/// <summary>The sample that is guest, VMM and device in one process.</summary>
public sealed class VmmSampleTests : IDisposable
{
    private readonly TempDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(20_000)]
    public void It_prints_a_file_as_it_is(int lines)
    {
        string text = string.Concat(Enumerable.Range(0, lines).Select(i => $"{i}: é\n"));
        File.WriteAllText(_directory["file"], text);
        ShellResult result = Run(_directory.Path, "file");
        Assert.True(result.ExitCode == 0 && result.Error.Length == 0, result.Error);
        Assert.Equal(text, result.Out);
    }

    [Fact]
    public void What_is_wrong_is_said()
    {
        ShellResult result = Run(_directory.Path, "none");
        Assert.Equal(1, result.ExitCode);
        Assert.Equal($"Vmm: none in {_directory.Path}: ENOENT\n", result.Error);
        Assert.Equal(2, Run(_directory.Path).ExitCode);
    }

    private static ShellResult Run(params string[] arguments) => Shell.Run(
        DaemonProcess.Host,
        [
            typeof(VmmSampleTests).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
                .Single(a => a.Key == "VmmSample").Value!,
            .. arguments,
        ]);
}
