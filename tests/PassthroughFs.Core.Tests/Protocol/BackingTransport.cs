using System;
using System.Collections.Generic;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Protocol;

namespace PassthroughFs.Core.Tests.Protocol;

/// <summary>A transport with backing files, which it counts as a kernel would.</summary>
internal sealed class BackingTransport : IFuseTransport, IBackingFiles
{
    private int _last;

    public TransportLimits Limits => default;

    public bool CanNotify { get; init; } = true;

    /// <summary>What the next registrations are answered with.</summary>
    public Errno Answer { get; set; }

    /// <summary>Numbers that are registered.</summary>
    public HashSet<int> Ids { get; } = [];

    public int Registered => _last;

    public int Refused { get; private set; }

    /// <summary>For which nodes attributes were invalidated.</summary>
    public List<NodeId> Invalidated { get; } = [];

    /// <summary>What a registration does besides.</summary>
    public Action? OnOpen { get; set; }

    public Errno Notify(ReadOnlySpan<IoSegment> message)
    {
        // FUSE_NOTIFY_INVAL_INODE: the number of the node, and an offset that leaves the data alone.
        ReadOnlySpan<byte> bytes = message[0].AsSpan();
        byte[] all = new byte[40];
        bytes.CopyTo(all);
        if (message.Length > 1)
        {
            message[1].AsSpan().CopyTo(all.AsSpan(bytes.Length));
        }

        Xunit.Assert.Equal(2, BitConverter.ToInt32(all, 4));
        Xunit.Assert.True(BitConverter.ToInt64(all, 24) < 0);
        Invalidated.Add(new NodeId(BitConverter.ToUInt64(all, 16)));
        return Errno.OK;
    }

    public Errno Open(int fd, out int id)
    {
        OnOpen?.Invoke();
        id = 0;
        if (Answer != Errno.OK)
        {
            Refused++;
            return Answer;
        }

        id = ++_last;
        lock (Ids)
        {
            Ids.Add(id);
        }

        return Errno.OK;
    }

    public Errno Close(int id)
    {
        lock (Ids)
        {
            Xunit.Assert.True(Ids.Remove(id), $"{id} is not registered");
        }

        return Errno.OK;
    }
}
