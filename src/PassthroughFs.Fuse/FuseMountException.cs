using System;

namespace PassthroughFs.Fuse;

/// <summary>
/// A mount cannot be made, or is not served any more. The message is for the user, one line: what is wrong, and what to do
/// about it.
/// </summary>
/// <param name="message">The message.</param>
/// <param name="fault">What kind of thing went wrong.</param>
public sealed class FuseMountException(string message, FuseMountFault fault = FuseMountFault.Failure)
    : Exception(message)
{
    /// <summary>What kind of thing went wrong, for who has to tell them apart by more than words.</summary>
    public FuseMountFault Fault { get; } = fault;
}

/// <summary>What kind of thing went wrong with a mount.</summary>
public enum FuseMountFault
{
    /// <summary>The directories or the mount are at fault.</summary>
    Failure,

    /// <summary>What was asked for makes no sense.</summary>
    Usage,

    /// <summary>Who asks may not.</summary>
    Permission,

    /// <summary>The system lacks something: FUSE, memory, processes, descriptors.</summary>
    System,

    /// <summary>The user has broken it off.</summary>
    Interrupted,
}
