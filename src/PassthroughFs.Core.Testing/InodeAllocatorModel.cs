using System.Collections.Generic;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Passthrough;

namespace PassthroughFs.Core.Testing;

/// <summary>Which NodeIds an <see cref="InodeAllocator"/> makes, said in arithmetic instead of bits.</summary>
internal sealed class InodeAllocatorModel(ulong nextVirtual = 2)
{
    private const ulong PairSize = 140_737_488_355_328;
    private const ulong VirtualBase = 36_028_797_018_963_968;
    private const int PairLimit = 255;

    private readonly Dictionary<(ulong Dev, ulong Mnt), ulong> _pairs = [];
    private ulong _nextVirtual = nextVirtual;

    /// <summary>The NodeId that must come next for a key; none if it must be refused.</summary>
    public NodeId Allocate(in InodeKey key, bool isVirtual)
    {
        isVirtual |= key.Ino >= PairSize;
        if (isVirtual && _nextVirtual >= PairSize)
        {
            return NodeId.None;
        }

        if (!_pairs.TryGetValue((key.Dev, key.Mnt), out ulong pair))
        {
            if (_pairs.Count == PairLimit)
            {
                return NodeId.None;
            }

            pair = (ulong)_pairs.Count + 1;
            _pairs.Add((key.Dev, key.Mnt), pair);
        }

        ulong number = isVirtual ? VirtualBase + _nextVirtual++ : key.Ino;
        return new NodeId((pair * PairSize) + number);
    }
}
