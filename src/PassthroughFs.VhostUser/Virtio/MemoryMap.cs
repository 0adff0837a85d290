using System;
using System.Threading;
using PassthroughFs.Core.Api;

namespace PassthroughFs.VhostUser;

/// <summary>
/// Guest memory at one moment: regions that never change. Whoever holds a <see cref="MemoryLease"/> on it may use its
/// pointers; the last one to let go of a map that was replaced frees what no other map has.
/// </summary>
/// <remarks>
/// Every address that a guest gives is looked up here, whole ranges at a time: there is no pointer to a byte outside of
/// all regions, whatever the address and the length, also where their sum wraps around. All members may be called from
/// any thread, and none allocates.
/// </remarks>
public sealed unsafe class MemoryMap
{
    private readonly GuestRegion[] _byGuest;

    // Holders: the GuestMemory while this is its current map, and leases. At 0 the map is dead and stays so.
    private int _holders = 1;

    /// <summary>A map of these regions.</summary>
    /// <exception cref="ArgumentException">Two regions overlap, in the guest or in the VMM.</exception>
    internal MemoryMap(params GuestRegion[] regions)
    {
        _byGuest = (GuestRegion[])regions.Clone();
        Array.Sort(_byGuest, (a, b) => a.UserAddress.CompareTo(b.UserAddress));
        for (int i = 1; i < _byGuest.Length; i++)
        {
            if (_byGuest[i].UserAddress - _byGuest[i - 1].UserAddress < _byGuest[i - 1].Length)
            {
                throw new ArgumentException("two regions overlap in the VMM's address space");
            }
        }

        Array.Sort(_byGuest, (a, b) => a.GuestAddress.CompareTo(b.GuestAddress));
        for (int i = 1; i < _byGuest.Length; i++)
        {
            if (_byGuest[i].GuestAddress - _byGuest[i - 1].GuestAddress < _byGuest[i - 1].Length)
            {
                throw new ArgumentException("two regions overlap in the guest's address space");
            }
        }

        foreach (GuestRegion region in _byGuest)
        {
            region.AddUser();
        }
    }

    /// <summary>The regions in the order of their guest addresses.</summary>
    public ReadOnlySpan<GuestRegion> Regions => _byGuest;

    /// <summary>
    /// Turns a range of the guest into segments, behind those that are in <paramref name="segments"/> already: one, or
    /// more where it goes on in the next region.
    /// </summary>
    /// <param name="address">The guest's address.</param>
    /// <param name="length">How many bytes, more than 0.</param>
    /// <param name="segments">Gets the segments.</param>
    /// <param name="count">How many of them are in use; the new ones are added.</param>
    /// <returns>False, with nothing added, if a byte is outside of all regions or there are too few segments.</returns>
    public bool TryTranslate(ulong address, ulong length, IoSegment[] segments, ref int count)
    {
        ArgumentNullException.ThrowIfNull(segments);
        int next = count;
        int index = FindGuest(address);
        while (index >= 0 && index < _byGuest.Length && next < segments.Length)
        {
            GuestRegion region = _byGuest[index++];
            ulong offset = address - region.GuestAddress; // wraps to more than any length if there is a gap before it
            if (offset >= region.Length)
            {
                return false;
            }

            ulong here = Math.Min(length, region.Length - offset);

            // SAFETY: [offset, offset+here) is inside the region, which stays mapped as long as this map is held.
            segments[next++] = new IoSegment(region.Pointer + offset, (nuint)here);
            length -= here;
            if (length == 0)
            {
                count = next;
                return true;
            }

            address += here;
            if (address == 0)
            {
                return false; // the range wraps around
            }
        }

        return false;
    }

    /// <summary>The pointer to a range of the guest that has to be in one piece.</summary>
    /// <param name="address">The guest's address.</param>
    /// <param name="length">How many bytes.</param>
    /// <returns>Null if the range is not in one region.</returns>
    public byte* Find(ulong address, ulong length)
    {
        int index = FindGuest(address);
        return index < 0 ? null : Inside(_byGuest[index], address - _byGuest[index].GuestAddress, length);
    }

    /// <summary>
    /// The same for a range that is given in the VMM's addresses (<see cref="GuestRegion.UserAddress"/>).
    /// </summary>
    /// <param name="address">The VMM's address.</param>
    /// <param name="length">How many bytes.</param>
    /// <returns>Null if the range is not in one region.</returns>
    public byte* FindUser(ulong address, ulong length)
    {
        foreach (GuestRegion region in _byGuest)
        {
            if (address >= region.UserAddress && address - region.UserAddress < region.Length)
            {
                return Inside(region, address - region.UserAddress, length);
            }
        }

        return null;
    }

    internal bool TryAddHolder()
    {
        int holders = Volatile.Read(ref _holders);
        while (holders > 0)
        {
            int seen = Interlocked.CompareExchange(ref _holders, holders + 1, holders);
            if (seen == holders)
            {
                return true;
            }

            holders = seen;
        }

        return false;
    }

    internal void RemoveHolder()
    {
        if (Interlocked.Decrement(ref _holders) == 0)
        {
            foreach (GuestRegion region in _byGuest)
            {
                region.RemoveUser();
            }
        }
    }

    private static byte* Inside(GuestRegion region, ulong offset, ulong length) =>
        length <= region.Length && offset <= region.Length - length ? region.Pointer + offset : null;

    // The last region that begins at the address or before it; -1 if there is none.
    private int FindGuest(ulong address)
    {
        int low = 0, high = _byGuest.Length - 1;
        while (low <= high)
        {
            int middle = (low + high) >>> 1;
            if (_byGuest[middle].GuestAddress <= address)
            {
                low = middle + 1;
            }
            else
            {
                high = middle - 1;
            }
        }

        return high;
    }
}
