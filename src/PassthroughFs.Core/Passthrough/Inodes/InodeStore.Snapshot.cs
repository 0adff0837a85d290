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

    /// <summary>Everything: live inodes with their lookup counts, and what is remembered, oldest first.</summary>
    internal void Snapshot(FileSystemState state)
    {
        lock (_lock)
        {
            state.Numbers.NextNode = _nextNode;
            state.Inodes.EnsureCapacity(_live);
            state.Remembered.EnsureCapacity(_remembered);
            for (int slot = 1; slot < _table.Used; slot++)
            {
                ref InodeSlot from = ref _table[slot];
                if (from.IsLive)
                {
                    state.Inodes.Add(new LiveInode(
                        new NodeId(from.Node), from.Key, from.Birth, from.Lookups, from.Mode, from.Handle, from.Mount,
                        from.Fd));
                }
            }

            for (int slot = _oldestRemembered; slot != 0; slot = _table[slot].Next)
            {
                state.Remembered.Add(RememberedAt(slot));
            }
        }
    }

    /// <summary>
    /// Goes on from a snapshot, whose descriptors and mounts' numbers are this process's; takes the descriptors over.
    /// </summary>
    internal void Restore(FileSystemState state)
    {
        lock (_lock)
        {
            _nextNode = Math.Max(_nextNode, state.Numbers.NextNode);
            foreach (LiveInode from in state.Inodes)
            {
                var inode = new NewInode
                {
                    Key = from.Key,
                    Birth = from.Birth,
                    Handle = from.Handle,
                    Mount = from.Mount,
                    Fd = from.Fd,
                    Mode = from.Mode,
                };
                Insert(inode, from.Node, from.Lookups);
            }

            foreach (RememberedInode from in state.Remembered)
            {
                _ = Remember(from.Node, from.Key, from.Birth, from.Handle, from.Mount);
            }

            // Which of them were removed since they came is not known.
            _removals++;
        }
    }
}
