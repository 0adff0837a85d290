using System;
using System.Collections.Generic;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Passthrough;

/// <remarks>What another store needs to go on with this one's NodeIds.</remarks>
public sealed partial class InodeStore
{
    /// <summary>Lists live inodes, the root included, a piece at a time.</summary>
    /// <param name="start">0, or what <paramref name="next"/> was after the piece before.</param>
    /// <param name="nodes">Gets nodes.</param>
    /// <param name="next">Where to go on.</param>
    /// <returns>How many there were; 0 at the end.</returns>
    public int ListLive(ulong start, Span<NodeId> nodes, out ulong next)
    {
        int count = 0;
        lock (_lock)
        {
            int slot = (int)Math.Clamp(start, 1, (ulong)_table.Used);
            for (; slot < _table.Used && count < nodes.Length; slot++)
            {
                if (_table[slot].IsLive)
                {
                    nodes[count++] = new NodeId(_table[slot].Node);
                }
            }

            next = (ulong)slot;
        }

        return count;
    }

    /// <summary>
    /// Everything with a handle, the root left out: what is remembered, oldest first, and then what is live.
    /// </summary>
    /// <param name="nextNode">The next NodeId that is counted.</param>
    /// <param name="mounts">How the mounts of these inodes are found again, by number.</param>
    internal List<RememberedInode> Snapshot(out ulong nextNode, out HostMount?[] mounts)
    {
        // One moment for all, so that no mapping is missed on its way between live and remembered, and no mount's
        // number changes hands. It is a copy in memory.
        lock (_lock)
        {
            var inodes = new List<RememberedInode>(_remembered + _live);
            for (int slot = _oldestRemembered; slot != 0; slot = _table[slot].Next)
            {
                if (!_table[slot].Handle.IsNone)
                {
                    inodes.Add(RememberedAt(slot));
                }
            }

            for (int slot = 1; slot < _table.Used; slot++)
            {
                if (_table[slot].IsLive && !_table[slot].Handle.IsNone && _table[slot].Node != NodeId.Root.Value)
                {
                    inodes.Add(RememberedAt(slot));
                }
            }

            nextNode = _nextNode;
            mounts = _mounts?.ToArray() ?? [];
            return inodes;
        }
    }

    /// <summary>Goes on from a snapshot: its inodes are remembered, the last ones of too many.</summary>
    /// <remarks>Each of its mounts is held by the caller.</remarks>
    /// <exception cref="InvalidOperationException">Something besides the root is live or remembered.</exception>
    internal void Restore(ulong nextNode, List<RememberedInode> inodes)
    {
        lock (_lock)
        {
            if (_live > 1 || _remembered > 0)
            {
                throw new InvalidOperationException("Nodes cannot be restored once clients have nodes: do it earlier.");
            }

            _nextNode = Math.Max(_nextNode, nextNode);
            for (int i = Math.Max(0, inodes.Count - _retained); i < inodes.Count; i++)
            {
                RememberedInode inode = inodes[i];
                _ = Remember(inode.Node, inode.Key, inode.Birth, inode.Handle, inode.Mount);
            }
        }
    }
}
