using System;
using System.Collections.Generic;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Protocol;

namespace PassthroughFs.Core.Tests.Protocol;

/// <summary>Keeps what was sent without being asked for.</summary>
internal sealed class RecordingTransport : IFuseTransport
{
    public TransportLimits Limits { get; init; }

    public bool CanNotify { get; init; } = true;

    public IDaxWindow? DaxWindow { get; init; }

    public InitFlags AcceptedFlags { get; init; }

    public Errno Result { get; set; }

    public List<byte[]> Messages { get; } = [];

    public Errno Notify(ReadOnlySpan<IoSegment> message)
    {
        List<byte> all = [];
        foreach (IoSegment segment in message)
        {
            all.AddRange(segment.AsSpan());
        }

        Messages.Add([.. all]);
        return Result;
    }
}
