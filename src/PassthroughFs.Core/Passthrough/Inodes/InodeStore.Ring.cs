using System;
using System.Threading;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;

namespace PassthroughFs.Core.Passthrough;

/// <remarks>
/// Which descriptors are cold: the inodes that have one, the root left out, are in a ring, and a hand goes round. Who was
/// used since the hand came by is passed over once (a second chance). A new inode is put where the hand comes last.
/// </remarks>
public sealed partial class InodeStore
{
    // The slot that is looked at next; 0 if the ring is empty.
    private int _hand;

    // Out of the ring and held, by those who close their descriptors.
    private int _picked;

    // Of live inodes and of those that are leaving.
    private int _fds;

    /// <summary>How many descriptors it holds.</summary>
    internal int FdCount => Volatile.Read(ref _fds);

    /// <summary>Whether some thread is about to close descriptors.</summary>
    internal bool IsClosing => Volatile.Read(ref _picked) > 0;

    /// <summary>
    /// Takes inodes with cold descriptors out of the ring and holds them. Each goes to <see cref="CloseFd"/> or
    /// <see cref="PutBack"/> next.
    /// </summary>
    /// <param name="picked">Gets their slots.</param>
    /// <param name="chances">How many are passed over because they were used.</param>
    /// <param name="takesUsed">After that take them all the same, instead of none.</param>
    /// <returns>How many there are.</returns>
    internal int PickCold(Span<int> picked, int chances, bool takesUsed)
    {
        int count = 0;
        lock (_lock)
        {
            while (count < picked.Length && _hand != 0)
            {
                int index = _hand;
                ref InodeSlot slot = ref _table[index];
                if (slot.IsUsed && chances > 0)
                {
                    chances--;
                    slot.IsUsed = false;
                    _hand = slot.Next;
                    continue;
                }

                if (slot.IsUsed && !takesUsed)
                {
                    break;
                }

                LeaveRing(index);
                if (slot.TryPin())
                {
                    picked[count++] = index;
                    _picked++;
                }
            }
        }

        return count;
    }

    /// <summary>What was picked, for as long as it is.</summary>
    internal HostInode Picked(int slot) => new(this, ref _table[slot], slot);

    /// <summary>
    /// Closes the descriptor of an inode that was picked, and keeps it by handle from now on, unless it is in use.
    /// </summary>
    /// <param name="slot">What was picked; let go of.</param>
    /// <param name="handle">The inode's handle.</param>
    /// <param name="mount">The number of its mount, where it is counted; the store's now if it was not before.</param>
    /// <returns>Whether it was closed.</returns>
    internal bool CloseFd(int slot, in KernelHandle handle, int mount)
    {
        ref InodeSlot picked = ref _table[slot];
        int fd = InodeSlot.NoFd;
        bool isNew = picked.Mount != mount;
        lock (_lock)
        {
            _picked--;
            if (picked.IsLive && picked.Pins.TryClaim(2))
            {
                // Nobody but the store and this thread had it, and whoever wants it now waits for the lock.
                fd = picked.Fd;
                picked.Handle = handle;
                picked.Mount = mount;
                picked.Fd = InodeSlot.NoFd;
                picked.IsUsed = false;
                picked.Pins.Start();
                _fds--;
            }
            else if (picked.IsLive)
            {
                JoinRing(slot);
            }
        }

        if (fd >= 0)
        {
            _ = Sys.Close(fd);
            return true;
        }

        if (isNew)
        {
            _mounts?.Release(mount);
        }

        Unpin(slot);
        return false;
    }

    /// <summary>Lets go of an inode that was picked, and whose descriptor stays.</summary>
    /// <param name="slot">What was picked.</param>
    /// <param name="forGood">It is not picked again: it cannot be kept by handle.</param>
    internal void PutBack(int slot, bool forGood)
    {
        lock (_lock)
        {
            _picked--;
            if (!forGood && _table[slot].IsLive)
            {
                JoinRing(slot);
            }
        }

        Unpin(slot);
    }

    /// <summary>Keeps a descriptor of an inode that has a handle and no descriptor.</summary>
    /// <param name="inode">The inode, held.</param>
    /// <param name="fd">An O_PATH descriptor of it.</param>
    /// <returns>False if it has one by now, or is leaving; then the caller keeps it.</returns>
    internal bool TryKeepFd(in HostInode inode, int fd)
    {
        ref InodeSlot slot = ref _table[inode.Slot];
        lock (_lock)
        {
            if (!slot.IsLive || slot.Fd >= 0)
            {
                return false;
            }

            Volatile.Write(ref slot.Fd, fd);
            _fds++;
            JoinRing(inode.Slot);
            return true;
        }
    }

    /// <summary>
    /// Lets go of an inode that has a handle, and of its descriptor too unless others use it at this moment.
    /// </summary>
    /// <param name="inode">The inode, held; let go of.</param>
    internal void DropFd(in HostInode inode)
    {
        lock (_lock)
        {
            LeaveRing(inode.Slot);
            _picked++;
        }

        _ = CloseFd(inode.Slot, inode.Handle, inode.Mount);
    }

    /// <summary>Puts an inode right behind the hand, where it comes last.</summary>
    private void JoinRing(int index)
    {
        ref InodeSlot slot = ref _table[index];
        if (!_hasRing || slot.Node == NodeId.Root.Value)
        {
            return;
        }

        slot.IsInRing = true;
        if (_hand == 0)
        {
            _hand = slot.Next = slot.Previous = index;
            return;
        }

        ref InodeSlot next = ref _table[_hand];
        slot.Next = _hand;
        slot.Previous = next.Previous;
        _table[next.Previous].Next = index;
        next.Previous = index;
    }

    private void LeaveRing(int index)
    {
        ref InodeSlot slot = ref _table[index];
        if (!slot.IsInRing)
        {
            return;
        }

        slot.IsInRing = false;
        if (slot.Next == index)
        {
            _hand = 0;
            return;
        }

        _table[slot.Previous].Next = slot.Next;
        _table[slot.Next].Previous = slot.Previous;
        _hand = _hand == index ? slot.Next : _hand;
    }
}
