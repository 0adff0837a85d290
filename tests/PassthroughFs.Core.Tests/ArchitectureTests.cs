using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Reflection.Metadata;
using System.Text.RegularExpressions;
using Xunit;

namespace PassthroughFs.Core.Tests;

/// <summary>The layers of the library, as the design has them.</summary>
public sealed class ArchitectureTests
{
    private const string Prefix = "PassthroughFs.Core.";

    private static readonly Dictionary<string, string[]> s_allowed = new()
    {
        ["Api"] = [],
        ["Interop"] = [],
        ["Protocol"] = ["Api"],
        ["Vfs"] = ["Api"],
        ["Wrappers"] = ["Api"],
        ["Passthrough"] = ["Api", "Interop"],
        ["Hosting"] = ["Api", "Passthrough"],
    };

    // By their folders below src and samples: what a project may refer to.
    private static readonly Dictionary<string, string[]> AllowedProjects = new()
    {
        ["src/PassthroughFs.Core"] = [],
        ["src/PassthroughFs.Core.Testing"] = ["PassthroughFs.Core"],
        ["src/PassthroughFs.Fuse"] = ["PassthroughFs.Core"],
        ["src/PassthroughFs.Paths"] = ["PassthroughFs.Core"],
        ["src/PassthroughFs.VhostUser"] = ["PassthroughFs.Core"],
        ["src/ptfs-mount"] = ["PassthroughFs.Fuse"],
        ["src/ptfs-virtiofsd"] = ["PassthroughFs.VhostUser"],
        ["samples/AuditLog"] = ["PassthroughFs.Fuse"],
        ["samples/Hello"] = ["PassthroughFs.Fuse", "PassthroughFs.Paths"],
        ["samples/InProcess"] = ["PassthroughFs.Core"],
        ["samples/Vmm"] = ["PassthroughFs.VhostUser"],
    };

    // What users know under another name than that of its layer.
    private static readonly Dictionary<string, string> s_keepTheirNamespace = new()
    {
        ["IdMap"] = "Vfs",
        ["IdMappedFileSystem"] = "Vfs",
        ["IdRange"] = "Vfs",
        ["UnmappedIds"] = "Vfs",
        ["XattrMap"] = "Vfs",
        ["XattrMappedFileSystem"] = "Vfs",
        ["XattrRule"] = "Vfs",
        ["XattrRuleKind"] = "Vfs",
        ["XattrScope"] = "Vfs",
    };

    private static string Source => Path.Combine(Repository.Root, "src", "PassthroughFs.Core");

    [Fact]
    public void A_types_namespace_is_its_layer()
    {
        using CompiledTypes library = Library();
        foreach ((TypeDefinitionHandle type, string layer) in LayersOf(library))
        {
            string name = library.NameOf(type);
            string expected = s_keepTheirNamespace.GetValueOrDefault(name, layer);
            Assert.True(library.NamespaceOf(type) == Prefix + expected, $"{layer}: {name}");
        }
    }

    [Fact]
    public void A_layer_uses_only_the_layers_below_it()
    {
        using CompiledTypes library = Library();
        Dictionary<TypeDefinitionHandle, string> layers = LayersOf(library);
        foreach ((TypeDefinitionHandle type, string layer) in layers)
        {
            foreach (TypeDefinitionHandle used in library.UsesOf(type).Select(library.OutermostOf))
            {
                // What the compiler adds is of no layer.
                string usedLayer = layers.GetValueOrDefault(used, layer);
                Assert.True(
                    usedLayer == layer || s_allowed[layer].Contains(usedLayer),
                    $"{layer}/{library.NameOf(type)} uses {usedLayer}/{library.NameOf(used)}");
            }
        }
    }

