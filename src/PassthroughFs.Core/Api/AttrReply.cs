using System;

namespace PassthroughFs.Core.Api;

/// <summary>The answer to getattr and setattr.</summary>
public struct AttrReply
{
    /// <summary>The node's attributes.</summary>
    public NodeAttributes Attributes;

    /// <summary>How long the client may take them for granted.</summary>
    public TimeSpan Timeout;
}
