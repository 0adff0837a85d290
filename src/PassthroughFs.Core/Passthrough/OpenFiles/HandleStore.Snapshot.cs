using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Numerics;
using System.Threading;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Passthrough;

/// <remarks>All Handles at once: what another store needs to go on with them, and what is asked rarely.</remarks>
public sealed partial class HandleStore
{
    /// <summary>All open files.</summary>
    /// <param name="uses">How often any slot was used at most.</param>
    internal List<KeptFile> Snapshot(out ulong uses)
    {
        lock (_lock)
        {
            var files = new List<KeptFile>(_count);
            uses = _usesBefore >> SlotBits;
            foreach (OpenFileSlot? slot in All())
            {
                uses = Math.Max(uses, (slot?.Handle ?? 0) >> SlotBits);
                if (slot is { IsOpen: true })
                {
                    files.Add(new KeptFile(
                        new Handle(slot.Handle), new NodeId(slot.Node), slot.Fd, slot.Flags, slot.Position));
                }
            }

            return files;
        }
    }

    /// <summary>Whether any open file was opened from a node. It looks at all of them.</summary>
    internal bool HasAny(NodeId node)
    {
        lock (_lock)
        {
            foreach (OpenFileSlot? slot in _slots)
            {
                if (slot is { IsOpen: true } && slot.Node == node.Value)
                {
                    return true;
                }
            }

            foreach (OpenFileSlot slot in _far.Values)
            {
                if (slot.IsOpen && slot.Node == node.Value)
                {
                    return true;
                }
            }

            return false;
        }
    }

    /// <summary>Whether Handles can be those of one store.</summary>
    /// <exception cref="InvalidDataException">They cannot.</exception>
    internal static void Check(List<KeptFile> files, ulong uses)
    {
        var slots = new HashSet<ulong>();
        foreach (KeptFile file in files)
        {
            ulong handleUses = file.Handle.Value >> SlotBits;
            if (handleUses == 0 || handleUses > uses || !slots.Add(file.Handle.Value & SlotMask))
            {
                throw StateReader.Damaged();
            }
        }

        if (uses >= ulong.MaxValue >> SlotBits)
        {
            throw StateReader.Damaged();
        }
    }

    /// <summary>
    /// Goes on from a snapshot that was checked; takes its descriptors over. Nothing may be open, nor ever have been.
    /// </summary>
    internal void Restore(List<KeptFile> files, ulong uses)
    {
        lock (_lock)
        {
            // Every number that this store makes is new: it comes after the last use of any slot before.
            _usesBefore = uses << SlotBits;

            // As many slots as files take, wherever theirs are: a state's numbers cost no memory.
            var slots = new OpenFileSlot?[BitOperations.RoundUpToPowerOf2((uint)Math.Max(64, 4 * files.Count))];
            Dictionary<int, OpenFileSlot> far = [];
            foreach (KeptFile file in files)
            {
                var slot = new OpenFileSlot
                {
                    Handle = file.Handle.Value,
                    Node = file.Node.Value,
                    Fd = file.Fd,
                    Flags = file.Flags,
                    Position = file.Position,
                    IsOpen = true,
                };
                slot.Pins.Start();
                int index = (int)(file.Handle.Value & SlotMask);
                if (index < slots.Length)
                {
                    slots[index] = slot;
                }
                else
                {
                    far.Add(index, slot);
                }

                _count++;
                ClientMemory.AddHandles(1);
            }

            _far = far;
            Volatile.Write(ref _slots, slots);
        }
    }

    private OpenFileSlot?[] All() => _far.Count == 0
        ? _slots
        : [.. _slots, .. _far.Where(far => far.Key >= _slots.Length).Select(far => far.Value)];
}
