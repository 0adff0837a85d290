using System;

namespace PassthroughFs.Core.Api;

/// <summary>A file system that can be one of several under a common root, as a Vfs has them.</summary>
/// <remarks>
/// Under such a root <see cref="IFileSystem.Init"/> offers what was negotiated already, and may come several times in a
/// row, with less each time. <see cref="IFileSystem.Destroy"/> comes when the session ends and when the file system is
/// taken out of the tree; afterwards it can be mounted again. Its NodeIds must fit into 56 bits.
/// </remarks>
public interface IBackendFileSystem : IFileSystem
{
    /// <summary>Prepares the root. The first call of all, before <see cref="IFileSystem.Init"/>.</summary>
    /// <param name="root">
    /// The root directory: its node, which is never forgotten, its attributes, and the timeouts under which the client
    /// may keep it.
    /// </param>
    /// <param name="maxNode">The largest NodeId that will ever be used.</param>
    /// <returns>ENOENT or ENOTDIR for a directory that cannot be served, …</returns>
    Errno Mount(out Entry root, out NodeId maxNode);

    /// <summary>
    /// Lists nodes that the client holds, so that it can be asked to let go of those it only caches. May miss what comes or
    /// goes meanwhile. The default lists none: then the client keeps them until it needs the memory.
    /// </summary>
    /// <param name="start">0, or what <paramref name="next"/> was after the nodes before.</param>
    /// <param name="nodes">Gets nodes.</param>
    /// <param name="next">Where to go on.</param>
    /// <returns>How many there were; 0 at the end.</returns>
    int ListNodes(ulong start, Span<NodeId> nodes, out ulong next)
    {
        next = start;
        return 0;
    }
}
