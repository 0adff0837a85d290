namespace PassthroughFs.Core.Testing;

/// <summary>
/// Real file descriptors for a store to own, so that closing one too early, too late or twice shows.
/// </summary>
public interface IDescriptors
{
    /// <summary>Opens a new file descriptor.</summary>
    int Open();

    /// <summary>Whether a file descriptor is open.</summary>
    /// <param name="fd">A number that <see cref="Open"/> gave.</param>
    bool IsOpen(int fd);
}
