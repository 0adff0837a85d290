namespace PassthroughFs.Core.Api;

/// <summary>
/// What a transport offers whose client can read and write files of the host by itself (FUSE_PASSTHROUGH): it takes an
/// open file and gives the number by which the answer to an open names it (<see cref="OpenReply.BackingId"/>).
/// </summary>
/// <remarks>Calls come from any thread, from inside of operations too.</remarks>
public interface IBackingFiles
{
    /// <summary>Makes a file known to the client.</summary>
    /// <param name="fd">
    /// An open regular file, borrowed until the call returns. The client opens the same file anew for each of its own
    /// opens, with the rights that the calling thread has now.
    /// </param>
    /// <param name="id">The file's number, above 0, until <see cref="Close"/>.</param>
    /// <returns>EPERM where the server may not do this, ENOTTY where the client cannot, ELOOP for a file on a stacked
    /// file system, …</returns>
    Errno Open(int fd, out int id);

    /// <summary>
    /// Ends a number. What is open in the client stays open; the answer to an open must not name it any more.
    /// </summary>
    Errno Close(int id);
}
