namespace PassthroughFs.Core.Passthrough;

/// <summary>What an <see cref="InodeStore"/> can say of a host's number alone.</summary>
public enum InodeMatch
{
    /// <summary>No live inode has it.</summary>
    None,

    /// <summary>A live inode has it, and holds it by a file descriptor.</summary>
    Found,

    /// <summary>
    /// A live inode had it, and only its kernel handle can tell whether the host has given the number away since.
    /// </summary>
    NeedsHandle,
}
