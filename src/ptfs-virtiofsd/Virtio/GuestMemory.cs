using System;
using System.Linq;
using System.Threading;

namespace PassthroughFs.PtfsVirtiofsd.Virtio;

/// <summary>
/// The memory of a guest while it runs. Regions come and go as a whole map that replaces the one before; queues go on
/// with the map they hold a lease on, and memory is unmapped when the last of them has let go.
/// </summary>
internal sealed class GuestMemory : IDisposable
{
    private readonly Lock _lock = new();
    private volatile MemoryMap _current = new();

    /// <summary>The newest map, to see whether a lease is out of date. Its pointers need a lease.</summary>
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

    /// <summary>Makes these the regions, instead of what was there. Does not wait for the queues.</summary>
    /// <exception cref="ArgumentException">Two regions overlap; nothing has changed, none is taken over.</exception>
    public void Replace(params GuestRegion[] regions)
    {
        lock (_lock)
        {
            Publish(new MemoryMap(regions));
        }
    }

    /// <summary>Adds one region to those that are there.</summary>
    /// <exception cref="ArgumentException">It overlaps another; nothing has changed, it is not taken over.</exception>
    public void Add(GuestRegion region)
    {
        lock (_lock)
        {
            Publish(new MemoryMap([.. _current.Regions, region]));
        }
    }

    /// <summary>Takes one region away; false if there is none like it.</summary>
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

/// <summary>The right to use a map's pointers. A value: pass it by reference, dispose of it once.</summary>
internal readonly struct MemoryLease(MemoryMap map) : IDisposable
{
    public MemoryMap Map => map;

    public void Dispose() => map.RemoveHolder();
}
