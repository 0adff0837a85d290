using System;
using System.Collections.Concurrent;
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

    public bool CanReplyLater { get; init; }

    /// <summary>Replies that came later.</summary>
    public BlockingCollection<byte[]> Replies { get; } = [];

    public Errno Notify(ReadOnlySpan<IoSegment> message)
    {
        Messages.Add(Together(message));
        return Result;
    }

    public Errno Reply(ReadOnlySpan<IoSegment> message)
    {
        Replies.Add(Together(message));
        return Errno.OK;
    }

    private static byte[] Together(ReadOnlySpan<IoSegment> message)
    {
        List<byte> all = [];
        foreach (IoSegment segment in message)
        {
            all.AddRange(segment.AsSpan());
        }

        return [.. all];
    }
}
