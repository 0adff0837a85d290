using System;
using System.Threading;
using Microsoft.Win32.SafeHandles;

namespace PassthroughFs.VhostUser;

/// <summary>
/// A stretch of guest memory that is mapped here. Shared by the maps it is part of, by count; the last of them unmaps
/// it.
/// </summary>
/// <remarks>
/// <see cref="Map"/> makes one of memory that has a descriptor. Who has memory of another kind derives from this class
/// and says in <see cref="Unmap"/> what becomes of it.
/// </remarks>
public abstract unsafe class GuestRegion
{
    private int _users;

    /// <summary>A region of memory that is mapped already.</summary>
    /// <param name="guestAddress">Where the guest has it.</param>
    /// <param name="userAddress">
    /// Where the VMM has it, in the addresses in which it names rings (<see cref="RingAddresses"/>).
    /// </param>
    /// <param name="pointer">Where it is mapped here. It must stay so until <see cref="Unmap"/> is called.</param>
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

    /// <summary>Where the guest has it.</summary>
    public ulong GuestAddress { get; }

    /// <summary>Where the VMM has it, in the addresses in which it names rings.</summary>
    public ulong UserAddress { get; }

    /// <summary>Where it is mapped here.</summary>
    public byte* Pointer { get; }

    /// <summary>Its length in bytes, never 0.</summary>
    public ulong Length { get; }

    /// <summary>Maps memory that has a descriptor: a memfd, a file of a hugetlbfs or a tmpfs.</summary>
    /// <remarks>
    /// Where the kernel can keep the file from getting shorter (a memfd that takes seals) it does from here on. Where
    /// it gets shorter all the same, an access reads zeros, and what is written is lost: SIGBUS is answered in this
    /// process for memory that is mapped by this method.
    /// </remarks>
    /// <param name="memory">The descriptor. The caller's, and not needed any more when this returns.</param>
    /// <param name="guestAddress">Where the guest has it.</param>
    /// <param name="length">Its length in bytes.</param>
    /// <param name="offset">Where it begins in the file.</param>
    /// <param name="userAddress">
    /// Where the VMM has it, in the addresses in which it names rings; null for the guest's, as they are without
    /// vhost-user.
    /// </param>
    /// <exception cref="VhostUserException">It makes no sense, or the system refuses; the message says why.</exception>
    public static GuestRegion Map(
        SafeFileHandle memory, ulong guestAddress, ulong length, ulong offset = 0, ulong? userAddress = null)
    {
        ArgumentNullException.ThrowIfNull(memory);
        ObjectDisposedException.ThrowIf(memory.IsClosed, memory);
        try
        {
            return MappedRegion.Map(
                new MemoryRegionInfo(guestAddress, length, userAddress ?? guestAddress, offset), memory);
        }
        catch (ProtocolException e)
        {
            throw new VhostUserException($"{e.Message}: give a memfd, or a file, that has these bytes");
        }
    }

    /// <summary>Unmaps a region that no map has taken over; does nothing if one has.</summary>
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
