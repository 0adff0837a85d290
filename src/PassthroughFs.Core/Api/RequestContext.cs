using System;

namespace PassthroughFs.Core.Api;

/// <summary>Who sent a request. Everything in it comes from the client and is only as true as the client.</summary>
public readonly struct RequestContext
{
    /// <summary>
    /// The caller's user id (its fsuid); 4294967295 where the client does not say it (<see cref="InitFlags.FUSE_ALLOW_IDMAP"/>).
    /// </summary>
    public uint Uid { get; init; }

    /// <summary>The caller's group id (its fsgid); 4294967295 as for <see cref="Uid"/>.</summary>
    public uint Gid { get; init; }

    /// <summary>The caller's process id in the client; 0 where it is not known.</summary>
    public uint Pid { get; init; }

    /// <summary>The request's number.</summary>
    public RequestId Id { get; init; }

    /// <summary>
    /// The supplementary groups the client sent along with a create-type request (FUSE_CREATE_SUPP_GROUP); empty
    /// where it sent none. Borrowed: valid until the call returns.
    /// </summary>
    public ReadOnlyMemory<uint> SupplementaryGroups { get; init; }
}
