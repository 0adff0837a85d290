using System;

namespace PassthroughFs.Core.Api;

/// <summary>Where READDIR and READDIRPLUS put their entries; it says when it is full.</summary>
/// <remarks>
/// A transport's worker has one that writes the wire format into the reply; <see cref="DirectoryList"/> collects
/// entries for callers without a transport. Borrowed: valid until the call it was given to returns.
/// </remarks>
public abstract class DirectorySink
{
    /// <summary>About how many bytes of entries still fit: how much it pays to read ahead.</summary>
    public abstract int Room { get; }

    /// <summary>
    /// Whether an entry whose name has <paramref name="nameLength"/> bytes fits. Ask before a lookup is counted for
    /// READDIRPLUS: the client must forget only what it was told of.
    /// </summary>
    public abstract bool Fits(int nameLength);

    /// <summary>Adds an entry of READDIR.</summary>
    /// <param name="ino">The number the client shows as <c>d_ino</c>.</param>
    /// <param name="offset">The cookie from which a later call goes on behind this entry.</param>
    /// <param name="type">
    /// The file's type as in <c>d_type</c> (<c>S_IFMT</c> bits shifted right by 12), 0 if not known.
    /// </param>
    /// <param name="name">The name without NUL, 1 to 255 bytes.</param>
    /// <returns>False if it does not fit; then nothing was added and the listing ends here for now.</returns>
    public abstract bool TryAdd(ulong ino, ulong offset, uint type, ReadOnlySpan<byte> name);

    /// <summary>
    /// Adds an entry of READDIRPLUS. If <paramref name="entry"/> names a node, one lookup of it is now the client's;
    /// with <see cref="NodeId.None"/> only the name is told.
    /// </summary>
    /// <inheritdoc cref="TryAdd(ulong, ulong, uint, ReadOnlySpan{byte})"/>
    public abstract bool TryAdd(ulong ino, ulong offset, uint type, ReadOnlySpan<byte> name, in Entry entry);
}
