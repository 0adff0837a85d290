using System;
using PassthroughFs.Core.Api;
using static PassthroughFs.Core.Api.InitFlags;

namespace PassthroughFs.Core.Vfs;

/// <summary>How a <see cref="Vfs"/> behaves.</summary>
public sealed record VfsOptions
{
    /// <summary>
    /// What every file system can live with: the default of <see cref="Flags"/>. Left out is what changes the meaning of
    /// requests for all of them at once (writeback, no opens, removal of set-id bits by the server, ACLs, DAX).
    /// </summary>
    public const InitFlags DefaultFlags =
        FUSE_ASYNC_READ | FUSE_ATOMIC_O_TRUNC | FUSE_ASYNC_DIO | FUSE_PARALLEL_DIROPS | FUSE_DONT_MASK
        | FUSE_CREATE_SUPP_GROUP | FUSE_ABORT_ERROR | FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO
        | FUSE_AUTO_INVAL_DATA | FUSE_CACHE_SYMLINKS | FUSE_DIRECT_IO_ALLOW_MMAP | FUSE_NO_EXPORT_SUPPORT;

    /// <summary>
    /// What is agreed on with a client that offers it, once for all mounts, those to come included. What a mounted file
    /// system cannot honour when the session starts is left out; one that is mounted later must honour it.
    /// </summary>
    /// <remarks>
    /// For passthroughs of one configuration this is <c>PassthroughConfig.WantedFlags</c>.
    /// </remarks>
    public InitFlags Flags { get; init; } = DefaultFlags;

    /// <summary>
    /// Makes the file system of a mount whose state is to be restored (<see cref="Vfs.RestoreState"/>), which has a path
    /// and an index and no file system yet; neither mounted nor imported. It may be one that was unmounted and is still in
    /// use: then its <see cref="VfsMount.Released"/> completes later, as ever.
    /// </summary>
    public Func<VfsMount, IBackendFileSystem>? RestoreMount { get; init; }

    /// <summary>How long the client may take the names of directories on the way to mounts for granted.</summary>
    public TimeSpan EntryTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long the client may take the attributes of these directories for granted.</summary>
    public TimeSpan AttrTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// How long the client may take it for granted that these directories lack a name. Default 0: not at all. Where the
    /// transport can notify the client it may be long all the same.
    /// </summary>
    public TimeSpan NegativeTimeout { get; init; }
}
