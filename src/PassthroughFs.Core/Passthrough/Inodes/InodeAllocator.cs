using System;
using System.Collections.Generic;
using System.Threading;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Passthrough;

/// <summary>Makes NodeIds out of the host's inode numbers, and back.</summary>
/// <remarks>
/// A NodeId has 56 bits: bit 55 says that the low 47 bits are a counter's (a virtual inode number) because the host's
/// number does not fit, bits 47 to 54 are a small number for the pair of device and mount, and the low 47 bits are the
/// host's inode number or the counter. Safe for any number of threads.
/// </remarks>
public sealed class InodeAllocator
{
    /// <summary>The largest inode number of the host that is used as it is: 2^47-1.</summary>
    public const ulong MaxHostIno = (1UL << 47) - 1;

    /// <summary>The largest NodeId: 2^56-1. The 8 bits above belong to a Vfs.</summary>
    public const ulong MaxNodeId = (1UL << 56) - 1;

    /// <summary>How many pairs of device and mount there can be.</summary>
    public const int MaxPairs = 255;

    /// <summary>Set in NodeIds with a virtual inode number.</summary>
    public const ulong VirtualBit = 1UL << 55;

    private const int PairShift = 47;
    private const ulong FirstVirtualIno = 2;

    private readonly Lock _lock = new();
    private readonly Dictionary<(ulong Dev, ulong Mnt), byte> _pairs = [];
    private readonly List<(ulong Dev, ulong Mnt)> _pairsById = [];
    private ulong _nextVirtualIno;

    /// <summary>An allocator with no pairs yet.</summary>
    public InodeAllocator()
        : this(FirstVirtualIno)
    {
    }

    internal InodeAllocator(ulong nextVirtualIno) => _nextVirtualIno = nextVirtualIno;

    /// <summary>
    /// Makes the NodeId of a host inode. The same key gives the same NodeId if its number fits into 47 bits, and a new
    /// virtual one each time otherwise: remembering those is the caller's part.
    /// </summary>
    /// <returns>False if there are too many pairs of device and mount, or too many virtual inode numbers.</returns>
    public bool TryAllocate(in InodeKey key, out NodeId node) =>
        TryAllocate(key, key.Ino > MaxHostIno, out node);

    /// <summary>Makes a NodeId with a virtual inode number, whatever the host's.</summary>
    /// <inheritdoc cref="TryAllocate(in InodeKey, out NodeId)"/>
    public bool TryAllocateVirtual(in InodeKey key, out NodeId node) => TryAllocate(key, true, out node);

    /// <summary>
    /// Tells what a NodeId was made from. For a virtual one, <see cref="InodeKey.Ino"/> is the counter's number.
    /// </summary>
    /// <returns>False if this allocator never made such a NodeId's pair of device and mount.</returns>
    public bool TryDecode(NodeId node, out InodeKey key)
    {
        key = default;
        if (node.Value > MaxNodeId)
        {
            return false;
        }

        int id = (int)((node.Value >> PairShift) & 0xff);
        lock (_lock)
        {
            if (id == 0 || id > _pairsById.Count)
            {
                return false;
            }

            (ulong dev, ulong mnt) = _pairsById[id - 1];
            key = new InodeKey(node.Value & MaxHostIno, dev, mnt);
            return true;
        }
    }

    internal void Save(NodeState state)
    {
        lock (_lock)
        {
            state.NextVirtualIno = _nextVirtualIno;
            state.Pairs.AddRange(_pairsById);
        }
    }

    /// <summary>Goes on from what was saved, before anything was allocated.</summary>
    /// <param name="state">What was saved.</param>
    /// <param name="translate">What a pair is now, null if it is nothing: its number stays taken.</param>
    internal void Restore(NodeState state, Func<(ulong Dev, ulong Mnt), (ulong Dev, ulong Mnt)?> translate)
    {
        lock (_lock)
        {
            _nextVirtualIno = Math.Max(_nextVirtualIno, state.NextVirtualIno);
            foreach ((ulong Dev, ulong Mnt) saved in state.Pairs)
            {
                (ulong Dev, ulong Mnt) pair = translate(saved) ?? (ulong.MaxValue, (ulong)_pairsById.Count);
                if (!_pairs.TryAdd(pair, (byte)(_pairsById.Count + 1)))
                {
                    pair = (ulong.MaxValue, (ulong)_pairsById.Count);
                    _pairs.Add(pair, (byte)(_pairsById.Count + 1));
                }

                _pairsById.Add(pair);
            }
        }
    }

    private bool TryAllocate(in InodeKey key, bool isVirtual, out NodeId node)
    {
        node = NodeId.None;
        lock (_lock)
        {
            if (isVirtual && _nextVirtualIno > MaxHostIno)
            {
                return false;
            }

            if (!_pairs.TryGetValue((key.Dev, key.Mnt), out byte id))
            {
                if (_pairs.Count == MaxPairs)
                {
                    return false;
                }

                id = (byte)(_pairs.Count + 1);
                _pairs.Add((key.Dev, key.Mnt), id);
                _pairsById.Add((key.Dev, key.Mnt));
            }

            ulong ino = isVirtual ? VirtualBit | _nextVirtualIno++ : key.Ino;
            node = new NodeId(((ulong)id << PairShift) | ino);
            return true;
        }
    }
}
