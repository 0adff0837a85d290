using System;

namespace PassthroughFs.VhostUser;

/// <summary>
/// A device cannot be made, or not be served. The message is for the user, one line: what is wrong, and what to do
/// about it.
/// </summary>
/// <param name="message">The message.</param>
/// <param name="fault">What kind of thing went wrong.</param>
public sealed class VhostUserException(string message, VhostUserFault fault = VhostUserFault.Failure)
    : Exception(message)
{
    /// <summary>What kind of thing went wrong, for who has to tell them apart by more than words.</summary>
    public VhostUserFault Fault { get; } = fault;
}

/// <summary>What kind of thing went wrong with a device.</summary>
public enum VhostUserFault
{
    /// <summary>The socket or the memory is at fault.</summary>
    Failure,

    /// <summary>What was asked for makes no sense.</summary>
    Usage,

    /// <summary>The system lacks something: descriptors, /proc.</summary>
    System,
}