    [Fact]
    public void Every_public_type_is_of_a_layer()
    {
        using CompiledTypes library = Library();
        Dictionary<TypeDefinitionHandle, string> layers = LayersOf(library);
        Assert.Empty(library.Outermost.Where(library.IsPublic).Where(type => !layers.ContainsKey(type))
            .Select(library.NameOf));
        Assert.Equal(s_allowed.Keys.Order(), layers.Values.Distinct().Order());
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

    [Theory]
    [InlineData("Symlink")]
    [InlineData("Fallocate")]
    [InlineData("SetXattr")]
    [InlineData("SyncFs")]
    public void Whoever_adds_an_operation_is_told_of_every_place(string operation)
    {
        string guide = File.ReadAllText(Path.Combine(Repository.Root, "CONTRIBUTING.md"));
        guide = guide[guide.IndexOf("## How to add an operation", StringComparison.Ordinal)..];
        string pattern = $@"\b({operation}\(|FUSE_{operation.ToUpperInvariant()}\b)";
        string[] places = [.. Files().Where(file => Regex.IsMatch(file.Text, pattern))
            .Select(file => $"{file.Folder}/{file.Name}")
            .Select(file => Regex.Replace(file, @"(Sys|PassthroughFileSystem|/Vfs|FuseWorker)\.[A-Z]\w*\.", "$1.<Family>."))];
        Assert.InRange(places.Length, 8, int.MaxValue);
        Assert.All(places, place => Assert.Contains($"`{place}`", guide, StringComparison.Ordinal));
    }

    [Fact]
    public void A_project_uses_only_the_projects_below_it()
    {
        Assert.Equal(
            AllowedProjects.Keys.Order(StringComparer.Ordinal),
            Projects().Select(project => project.Name).Order(StringComparer.Ordinal));
        foreach ((string name, string text) in Projects())
        {
            foreach (Match match in Regex.Matches(text, @"<ProjectReference Include=""[^""]*?([^/""]+)\.csproj"""))
            {
                string used = match.Groups[1].Value;
                Assert.True(AllowedProjects[name].Contains(used), $"{name} uses {used}");
            }
        }
    }

    [Fact]
    public void Programs_and_samples_use_the_public_api_of_packages_alone()
    {
        foreach ((string name, string text) in Projects())
        {
            foreach (Match match in Regex.Matches(text, @"InternalsVisibleTo Include=""([^""]*)"""))
            {
                Assert.True(
                    match.Groups[1].Value is "PassthroughFs.Core.Tests" or "PassthroughFs.Core.Benchmarks",
                    $"{name} shows its internals to {match.Groups[1].Value}");
            }
        }
    }

    [Fact]
    public void A_native_function_is_declared_in_one_place()
    {
        // The library has its own, as it links none of the shared source: one place there, and one in all the rest.
        (string Side, string Function, string File)[] declared =
        [
            .. from directory in (string[])["src", "samples"]
               from file in Directory.GetFiles(
                   Path.Combine(Repository.Root, directory), "*.cs", SearchOption.AllDirectories)
               let path = Path.GetRelativePath(Repository.Root, file)
               where !Regex.IsMatch(path, "/(bin|obj)/")
               from Match match in Regex.Matches(
                   File.ReadAllText(file), @"\[(?:LibraryImport|DllImport)\([^;]*?partial [\w*]+ (\w+)\(")
               select (
                   directory == "samples" ? path
                       : path.StartsWith("src/PassthroughFs.Core/", StringComparison.Ordinal) ? "library" : "rest",
                   match.Groups[1].Value, path),
        ];
        Assert.Contains(declared, item => item is { Side: "rest", Function: "eventfd" });
        Assert.All(
            declared.GroupBy(item => (item.Side, item.Function)),
            group => Assert.True(
                group.Count() == 1, $"{group.Key.Function}: {string.Join(", ", group.Select(item => item.File))}"));
    }

    private static IEnumerable<(string Name, string Text)> Projects() =>
        from directory in (string[])["samples", "src"]
        from file in Directory.GetFiles(
            Path.Combine(Repository.Root, directory), "*.csproj", SearchOption.AllDirectories)
        select (
            Path.GetRelativePath(Repository.Root, Path.GetDirectoryName(file)!), File.ReadAllText(file));

    private static CompiledTypes Library() => new(typeof(Api.IFileSystem).Assembly.Location);

    /// <summary>The folder of each type that is written in one; what is generated besides is of none.</summary>
    private static Dictionary<TypeDefinitionHandle, string> LayersOf(CompiledTypes library)
    {
        var layers = new Dictionary<TypeDefinitionHandle, string>();
        foreach (TypeDefinitionHandle type in library.Outermost)
        {
            string[] folders = [.. library.FilesOf(type)
                .Select(file => Regex.Match(file, @"/src/PassthroughFs\.Core/(?!obj/)(\w+)/").Groups[1].Value)
                .Where(folder => folder.Length > 0).Distinct()];
            Assert.True(folders.Length < 2, $"{library.NameOf(type)} is in {string.Join(", ", folders)}");
            if (folders.Length == 1)
            {
                layers.Add(type, folders[0]);
            }
        }

        return layers;
    }

    private static IEnumerable<(string Folder, string Name, string Text)> Files() =>
        from folder in Directory.GetDirectories(Source)
        let name = Path.GetFileName(folder)
        where name is not ("bin" or "obj")
        from file in Directory.GetFiles(folder, "*.cs", SearchOption.AllDirectories)
        select (name, Path.GetFileName(file), File.ReadAllText(file));
}
