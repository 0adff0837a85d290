using System.Threading;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Passthrough;

/// <remarks>How inodes go: one by one, and all at the end of a session.</remarks>
public sealed partial class InodeStore
{
    /// <summary>
    /// Gives back lookups. At 0 the inode goes, and its file descriptor when nobody uses it any more.
    /// </summary>
    /// <remarks>An unknown NodeId and the root are ignored; more than were counted is as many as were.</remarks>
    public void Forget(NodeId node, ulong count)
    {
        if (node == NodeId.Root)
        {
            return;
        }

        using HostInode inode = Get(node);
        if (inode.IsNone || count == 0)
        {
            return;
        }

        int slot = inode.Slot;
        if (_table[slot].RemoveLookups(count) != 0)
        {
            return;
        }

        TestPoint("InodeStore.Forget: at zero");
        int remembered;
        lock (_lock)
        {
            // Somebody else may have removed it, or looked it up again, before this thread got here. It is still this
            // inode's slot, because it is pinned.
            if (!_table[slot].IsLive || Volatile.Read(ref _table[slot].Lookups) != 0)
            {
                return;
            }

            Remove(slot);
            remembered = Remember(slot);
        }

        TestPoint("InodeStore.Forget: removed");
        if (remembered != 0 && _removals != _table[slot].Removals && IsDeleted(inode))
        {
            TestPoint("InodeStore.Forget: deleted");
            ForgetMapping(inode.Key, inode.Handle);
        }

        Unpin(slot);
    }

    /// <summary>
    /// Says that a name was removed or replaced: from now on an inode that is forgotten is checked for being deleted
    /// before it is remembered.
    /// </summary>
    public void NoteRemoval() => Interlocked.Increment(ref _removals);

    /// <summary>Forgets everything, the root and what is remembered included. NodeIds are not used again.</summary>
    public void Clear() => Clear(false);

    /// <summary>
    /// Ends a session: as <see cref="Clear()"/>, but what can be opened again by NodeId stays remembered, and what was
    /// live is now.
    /// </summary>
    internal void ForgetAll()
    {
        lock (_lock)
        {
            _hasEnded = true;
        }

        Clear(_reopens);
    }

    private void Clear(bool remember)
    {
        for (int slot = 1; ; slot++)
        {
            lock (_lock)
            {
                if (slot >= _table.Used)
                {
                    return;
                }

                if (_table[slot].IsRemembered && !remember)
                {
                    DropRemembered(slot);
                }

                if (!_table[slot].IsLive)
                {
                    continue;
                }

                Volatile.Write(ref _table[slot].Lookups, 0);
                Remove(slot);
                if (remember && _table[slot].Node != NodeId.Root.Value)
                {
                    Remember(slot);
                }
            }

            Unpin(slot);
        }
    }
}
