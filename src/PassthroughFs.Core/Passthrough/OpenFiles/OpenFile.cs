using System;
using System.Threading;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Passthrough;

/// <summary>
/// One open file or directory of a <see cref="HandleStore"/>, held: its file descriptor is not closed before
/// <see cref="Dispose"/>, whatever is released meanwhile.
/// </summary>
public readonly struct OpenFile : IDisposable
{
    private readonly HandleStore? _store;
    private readonly OpenFileSlot? _slot;

    internal OpenFile(HandleStore store, OpenFileSlot slot)
    {
        _store = store;
        _slot = slot;
    }

    /// <summary>Whether there is no such open file.</summary>
    public bool IsNone => _slot is null;

    /// <summary>Its number.</summary>
    public Handle Handle => new(Slot.Handle);

    /// <summary>The node it was opened from.</summary>
    public NodeId Node => new(Slot.Node);

    /// <summary>The file descriptor. Borrowed.</summary>
    public int Fd => Slot.Fd;

    /// <summary>
    /// The flags it was opened with (<see cref="Linux"/>); O_APPEND by the client only, never on the host.
    /// </summary>
    public uint Flags => Volatile.Read(ref Slot.Flags) & ~(OpenFileSlot.EndsShort | OpenFileSlot.AnswersParts);

    internal bool EndsShort => _slot is not null && (Volatile.Read(ref _slot.Flags) & OpenFileSlot.EndsShort) != 0;

    internal bool AnswersParts => _slot is not null && (Volatile.Read(ref _slot.Flags) & OpenFileSlot.AnswersParts) != 0;

    internal OpenFileSlot Slot => _slot!;

    /// <summary>Lets go of it.</summary>
    public void Dispose()
    {
        if (_slot is not null)
        {
            _store!.Unpin(_slot);
        }
    }
}
