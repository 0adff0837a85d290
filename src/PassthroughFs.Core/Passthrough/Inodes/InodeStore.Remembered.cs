using System;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;

namespace PassthroughFs.Core.Passthrough;

/// <remarks>Forgotten inodes whose NodeId is remembered, in the order in which they were forgotten.</remarks>
public sealed partial class InodeStore
{
    /// <summary>
    /// Keeps the NodeId of an inode that was just removed, if it would not come by itself. Returns its slot.
    /// </summary>
    private int Remember(int slot)
    {
        ref InodeSlot gone = ref _table[slot];
        bool comesByItself = gone.Node > InodeAllocator.MaxHostIno && (gone.Node & InodeAllocator.VirtualBit) == 0 &&
            _allocator is not null;
        bool canReopen = _reopens && !gone.Handle.IsNone;
        return comesByItself && !canReopen ? 0
            : Remember(new NodeId(gone.Node), gone.Key, gone.Birth, gone.Handle, gone.Mount);
    }

    /// <summary>Remembers a mapping as the newest. Returns its slot, or 0 if none shall be remembered.</summary>
    private int Remember(NodeId node, in InodeKey key, ulong birth, in KernelHandle handle, int mount)
    {
        if (_retained == 0)
        {
            return 0;
        }

        if (_remembered == _retained)
        {
            DropRemembered(_oldestRemembered);
        }

        int index;
        try
        {
            TestPoint("InodeStore.Remember: memory");
            index = _table.Take();
        }
        catch (OutOfMemoryException)
        {
            return 0;
        }

        if (_reopens && !handle.IsNone)
        {
            _mounts?.Remember(mount);
        }

        ref InodeSlot remembered = ref _table[index];
        remembered.Node = node.Value;
        remembered.Key = key;
        remembered.Birth = birth;
        remembered.Handle = handle;
        remembered.Mount = mount;
        remembered.Fd = InodeSlot.NoFd;
        remembered.IsRemembered = true;
        remembered.Previous = _newestRemembered;
        remembered.Next = 0;
        if (_newestRemembered != 0)
        {
            _table[_newestRemembered].Next = index;
        }
        else
        {
            _oldestRemembered = index;
        }

        _newestRemembered = index;
        _remembered++;
        _table.Link(index);
        return index;
    }

    private void DropRemembered(int index)
    {
        ref InodeSlot slot = ref _table[index];
        if (slot.Previous != 0)
        {
            _table[slot.Previous].Next = slot.Next;
        }
        else
        {
            _oldestRemembered = slot.Next;
        }

        if (slot.Next != 0)
        {
            _table[slot.Next].Previous = slot.Previous;
        }
        else
        {
            _newestRemembered = slot.Previous;
        }

        if (_reopens && !slot.Handle.IsNone)
        {
            _mounts?.Drop(slot.Mount);
        }

        slot.IsRemembered = false;
        _remembered--;
        _table.Unlink(index);
        _table.Free(index);
    }

    /// <summary>Looks up what is remembered of a forgotten inode that can be opened by its handle.</summary>
    /// <remarks>
    /// Its NodeId is what <see cref="Add"/> gives it when the caller has opened it. In the store of a file system its
    /// mount stays known until the caller drops it.
    /// </remarks>
    public bool TryGetRemembered(NodeId node, out RememberedInode inode)
    {
        lock (_lock)
        {
            int slot = _table.Find(node, int.MaxValue);
            if (slot == 0 || !_table[slot].IsRemembered || !_reopens || _table[slot].Handle.IsNone)
            {
                inode = default;
                return false;
            }

            inode = RememberedAt(slot);
            _mounts?.Remember(inode.Mount);
            return true;
        }
    }

    /// <summary>
    /// Whether a remembered inode is one that comes under its number: their handles say so for certain, where both are
    /// known, and otherwise their birth times as well as they can.
    /// </summary>
    private bool IsSame(int slot, in NewInode inode, out bool isCertain)
    {
        ref InodeSlot remembered = ref _table[slot];
        if (!remembered.Handle.IsNone && !inode.Handle.IsNone)
        {
            isCertain = remembered.Handle == inode.Handle;
            return isCertain;
        }

        isCertain = false;
        return remembered.Birth == 0 || inode.Birth == 0 || remembered.Birth == inode.Birth;
    }

    /// <summary>Drops what is remembered of an inode that is gone for good.</summary>
    internal void ForgetMapping(in InodeKey key, in KernelHandle handle)
    {
        lock (_lock)
        {
            int slot = _table.FindRemembered(key, handle);
            if (slot != 0)
            {
                DropRemembered(slot);
            }
        }
    }

    private RememberedInode RememberedAt(int slot)
    {
        ref InodeSlot from = ref _table[slot];
        return new RememberedInode(new NodeId(from.Node), from.Key, from.Birth, from.Handle, from.Mount);
    }

    private unsafe bool IsDeleted(in HostInode inode)
    {
        int fd = inode.Fd;
        bool isOwn = fd < 0;
        if (isOwn)
        {
            if (_mounts is null || inode.Handle.IsNone)
            {
                // There is no way to ask.
                return false;
            }

            fd = _mounts.Open(inode.Mount, inode.Handle, Linux.O_PATH | Linux.O_CLOEXEC);
            if (fd < 0)
            {
                return fd == -(int)Errno.ESTALE;
            }
        }

        // Sound: the buffer lives until the call returns.
        StatxBuffer stat;
        int result = Sys.StatxFd(fd, Constants.STATX_NLINK, &stat);
        if (isOwn)
        {
            _ = Sys.Close(fd);
        }

        return result == 0 && stat.stx_nlink == 0;
    }
}
