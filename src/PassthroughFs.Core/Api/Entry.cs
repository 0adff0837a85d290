using System;

namespace PassthroughFs.Core.Api;

/// <summary>The answer to a lookup, and to everything that makes a new name.</summary>
public struct Entry
{
    /// <summary>
    /// The node. With <see cref="NodeId.None"/> the name does not exist and the client may remember that for
    /// <see cref="EntryTimeout"/>; no lookup is counted then.
    /// </summary>
    public NodeId Node;

    /// <summary>Tells apart two inodes that had the same <see cref="Node"/> one after the other.</summary>
    public ulong Generation;

    /// <summary>The node's attributes.</summary>
    public NodeAttributes Attributes;

    /// <summary>How long the client may take the name for granted.</summary>
    public TimeSpan EntryTimeout;

    /// <summary>How long the client may take <see cref="Attributes"/> for granted.</summary>
    public TimeSpan AttributesTimeout;
}
