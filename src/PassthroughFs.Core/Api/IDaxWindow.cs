namespace PassthroughFs.Core.Api;

/// <summary>
/// A window of memory that the client reads and writes by itself, and into which ranges of files are mapped (DAX):
/// the cache region of a virtio-fs device. Offered by a transport; made for <see cref="IFileSystem.SetupMapping"/>.
/// </summary>
/// <remarks>
/// Calls come from any number of threads at once. What the client asks for was checked before: ranges begin and end
/// on pages, have a page at least, and lie inside the window. An error answers the request and nothing else; after one
/// the range may be mapped as before, or not at all.
/// </remarks>
public interface IDaxWindow
{
    /// <summary>The window's length in bytes: a multiple of the host's page size, never 0. Never changes.</summary>
    ulong Length { get; }

    /// <summary>
    /// Whether a mapping takes the place of another in one step. Default true, as <c>mmap</c> does it.
    /// </summary>
    /// <remarks>
    /// If not, a client that reads there in between reads nonsense. Linux replaces a mapping by one that it may write
    /// to while others read: so the file system maps for writing from the start what it is allowed to.
    /// </remarks>
    bool ReplacesAtOnce => true;

    /// <summary>
    /// Maps a range of a file, shared, in place of what was mapped there: <c>mmap</c> with MAP_SHARED and MAP_FIXED.
    /// </summary>
    /// <remarks>
    /// The range may lie behind the file's end, or come to lie there when the file is cut: an access to that is a
    /// SIGBUS for whoever runs the client, who has to expect it.
    /// </remarks>
    /// <param name="fd">
    /// The file, open for what the mapping allows. Borrowed: valid until the call returns, so that whoever needs it
    /// longer makes a copy. A mapping does not need it.
    /// </param>
    /// <param name="mapping">Which part of it, where to, and whether the client may write there.</param>
    /// <returns>
    /// EBUSY where only whole mappings can be replaced and this is no whole one, ENOSPC if there are too many, EIO if
    /// whoever has the window does not answer, …
    /// </returns>
    Errno Map(int fd, in DaxMapping mapping);

    /// <summary>
    /// Takes away what is mapped in a range: whoever reads it then finds no file there. Nothing mapped is no error.
    /// </summary>
    /// <returns>
    /// EBUSY where only whole mappings can be removed, EIO if whoever has the window does not answer, …
    /// </returns>
    Errno Unmap(in DaxRange range);
}
