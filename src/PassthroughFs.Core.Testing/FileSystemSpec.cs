using System;
using System.Collections.Generic;
using FsCheck;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Testing;

/// <summary>What an <see cref="FileSystemSpec"/> may know of a file system besides its contract.</summary>
public sealed record FileSystemSpecOptions
{
    /// <summary>Who makes the requests: somebody who may do everything in the directory.</summary>
    public RequestContext Context { get; init; }

    /// <summary>How many lookups the file system counts for a node; null if it does not tell.</summary>
    public Func<NodeId, ulong>? LookupCount { get; init; }

    /// <summary>How many forgotten nodes the file system remembers; null if it does not tell.</summary>
    public Func<int>? RememberedCount { get; init; }

    /// <summary>
    /// A forgotten node is found again by a lookup of "." on its NodeId, if its file is there, and is ESTALE otherwise.
    /// </summary>
    public bool FindsForgotten { get; init; }

    /// <summary>What was forgotten may have another NodeId when it is looked up again.</summary>
    public bool ForgetsNumbers { get; init; }

    /// <summary>
    /// Has another file system go on with the state of the one that is given, which is not asked any more; null if that is
    /// not tried.
    /// </summary>
    public Func<IFileSystem, IFileSystem>? HandOver { get; init; }

    /// <summary>
    /// A node is kept by kernel handle: one whose last name is gone may answer ESTALE, as nothing keeps the file.
    /// </summary>
    public bool DeletedMayBeStale { get; init; }
}

/// <summary>
/// An <see cref="IFileSystem"/> answers as a model of a file system in memory does: the same results, the same error
/// numbers, one NodeId for one inode, and lookup counts that agree.
/// </summary>
/// <remarks>
/// For a file system that can be written to and whose root is empty; names are single components, and nobody else
/// changes it. A wrapper of one's own that changes nothing for its client should pass as what it wraps does.
/// </remarks>
public static class FileSystemSpec
{
    /// <summary>Sequences for <see cref="Check"/>.</summary>
    public static Arbitrary<Step<FileSystemStep>[]> Sequences => Steps.Of(
        (10, FileSystemStep.Lookup), (6, FileSystemStep.Forget), (3, FileSystemStep.GetAttr),
        (2, FileSystemStep.SetMode), (2, FileSystemStep.SetSize), (6, FileSystemStep.Mkdir), (3, FileSystemStep.Mknod),
        (2, FileSystemStep.Symlink), (1, FileSystemStep.ReadLink), (4, FileSystemStep.Link), (4, FileSystemStep.Unlink),
        (3, FileSystemStep.Rmdir), (8, FileSystemStep.Rename), (6, FileSystemStep.Create), (4, FileSystemStep.Open),
        (4, FileSystemStep.Read), (4, FileSystemStep.Write), (3, FileSystemStep.Release), (1, FileSystemStep.List),
        (1, FileSystemStep.ListPlus), (3, FileSystemStep.LookupByNode),
        (2, FileSystemStep.HandOver));

    /// <summary>
    /// Runs a sequence; returns what was wrong, or null. At the end every handle is released and every node forgotten.
    /// </summary>
    /// <param name="fileSystem">A file system that is ready to serve, and whose root is empty.</param>
    /// <param name="options">What else is known of it.</param>
    /// <param name="steps">The sequence.</param>
    public static string? Check(
        IFileSystem fileSystem, FileSystemSpecOptions options, IReadOnlyList<Step<FileSystemStep>> steps)
    {
        ArgumentNullException.ThrowIfNull(fileSystem);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(steps);
        var run = new FileSystemRun(fileSystem, options);
        foreach (Step<FileSystemStep> step in steps)
        {
            string? fault = run.Do(step) ?? run.Invariants();
            if (fault is not null)
            {
                return $"{step}: {fault}";
            }
        }

        return run.End();
    }
}
