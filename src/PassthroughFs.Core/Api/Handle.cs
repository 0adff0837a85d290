namespace PassthroughFs.Core.Api;

/// <summary>
/// The number of an open file or directory (FUSE's <c>fh</c>), from <see cref="IFileSystem.Open"/>,
/// <see cref="IFileSystem.OpenDir"/>, <see cref="IFileSystem.Create"/> or <see cref="IFileSystem.TmpFile"/> until
/// its release. It is never the number of another open file later.
/// </summary>
/// <param name="Value">The number on the wire; 0 means "no handle".</param>
public readonly record struct Handle(ulong Value)
{
    /// <summary>No handle: the request names only a node.</summary>
    public static Handle None => default;

    /// <summary>Whether this is no handle at all.</summary>
    public bool IsNone => Value == 0;

    /// <inheritdoc/>
    public override string ToString() => Value.ToString(System.Globalization.CultureInfo.InvariantCulture);
}
