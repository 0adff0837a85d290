using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using PassthroughFs.Core.Protocol;

namespace PassthroughFs.Core.Fuzz.Engine;

/// <summary>Which nodes the client holds, as the protocol counts: what must be alive, and what must not.</summary>
internal sealed class Model
{
    private const ulong Root = 1;

    private readonly Dictionary<ulong, ulong> _counts = [];
    private readonly List<ulong> _known = [];

    /// <summary>Whether a request was so malformed that nobody can say what it counted for.</summary>
    public bool IsUncertain { get; private set; }

    public int Known => _known.Count;

    /// <summary>How many nodes are held.</summary>
    public int Live { get; private set; }

    public void Clear()
    {
        _counts.Clear();
        _known.Clear();
        Live = 0;
        IsUncertain = false;
    }

    public void LookedUp(ulong node)
    {
        ref ulong count = ref System.Runtime.InteropServices.CollectionsMarshal.GetValueRefOrAddDefault(
            _counts, node, out bool exists);
        if (!exists)
        {
            _known.Add(node);
        }

        Live += count++ == 0 ? 1 : 0;
    }

    public (ulong Node, bool IsLive) Any(ref Rng rng)
    {
        ulong node = _known[rng.Below(_known.Count)];
        return (node, _counts[node] > 0 || node == Root);
    }

    /// <summary>A FORGET or BATCH_FORGET was sent.</summary>
    public void Forgotten(ReadOnlySpan<byte> request)
    {
        uint length = BinaryPrimitives.ReadUInt32LittleEndian(request);
        if (length < Shape.Header || length > (uint)request.Length)
        {
            return;
        }

        if (length != (uint)request.Length || BinaryPrimitives.ReadUInt16LittleEndian(request[36..]) != 0)
        {
            IsUncertain = true;
            return;
        }

        if (length < Shape.Header + 8)
        {
            return;
        }

        ReadOnlySpan<byte> body = request[Shape.Header..];
        if ((FuseOpcode)BinaryPrimitives.ReadUInt32LittleEndian(request[4..]) == FuseOpcode.FUSE_FORGET)
        {
            Forget(
                BinaryPrimitives.ReadUInt64LittleEndian(request[16..]), BinaryPrimitives.ReadUInt64LittleEndian(body));
            return;
        }

        // Counted no further than the request goes.
        uint count = BinaryPrimitives.ReadUInt32LittleEndian(body);
        for (body = body[8..]; count > 0 && body.Length >= 16; count--, body = body[16..])
        {
            Forget(BinaryPrimitives.ReadUInt64LittleEndian(body), BinaryPrimitives.ReadUInt64LittleEndian(body[8..]));
        }
    }

    private void Forget(ulong node, ulong count)
    {
        if (node != Root && _counts.TryGetValue(node, out ulong held) && held > 0)
        {
            _counts[node] = held - Math.Min(held, count);
            Live -= held <= count ? 1 : 0;
        }
    }
}
