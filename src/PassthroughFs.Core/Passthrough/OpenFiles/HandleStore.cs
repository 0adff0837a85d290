using System;
using System.Collections.Generic;
using System.Threading;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;

namespace PassthroughFs.Core.Passthrough;

/// <summary>
/// Maps Handles to open files, and owns their file descriptors. Safe for any number of threads; finding one takes no
/// lock.
/// </summary>
/// <remarks>
/// A Handle is the number of a slot and of how often the slot was used before, so that it is found by index and is
/// never the number of another open file later.
/// </remarks>
public sealed partial class HandleStore : IDisposable
{
    private const int SlotBits = 24;
    private const int SlotMask = (1 << SlotBits) - 1;
    private const int None = -1;

    private readonly Lock _lock = new();
    private OpenFileSlot?[] _slots = [];
    private int _used;
    private int _free = None;
    private int _count;

    // In place: how often any slot was used before this store went on from another's state.
    private ulong _usesBefore;

    // What another's state had open in slots that are far apart, until there are slots enough: by the slot's index.
    private Dictionary<int, OpenFileSlot> _far = [];

    /// <summary>How many files are open.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>Keeps an open file; the store closes the file descriptor.</summary>
    /// <param name="node">The node it was opened from.</param>
    /// <param name="fd">The file descriptor, taken over.</param>
    /// <param name="flags">The open flags the host has.</param>
    /// <returns>Its number; <see cref="Handle.None"/> if 16 million are open, or as many as the process's memory allows,
    /// and then the descriptor is closed.</returns>
    public Handle Add(NodeId node, int fd, uint flags)
    {
        Handle handle = Handle.None;
        try
        {
            handle = ClientMemory.HasRoomForHandle ? TryAdd(node, fd, flags) : Handle.None;
        }
        catch (OutOfMemoryException)
        {
            // Nothing has changed.
        }

        if (handle.IsNone)
        {
            _ = Sys.Close(fd);
        }

        return handle;
    }

    private Handle TryAdd(NodeId node, int fd, uint flags)
    {
        lock (_lock)
        {
            if (_free == None)
            {
                FindUnused();
            }

            if (_free != None || _used <= SlotMask)
            {
                int index = Take();
                OpenFileSlot slot = SlotAt(index);

                // The first use of slot 0 would make Handle 0, which means none: uses count from 1.
                slot.Handle += 1UL << SlotBits;
                slot.Node = node.Value;
                slot.Fd = fd;
                slot.Flags = flags;
                slot.Position = 0;
                slot.IsOpen = true;
                slot.Pins.Start();
                _count++;
                ClientMemory.AddHandles(1);
                return new Handle(slot.Handle);
            }
        }

        return Handle.None;
    }

    /// <summary>Holds an open file; <see cref="OpenFile.IsNone"/> if there is none or it is another node's.</summary>
    public OpenFile Get(Handle handle, NodeId node)
    {
        OpenFileSlot? slot = Find(handle);
        TestPoint("HandleStore.Get: found");
        if (slot is null || !slot.TryPin())
        {
            return default;
        }

        TestPoint("HandleStore.Get: pinned");

        if (slot.Handle == handle.Value && slot.Node == node.Value && Volatile.Read(ref slot.IsOpen))
        {
            return new OpenFile(this, slot);
        }

        Unpin(slot);
        return default;
    }

    /// <summary>
    /// Ends a Handle. Its file descriptor is closed when the last request that uses it is done, at once if there is
    /// none.
    /// </summary>
    /// <returns>False if there is no such Handle or it is another node's.</returns>
    public bool Release(Handle handle, NodeId node) => End(handle, node);

    /// <summary>As above, whichever node it is of.</summary>
    internal bool Release(Handle handle) => End(handle, null);

    /// <summary>Ends every Handle.</summary>
    public void Clear()
    {
        for (int index = 0; ; index++)
        {
            OpenFileSlot? slot;
            lock (_lock)
            {
                if (index >= _slots.Length)
                {
                    break;
                }

                slot = _slots[index];
            }

            End(slot);
        }

        foreach (OpenFileSlot slot in _far.Values)
        {
            End(slot);
        }
    }

    /// <summary>As <see cref="Clear"/>.</summary>
    public void Dispose() => Clear();

    internal void Unpin(OpenFileSlot slot)
    {
        if (!slot.Pins.Release())
        {
            return;
        }

        TestPoint("HandleStore.Unpin: unused");
        _ = Sys.Close(slot.Fd);
        lock (_lock)
        {
            slot.NextFree = _free;
            _free = (int)(slot.Handle & SlotMask);
        }
    }

    /// <summary>A point at which a test can stop this thread; nothing in a build without them.</summary>
    static partial void TestPoint(string point);

    private void End(OpenFileSlot? slot)
    {
        lock (_lock)
        {
            if (slot is not { IsOpen: true })
            {
                return;
            }

            slot.IsOpen = false;
            _count--;
            ClientMemory.AddHandles(-1);
        }

        Unpin(slot);
    }

    private bool End(Handle handle, NodeId? node)
    {
        OpenFileSlot slot;
        lock (_lock)
        {
            OpenFileSlot? found = Find(handle);
            if (found is null || !found.IsOpen || (node is NodeId owner && found.Node != owner.Value))
            {
                return false;
            }

            slot = found;
            slot.IsOpen = false;
            _count--;
            ClientMemory.AddHandles(-1);
        }

        Unpin(slot);
        return true;
    }

    /// <summary>The slot that has this Handle at this moment, open or not.</summary>
    private OpenFileSlot? Find(Handle handle)
    {
        OpenFileSlot?[] slots = Volatile.Read(ref _slots);
        int index = (int)(handle.Value & SlotMask);
        OpenFileSlot? slot = index < slots.Length
            ? Volatile.Read(ref slots[index])
            : _far.GetValueOrDefault(index);
        return slot is not null && Volatile.Read(ref slot.Handle) == handle.Value ? slot : null;
    }

    /// <summary>Goes on to the next slot that a predecessor had not open, and makes room for it.</summary>
    private void FindUnused()
    {
        for (; _used <= SlotMask; _used++)
        {
            if (_used == _slots.Length)
            {
                Grow();
            }

            if (_slots[_used] is null)
            {
                return;
            }
        }
    }

    private void Grow()
    {
        TestPoint("HandleStore.Grow: memory");

        // Readers index the array without the lock, so it is replaced, not resized.
        var slots = new OpenFileSlot?[Math.Max(64, _slots.Length * 2)];
        _slots.CopyTo(slots, 0);
        foreach ((int index, OpenFileSlot slot) in _far)
        {
            if (index < slots.Length)
            {
                slots[index] = slot;
            }
        }

        Volatile.Write(ref _slots, slots);
    }

    private int Take()
    {
        int index = _free;
        if (index != None)
        {
            _free = SlotAt(index).NextFree;
            return index;
        }

        index = _used;
        TestPoint("HandleStore.Take: memory");
        Volatile.Write(ref _slots[index], new OpenFileSlot { Handle = _usesBefore | (uint)index });
        _used++;
        return index;
    }

    /// <summary>A slot that was used.</summary>
    private OpenFileSlot SlotAt(int index) => index < _slots.Length ? _slots[index]! : _far[index];
}
