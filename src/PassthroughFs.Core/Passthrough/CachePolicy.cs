namespace PassthroughFs.Core.Passthrough;

/// <summary>What the client may cache of an opened file or directory.</summary>
public enum CachePolicy
{
    /// <summary>
    /// The client decides, with close-to-open consistency: what it cached is checked at the next open.
    /// </summary>
    Auto,

    /// <summary>
    /// Nothing of a file: each read and write comes to the server (FOPEN_DIRECT_IO). For directories that others change
    /// as well.
    /// </summary>
    Never,

    /// <summary>As <see cref="Never"/> for files, but directory listings are cached and kept.</summary>
    Metadata,

    /// <summary>
    /// Everything is kept from one open to the next. Only where nobody but the client changes the directory.
    /// </summary>
    Always,
}
