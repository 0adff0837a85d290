using System;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Passthrough;
using PassthroughFs.Core.Vfs;

namespace PassthroughFs.Samples.FuseMount;

/// <summary>What is seen at the mount point.</summary>
internal abstract class Served : IDisposable
{
    public abstract IFileSystem FileSystem { get; }

    /// <summary>Whether the kernel holds writes back.</summary>
    public abstract bool Writeback { get; }

    /// <summary>Takes no orders any more. The file systems stay, as requests may be under way.</summary>
    public virtual void Close()
    {
    }

    /// <summary>Closes all files. No request may be under way.</summary>
    public abstract void Dispose();

    /// <summary>Puts the ids of the options before a file system.</summary>
    /// <param name="inner">The file system.</param>
    /// <param name="options">The options.</param>
    /// <param name="path">Which of several it is.</param>
    protected static IBackendFileSystem WithIds(IBackendFileSystem inner, MountOptions options, string path)
    {
        IdMap? users = options.UserMaps.For(path);
        IdMap? groups = options.GroupMaps.For(path);
        return users is null && groups is null
            ? inner
            : new IdMappedFileSystem(inner, users ?? IdMap.Identity, groups ?? IdMap.Identity, options.UnmappedIds);
    }
}

/// <summary>One directory.</summary>
internal sealed class ServedDirectory(PassthroughFileSystem fileSystem, MountOptions options) : Served
{
    public override IFileSystem FileSystem { get; } = WithIds(fileSystem, options, "/");

    public override bool Writeback => fileSystem.Config.Writeback;

    public override void Dispose() => fileSystem.Dispose();
}
