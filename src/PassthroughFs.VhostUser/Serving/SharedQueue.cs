using System.Threading;

namespace PassthroughFs.VhostUser;

/// <summary>
/// A queue that several threads take requests from, and how many of them sleep: each step under one lock. No request is
/// handled under it, and no call made.
/// </summary>
/// <remarks>
/// With several threads, one that takes a request while others sleep asks the guest to kick, or wakes another at once
/// if more is there already. So while anybody sleeps, the guest was asked to kick or somebody awake is about to look at
/// the ring.
/// </remarks>
/// <param name="queue">The queue.</param>
/// <param name="addresses">Where its rings are.</param>
/// <param name="asleep">How many threads sleep: all of those that serve.</param>
internal sealed class SharedQueue(SplitQueue queue, RingAddresses addresses, int asleep)
{
    private readonly Lock _lock = new();
    private MemoryMap? _mapped;
    private int _asleep = asleep;

    /// <summary>What was wrong with the last bad chain or with the ring.</summary>
    public string Fault => queue.Fault;

    /// <summary>One who stands by: does not count as asleep, as no guest need kick for it.</summary>
    public void StandBy()
    {
        lock (_lock)
        {
            _asleep--;
        }
    }

    /// <summary>One who stood by serves, and counts as asleep until it wakes up.</summary>
    public void ServeAgain()
    {
        lock (_lock)
        {
            _asleep++;
        }
    }

    /// <summary>One who slept looks at the ring.</summary>
    /// <returns>False if the ring is broken.</returns>
    public bool WakeUp(MemoryMap map)
    {
        lock (_lock)
        {
            _asleep--;
            if (!Map(map))
            {
                return false;
            }

            queue.DisableKicks();
            return true;
        }
    }

    /// <summary>Takes the next request.</summary>
    /// <param name="map">The map on which the thread has a lease.</param>
    /// <param name="chain">Gets it.</param>
    /// <param name="thereIsMore">Whether one who sleeps is to be woken for the next.</param>
    public TakeResult Take(MemoryMap map, DescriptorChain chain, out bool thereIsMore)
    {
        lock (_lock)
        {
            thereIsMore = false;
            if (!Map(map))
            {
                return TakeResult.Broken;
            }

            TakeResult result = queue.TryTake(map, chain);
            if (result == TakeResult.Request)
            {
                thereIsMore = _asleep > 0 && queue.EnableKicks();
            }

            return result;
        }
    }

    /// <summary>Gives a request back.</summary>
    /// <param name="map">The map with which it was taken.</param>
    /// <param name="head">Its number.</param>
    /// <param name="length">How many bytes were written to it.</param>
    /// <returns>Whether the guest wants to be called.</returns>
    public bool GiveBack(MemoryMap map, ushort head, uint length)
    {
        lock (_lock)
        {
            _ = Map(map); // works: it did so when the request was taken
            queue.Complete(head, length);
            return queue.MustCall();
        }
    }

    /// <summary>Asks the guest to kick. From then on one more sleeps.</summary>
    /// <returns>False if something came in the meantime; then nobody sleeps.</returns>
    public bool MayFallAsleep(MemoryMap map)
    {
        lock (_lock)
        {
            _ = Map(map); // works: it did so just before
            if (queue.EnableKicks())
            {
                queue.DisableKicks();
                return false;
            }

            _asleep++;
            return true;
        }
    }

    // The queue takes its pointers from the map of the thread that uses it: the lease of that thread keeps this map. A
    // map that lacks the rings changes nothing, so that a thread with an older lease still answers through its own.
    // Under the lock.
    private bool Map(MemoryMap map)
    {
        if (_mapped == map)
        {
            return true;
        }

        if (!queue.TryMap(map, addresses))
        {
            queue.Fail("its rings are not in the guest's memory, or not aligned");
            return false;
        }

        if (_mapped is null)
        {
            queue.ResumeUsed();
        }

        _mapped = map;
        return true;
    }
}
