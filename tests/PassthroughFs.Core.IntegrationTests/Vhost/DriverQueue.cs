using System;
using System.Collections.Generic;
using System.Threading;

namespace PassthroughFs.Core.IntegrationTests.Vhost;

/// <summary>A descriptor as a driver writes it.</summary>
internal readonly record struct Desc(ulong Address, uint Length, ushort Flags, ushort Next)
{
    public const ushort HasNext = 1;
    public const ushort Writable = 2;
    public const ushort Indirect = 4;
}

/// <summary>The driver's side of a split queue in shared memory, written from the specification.</summary>
internal sealed unsafe class DriverQueue : IDisposable
{
    private readonly SharedMemory _memory;
    private readonly bool _eventIndex;
    private ushort _available;
    private ushort _seenUsed;

    public DriverQueue(SharedMemory memory, int size, bool eventIndex = true)
    {
        _memory = memory;
        _eventIndex = eventIndex;
        Size = size;
        Descriptors = memory.Take(size * 16L);
        Available = memory.Take(6 + (size * 2L));
        Used = memory.Take(6 + (size * 8L));
    }

    public int Size { get; }

    public long Descriptors { get; }

    public long Available { get; }

    public long Used { get; }

    public int Kick { get; } = VhostNative.NewEvent();

    public int Call { get; } = VhostNative.NewEvent();

    public int Error { get; } = VhostNative.NewEvent();

    /// <summary>How often the guest had to kick.</summary>
    public int Kicks { get; private set; }

    /// <summary>How often the guest was called.</summary>
    public int Calls { get; private set; }

    private ushort* AvailableWords => (ushort*)_memory.At(Available);

    private ushort* UsedWords => (ushort*)_memory.At(Used);

    public void Write(int index, Desc descriptor) => *((Desc*)_memory.At(Descriptors) + index) = descriptor;

    /// <summary>Makes a chain available and kicks if the device wants that.</summary>
    public void Submit(ushort head)
    {
        AvailableWords[2 + (_available % Size)] = head;
        Publish((ushort)(_available + 1));
    }

    /// <summary>Makes two available at once: one kick at most.</summary>
    public void Submit(ushort head, ushort second)
    {
        AvailableWords[2 + ((_available + 1) % Size)] = second;
        AvailableWords[2 + (_available % Size)] = head;
        Publish((ushort)(_available + 2));
    }

    /// <summary>Sets the available index, right or wrong, and kicks.</summary>
    public void Publish(ushort available, bool kickAlways = false)
    {
        ushort old = _available;
        _available = available;
        Volatile.Write(ref AvailableWords[1], available);
        Interlocked.MemoryBarrier();
        bool wanted = _eventIndex
            ? (ushort)(available - Volatile.Read(ref UsedWords[2 + (Size * 4)]) - 1) < (ushort)(available - old)
            : (Volatile.Read(ref UsedWords[0]) & 1) == 0;
        if (wanted || kickAlways)
        {
            Kicks++;
            VhostNative.Signal(Kick);
        }
    }

    /// <summary>Whether the device has given a chain back, called for or not.</summary>
    public bool HasUsed => Volatile.Read(ref UsedWords[1]) != _seenUsed;

    /// <summary>Waits for the next used entry.</summary>
    public (uint Head, uint Length) AwaitUsed(int milliseconds = 30_000)
    {
        long deadline = Environment.TickCount64 + milliseconds;
        while (true)
        {
            if (_eventIndex)
            {
                Volatile.Write(ref AvailableWords[2 + Size], _seenUsed);
                Interlocked.MemoryBarrier();
            }

            if (Volatile.Read(ref UsedWords[1]) != _seenUsed)
            {
                uint* entry = (uint*)(UsedWords + 2) + (_seenUsed % Size * 2);
                _seenUsed++;
                return (entry[0], entry[1]);
            }

            int left = (int)(deadline - Environment.TickCount64);
            if (left <= 0 || !VhostNative.Await(Call, left))
            {
                throw new TimeoutException("the device did not give the request back");
            }

            Calls++;
        }
    }

    /// <summary>Writes a chain beginning at descriptor 0, or an indirect table at an offset, and submits it.</summary>
    public void SubmitChain(IReadOnlyList<(long Offset, int Length, bool Writable)> parts, long? table = null)
    {
        for (int i = 0; i < parts.Count; i++)
        {
            var descriptor = new Desc(
                SharedMemory.Guest(parts[i].Offset), (uint)parts[i].Length,
                (ushort)((parts[i].Writable ? Desc.Writable : 0) | (i + 1 < parts.Count ? Desc.HasNext : 0)),
                (ushort)(i + 1));
            if (table is { } at)
            {
                *((Desc*)_memory.At(at) + i) = descriptor;
            }
            else
            {
                Write(i, descriptor);
            }
        }

        if (table is { } offset)
        {
            Write(0, new Desc(SharedMemory.Guest(offset), (uint)(parts.Count * 16), Desc.Indirect, 0));
        }

        Submit(0);
    }

    public void Dispose()
    {
        foreach (int fd in new[] { Kick, Call, Error })
        {
            _ = Platform.Native.Close(fd);
        }
    }
}
