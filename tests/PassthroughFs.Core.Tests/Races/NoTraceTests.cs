using System;
using System.IO;
using System.Linq;
using System.Reflection;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Text;
using PassthroughFs.Core.Passthrough;
using Xunit;

namespace PassthroughFs.Core.Tests.Races;

/// <summary>The points at which tests stop threads are in the build that tests use, and in no other.</summary>
public sealed class NoTraceTests
{
    private const string Library = "PassthroughFs.Core";

    [Fact]
    public void The_library_that_users_get_has_no_points_to_stop_at()
    {
        var built = typeof(NoTraceTests).Assembly.GetCustomAttribute<AssemblyConfigurationAttribute>()!;
        string path = Path.Combine(
            Repository.Root, "src", Library, "bin", built.Configuration, "net10.0", Library + ".dll");
        Assert.SkipUnless(File.Exists(path), "The library itself was not built.");
        Assert.Equal("", Traces(path));

        // And that they would have been found.
        Assert.Contains("Interleaving", Traces(typeof(InodeStore).Assembly.Location), StringComparison.Ordinal);
        Assert.Contains("TestPoint", Traces(typeof(InodeStore).Assembly.Location), StringComparison.Ordinal);
        Assert.Contains("at zero", Traces(typeof(InodeStore).Assembly.Location), StringComparison.Ordinal);
    }

    private static string Traces(string path)
    {
        byte[] bytes = File.ReadAllBytes(path);
        using var file = new PEReader(new MemoryStream(bytes));
        MetadataReader metadata = file.GetMetadataReader();
        string[] types = [.. metadata.TypeDefinitions
            .Select(type => metadata.GetString(metadata.GetTypeDefinition(type).Name))
            .Where(name => name == "Interleaving")];
        string[] methods = [.. metadata.MethodDefinitions
            .Select(method => metadata.GetString(metadata.GetMethodDefinition(method).Name))
            .Where(name => name == "TestPoint")];
        string[] texts = bytes.AsSpan().IndexOf(Encoding.Unicode.GetBytes("InodeStore.Forget: at zero")) >= 0
            ? ["at zero"] : [];
        return string.Join(", ", types.Concat(methods).Concat(texts));
    }
}
