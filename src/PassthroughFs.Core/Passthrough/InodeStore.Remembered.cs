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
        bool comesByItself = _allocator is not null && (_table[slot].Node & InodeAllocator.VirtualBit) == 0;
        if (comesByItself || _retained == 0)
        {
            return 0;
        }

        if (_remembered == _retained)
        {
            DropRemembered(_oldestRemembered);
        }

        int index = _table.Take();
        ref InodeSlot remembered = ref _table[index];
        ref InodeSlot gone = ref _table[slot];
        remembered.Node = gone.Node;
        remembered.Key = gone.Key;
        remembered.Birth = gone.Birth;
        remembered.Handle = gone.Handle;
        remembered.IsRemembered = true;
        remembered.PreviousRemembered = _newestRemembered;
        remembered.NextRemembered = 0;
        if (_newestRemembered != 0)
        {
            _table[_newestRemembered].NextRemembered = index;
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
        if (slot.PreviousRemembered != 0)
        {
            _table[slot.PreviousRemembered].NextRemembered = slot.NextRemembered;
        }
        else
        {
            _oldestRemembered = slot.NextRemembered;
        }

        if (slot.NextRemembered != 0)
        {
            _table[slot.NextRemembered].PreviousRemembered = slot.PreviousRemembered;
        }
        else
        {
            _newestRemembered = slot.PreviousRemembered;
        }

        slot.IsRemembered = false;
        _remembered--;
        _table.Unlink(index);
        _table.Free(index);
    }

    private void ForgetMapping(in InodeKey key, in KernelHandle handle)
    {
        lock (_lock)
        {
            int slot = _table.Find(key, handle, int.MaxValue);
            if (slot != 0 && _table[slot].IsRemembered)
            {
                DropRemembered(slot);
            }
        }
    }

    private unsafe bool IsDeleted(in HostInode inode)
    {
        int fd = inode.Fd;
        if (fd < 0)
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

        // Sound: the buffer and the path live until the call returns.
        StatxBuffer stat;
        byte empty = 0;
        int result = Sys.Statx(fd, &empty, Constants.AT_EMPTY_PATH, Constants.STATX_NLINK, &stat);
        if (inode.Fd < 0)
        {
            _ = Sys.Close(fd);
        }

        return result == 0 && stat.stx_nlink == 0;
    }
}
