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
}
