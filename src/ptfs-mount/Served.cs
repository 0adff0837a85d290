using System;
using System.Collections.Generic;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Passthrough;
using PassthroughFs.Core.Vfs;
using PassthroughFs.Fuse;
using PassthroughFs.PtfsMount.Upgrade;

namespace PassthroughFs.PtfsMount;

/// <summary>What is seen at the mount point.</summary>
internal abstract class Served : IDisposable
{
    public abstract IFileSystem FileSystem { get; }

    /// <summary>Whether the kernel holds writes back.</summary>
    public abstract bool Writeback { get; }

    /// <summary>What can be changed at run time; null where there is but one directory.</summary>
    public virtual ServedTree? Tree => null;

    /// <summary>The directories by the number of their mount; empty where there is but one.</summary>
    public virtual IReadOnlyList<IndexedSource> Sources => [];

    /// <summary>The file that says what handles mean, if there is one.</summary>
    public virtual string? StateFile => null;

    /// <summary>Writes down what the next mount has to know; returns what went wrong.</summary>
    public virtual FuseMountException? SaveState() => null;

    /// <summary>A node's path on the host at this moment, where it is known; the host may hang over it.</summary>
    public virtual string? PathOf(NodeId node) => null;

    /// <summary>Closes all files. No request may be under way.</summary>
    public abstract void Dispose();

    /// <summary>Puts the ids and names of the options before a file system.</summary>
    /// <param name="inner">The file system.</param>
    /// <param name="options">The options.</param>
    /// <param name="path">Which of several it is.</param>
    protected static IBackendFileSystem WithMaps(IBackendFileSystem inner, MountOptions options, string path)
    {
        IdMap? users = options.UserMaps.For(path);
        IdMap? groups = options.GroupMaps.For(path);
        if (options.XattrMap is { } names)
        {
            inner = new XattrMappedFileSystem(inner, names);
        }

        return users is null && groups is null
            ? inner
            : new IdMappedFileSystem(inner, users ?? IdMap.Identity, groups ?? IdMap.Identity, options.UnmappedIds);
    }
}

/// <summary>One directory.</summary>
internal sealed class ServedDirectory : Served
{
    private readonly PassthroughFileSystem _fileSystem;
    private readonly ExportState? _state;

    /// <summary>
    /// Takes over a file system, which goes on from where it was if there is a file that says so, or else a predecessor.
    /// </summary>
    public ServedDirectory(
        PassthroughFileSystem fileSystem, MountOptions options, ExportState? state, bool hasPredecessor)
    {
        _fileSystem = fileSystem;
        _state = state;
        FileSystem = WithMaps(fileSystem, options, "/");
        if (!hasPredecessor)
        {
            state?.Load(fileSystem);
        }
    }

    public override IFileSystem FileSystem { get; }

    public override bool Writeback => _fileSystem.Config.Writeback;

    public override string? StateFile => _state?.Place;

    public override string? PathOf(NodeId node) =>
        _fileSystem.ReadLinkOfNode(node, out string path) == Errno.OK ? path : null;

    public override FuseMountException? SaveState() => _state?.Save(_fileSystem);

    public override void Dispose() => _fileSystem.Dispose();
}
