namespace PassthroughFs.Core.Api;

/// <summary>
/// The 64-bit number by which the client names an inode. It is the server's choice; it is not the host's inode
/// number (<c>st_ino</c>, called <c>ino</c> throughout this library).
/// </summary>
/// <remarks>
/// A client gets a NodeId from an <see cref="Entry"/> and holds one reference (one lookup) for each entry that named
/// it, until it gives them back by <see cref="IFileSystem.Forget"/>.
/// </remarks>
/// <param name="Value">The number on the wire; 0 means "no node".</param>
public readonly record struct NodeId(ulong Value)
{
    /// <summary>No node: in an <see cref="Entry"/> this is a name that is known not to exist.</summary>
    public static NodeId None => default;

    /// <summary>The root directory, 1 (FUSE_ROOT_ID). It is never forgotten.</summary>
    public static NodeId Root => new(1);

    /// <inheritdoc/>
    public override string ToString() => Value.ToString(System.Globalization.CultureInfo.InvariantCulture);
}
