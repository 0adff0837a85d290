using System;
using System.Linq;
using System.Threading;

namespace PassthroughFs.VhostUser;

/// <summary>
/// The memory of a guest while it runs. Regions come and go as a whole map that replaces the one before; queues go on
/// with the map they hold a lease on, and memory is unmapped when the last of them has let go.
/// </summary>
/// <remarks>
/// <para>
/// What pins memory for a request is a <see cref="MemoryLease"/>: take one before a request is taken from a queue, use
/// the pointers of its map and no other's, and dispose of it when the request has been given back. A thread that serves
/// a queue may hold one lease over many requests; when <see cref="Current"/> is another map than the lease's, it takes
/// a new lease before the next request.
/// </para>
/// <para>All members may be called from any thread. None waits for a lease to end.</para>
/// </remarks>
public sealed class GuestMemory : IDisposable
{
    private readonly Lock _lock = new();
    private volatile MemoryMap _current = new();

    /// <summary>
    /// The newest map, to see whether a lease is out of date. Its pointers must not be used without a lease.
    /// </summary>
    public MemoryMap Current => _current;

    /// <summary>Keeps the newest map from being unmapped until the lease is disposed. Allocates nothing.</summary>
    public MemoryLease Lease()
    {
        while (true)
        {
            // It may be replaced and dropped between the two; then there is a newer one.
            MemoryMap map = _current;
            if (map.TryAddHolder())
            {
                return new MemoryLease(map);
            }
        }
    }

    /// <summary>Makes these the regions, instead of what was there. They are this object's from then on.</summary>
    /// <param name="regions">All regions; none for no memory.</param>
    /// <exception cref="ArgumentException">Two regions overlap; nothing has changed, none is taken over.</exception>
    public void Replace(params GuestRegion[] regions)
    {
        ArgumentNullException.ThrowIfNull(regions);
        lock (_lock)
        {
            Publish(new MemoryMap(regions));
        }
    }

    /// <summary>Adds one region to those that are there. It is this object's from then on.</summary>
    /// <param name="region">The region.</param>
    /// <exception cref="ArgumentException">It overlaps another; nothing has changed, it is not taken over.</exception>
    public void Add(GuestRegion region)
    {
        ArgumentNullException.ThrowIfNull(region);
        lock (_lock)
        {
            Publish(new MemoryMap([.. _current.Regions, region]));
        }
    }

    /// <summary>Takes one region away. Queues whose rings are there cannot take the new map.</summary>
    /// <param name="guestAddress">Its <see cref="GuestRegion.GuestAddress"/>.</param>
    /// <param name="userAddress">Its <see cref="GuestRegion.UserAddress"/>.</param>
    /// <param name="length">Its <see cref="GuestRegion.Length"/>.</param>
    /// <returns>False if there is none like it; then nothing has changed.</returns>
    public bool Remove(ulong guestAddress, ulong userAddress, ulong length)
    {
        lock (_lock)
        {
            GuestRegion[] all = _current.Regions.ToArray();
            GuestRegion[] rest = [.. all.Where(region => region.GuestAddress != guestAddress
                || region.UserAddress != userAddress || region.Length != length)];
            if (rest.Length == all.Length)
            {
                return false;
            }

            Publish(new MemoryMap(rest));
            return true;
        }
    }

    /// <summary>Drops all regions. The object can be used again.</summary>
    public void Dispose() => Replace();

    private void Publish(MemoryMap map)
    {
        MemoryMap old = _current;
        _current = map;
        old.RemoveHolder();
    }
}

/// <summary>
/// The right to use a map's pointers, from <see cref="GuestMemory.Lease"/> on until it is disposed of. A value: pass it
/// by reference, and dispose of it once; a copy that is disposed of as well ends the right of somebody else.
/// </summary>
public readonly struct MemoryLease : IDisposable
{
    internal MemoryLease(MemoryMap map) => Map = map;

    /// <summary>The map.</summary>
    public MemoryMap Map { get; }

    /// <summary>Gives the right back. What no other map and no other lease has is unmapped, on this thread.</summary>
    public void Dispose() => Map?.RemoveHolder();
}
