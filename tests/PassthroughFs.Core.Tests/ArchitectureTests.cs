using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text.RegularExpressions;
using Xunit;

namespace PassthroughFs.Core.Tests;

/// <summary>The layers of the library, as the design has them.</summary>
public sealed class ArchitectureTests
{
    private const string Prefix = "PassthroughFs.Core.";

    private static readonly Dictionary<string, string[]> Allowed = new()
    {
        ["Api"] = [],
        ["Interop"] = [],
        ["Protocol"] = ["Api"],
        ["Vfs"] = ["Api"],
        ["Wrappers"] = ["Api"],
        ["Passthrough"] = ["Api", "Interop"],
        ["Hosting"] = ["Api", "Passthrough"],
    };

    private static string Source => Path.Combine(Repository.Root, "src", "PassthroughFs.Core");

    [Fact]
    public void A_files_namespace_is_its_folder()
    {
        foreach ((string folder, string file, string text) in Files())
        {
            Match match = Regex.Match(text, @"^namespace ([\w.]+);", RegexOptions.Multiline);
            Assert.True(match.Success && match.Groups[1].Value == Prefix + folder, $"{folder}/{file}");
        }
    }

    [Fact]
    public void A_layer_uses_only_the_layers_below_it()
    {
        foreach ((string folder, string file, string text) in Files())
        {
            foreach (Match match in Regex.Matches(text, @"PassthroughFs\.Core\.(\w+)"))
            {
                string used = match.Groups[1].Value;
                Assert.True(
                    used == folder || Allowed[folder].Contains(used), $"{folder}/{file} uses {used}");
            }
        }
    }

    [Fact]
    public void Interop_is_internal() => Assert.DoesNotContain(
        typeof(Api.IFileSystem).Assembly.GetExportedTypes(), type => type.Namespace == Prefix + "Interop");

    [Fact]
    public void An_operation_has_one_place_in_each_layer()
    {
        // The contract, its system call, the file system's method, the way to one of several, the worker's, and the
        // dispatcher's case. Overloads, forwarding and refusal are made of the contract.
        const string Method = @"^    ((public|private) )?(static )?(Errno|int) Rename(At2)?\(";
        const string Case = "FUSE_RENAME => ";
        string[] places = [.. Files()
            .Where(file => file.Name is not ("FileSystemExtensions.cs" or "DelegatingFileSystem.cs"
                or "PseudoFileSystem.Refused.cs" or "RefusingFileSystem.cs"))
            .Where(file => Regex.IsMatch(file.Text, Method, RegexOptions.Multiline)
                || file.Text.Contains(Case, StringComparison.Ordinal))
            .Select(file => $"{file.Folder}/{file.Name}").Order(StringComparer.Ordinal)];
        Assert.Equal(
            [
                "Api/IFileSystem.cs", "Interop/Sys.Namespace.cs", "Passthrough/PassthroughFileSystem.Namespace.cs",
                "Protocol/FuseWorker.Namespace.cs", "Protocol/FuseWorker.cs", "Vfs/Vfs.Namespace.cs",
            ],
            places);
    }

    [Fact]
    public void Samples_use_the_public_api_alone()
    {
        string project = File.ReadAllText(Path.Combine(Source, "PassthroughFs.Core.csproj"));
        Assert.DoesNotMatch(@"InternalsVisibleTo Include=""(?!PassthroughFs\.Core\.(Tests|Benchmarks)"")", project);
    }

    private static IEnumerable<(string Folder, string Name, string Text)> Files() =>
        from folder in Directory.GetDirectories(Source)
        let name = Path.GetFileName(folder)
        where name is not ("bin" or "obj")
        from file in Directory.GetFiles(folder, "*.cs", SearchOption.AllDirectories)
        select (name, Path.GetFileName(file), File.ReadAllText(file));
}
