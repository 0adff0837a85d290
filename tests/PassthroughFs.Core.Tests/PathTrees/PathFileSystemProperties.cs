using FsCheck;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Testing;
using PassthroughFs.Core.Tests.Properties;
using Xunit;

namespace PassthroughFs.Core.Tests.PathTrees;

/// <summary>A file system by path is one by nodes to its client, but for hard links.</summary>
public sealed class PathFileSystemProperties
{
    private static Arbitrary<Step<FileSystemStep>[]> Sequences => Steps.Of(
        (10, FileSystemStep.Lookup), (6, FileSystemStep.Forget), (3, FileSystemStep.GetAttr),
        (2, FileSystemStep.SetMode), (2, FileSystemStep.SetSize), (6, FileSystemStep.Mkdir), (3, FileSystemStep.Mknod),
        (2, FileSystemStep.Symlink), (1, FileSystemStep.ReadLink), (4, FileSystemStep.Unlink),
        (3, FileSystemStep.Rmdir), (8, FileSystemStep.Rename), (6, FileSystemStep.Create), (4, FileSystemStep.Open),
        (4, FileSystemStep.Read), (4, FileSystemStep.Write), (3, FileSystemStep.Release), (1, FileSystemStep.List),
        (1, FileSystemStep.ListPlus));

    [Fact]
    public void Requests_are_answered_as_the_model_answers_them() => Cases.Holds(
        Sequences,
        steps =>
        {
            using var fs = new TreeFileSystem();
            IFileSystem api = fs;
            var options = new FileSystemSpecOptions
            {
                DeletedMayBeStale = true,
                ForgetsNumbers = true,
            };
            return FileSystemSpec.Check(api, options, steps)
                ?? (fs.NodeCount == 1 && fs.OpenCount == 0
                    ? null : $"{fs.NodeCount} nodes and {fs.OpenCount} files are left");
        },
        3000);
}
