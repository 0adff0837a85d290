using System;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Protocol;

/// <summary>A request that a worker is at, as <see cref="RequestWatch"/> saw it.</summary>
public readonly record struct RequestUnderWay
{
    /// <summary>What it asks for.</summary>
    public FuseOpcode Opcode { get; internal init; }

    /// <summary>Its number.</summary>
    public RequestId Id { get; internal init; }

    /// <summary>The node that it is about: for an operation with a name the directory.</summary>
    public NodeId Node { get; internal init; }

    /// <summary>
    /// The first name of an operation that takes one, with other characters where it is no text; null for the rest.
    /// </summary>
    public string? Name { get; internal init; }

    /// <summary>The user who asks, as the client says.</summary>
    public uint Uid { get; internal init; }

    /// <summary>
    /// The thread that asks, as the client says; 0 for what a client's kernel does on its own, and for other PID
    /// namespaces.
    /// </summary>
    public uint Pid { get; internal init; }

    /// <summary>
    /// How long it has been under way at least: since the first <see cref="RequestWatch.Look"/> that saw it. So it is
    /// short by no more than the time between two looks.
    /// </summary>
    public TimeSpan Age { get; internal init; }
}
