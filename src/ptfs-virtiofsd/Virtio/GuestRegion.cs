using System;
using System.Threading;

namespace PassthroughFs.PtfsVirtiofsd.Virtio;

/// <summary>
/// A stretch of guest memory that is mapped here. Shared by the maps it is part of, by count; the last of them unmaps
/// it.
/// </summary>
internal abstract unsafe class GuestRegion
{
    private int _users;

    /// <param name="guestAddress">Where the guest has it.</param>
    /// <param name="userAddress">Where the VMM has it, in its own address space.</param>
    /// <param name="pointer">Where it is mapped here.</param>
    /// <param name="length">Its length in bytes.</param>
    /// <exception cref="ArgumentException">A range is empty or wraps around.</exception>
    protected GuestRegion(ulong guestAddress, ulong userAddress, byte* pointer, ulong length)
    {
        if (length == 0 || guestAddress + (length - 1) < guestAddress || userAddress + (length - 1) < userAddress)
        {
            throw new ArgumentException($"region {guestAddress:x}+{length:x} is empty or wraps around");
        }

        GuestAddress = guestAddress;
        UserAddress = userAddress;
        Pointer = pointer;
        Length = length;
    }

    public ulong GuestAddress { get; }

    public ulong UserAddress { get; }

    public byte* Pointer { get; }

    public ulong Length { get; }

    /// <summary>Unmaps a region that no map has taken over.</summary>
    public void Discard()
    {
        if (Volatile.Read(ref _users) == 0)
        {
            Unmap();
        }
    }

    /// <summary>Gives the memory back to the system. Called once, when no map has this region any more.</summary>
    protected abstract void Unmap();

    /// <summary>One map more has it.</summary>
    internal void AddUser() => Interlocked.Increment(ref _users);

    /// <summary>One map less has it.</summary>
    internal void RemoveUser()
    {
        if (Interlocked.Decrement(ref _users) == 0)
        {
            Unmap();
        }
    }
}
