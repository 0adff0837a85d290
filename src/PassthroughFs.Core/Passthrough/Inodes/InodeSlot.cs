using System.Threading;

namespace PassthroughFs.Core.Passthrough;

/// <summary>What the store keeps of one inode, live or remembered. Slots are reused, never freed.</summary>
/// <remarks>
/// Written under the store's lock while nothing is pinned; <see cref="Lookups"/> and <see cref="Pins"/> change by
/// interlocked operations. A reader pins first and then checks that the slot is still the one it looked for.
/// </remarks>
internal struct InodeSlot
{
    /// <summary>Marks an inode that is kept by kernel handle.</summary>
    public const int NoFd = -1;

    /// <summary>Marks an inode for which its mount is not kept open.</summary>
    public const int NoMount = -1;

    public ulong Node;
    public InodeKey Key;

    /// <summary>
    /// Birth time in nanoseconds, 0 where the host has none. Tells a file from a later one with its ino.
    /// </summary>
    public ulong Birth;

    /// <summary>The lookup count. Goes from 0 to 1 only under the store's lock.</summary>
    public ulong Lookups;

    /// <summary>Its kernel handle; none where handles are not in use, or this inode has none.</summary>
    public KernelHandle Handle;

    /// <summary>
    /// Users of <see cref="Fd"/>, and one for the store while the inode is live. At 0 the fd is closed.
    /// </summary>
    public PinCount Pins;

    /// <summary>
    /// The O_PATH fd, or <see cref="NoFd"/>. May change while the inode lives, under the store's lock: it goes while
    /// nobody has it pinned, and comes whenever there is a handle.
    /// </summary>
    public int Fd;

    /// <summary>The number of its mount in <see cref="MountFds"/>, or <see cref="NoMount"/>.</summary>
    public int Mount;

    /// <summary>st_mode when it was first seen; its type never changes.</summary>
    public uint Mode;

    /// <summary>
    /// The file system's count of removals when the inode came: unchanged means it was not removed since.
    /// </summary>
    public uint Removals;

    public int NextByNode;
    public int NextByKey;

    /// <summary>
    /// Neighbours: of a remembered inode among those, oldest first; of a live one in the ring of those whose fd may be
    /// closed. Next chains the free slots as well.
    /// </summary>
    public int Previous;
    public int Next;

    /// <summary>In the table, with the store's own pin.</summary>
    public bool IsLive;

    /// <summary>In the table for its NodeId alone: no pin, no fd.</summary>
    public bool IsRemembered;

    /// <summary>In the ring of those whose fd may be closed.</summary>
    public bool IsInRing;

    /// <summary>
    /// With an fd: used since the ring's hand was here. Without: used since the fd was closed. Written by whoever has
    /// it pinned, as it comes.
    /// </summary>
    public bool IsUsed;

    /// <summary>Pins, unless the inode is gone.</summary>
    public bool TryPin() => Pins.TryAdd();

    /// <summary>Notes a use that the fd has made cheap.</summary>
    public void Touch()
    {
        if (Fd >= 0)
        {
            IsUsed = true;
        }
    }

    /// <summary>Counts one more lookup, unless the count is 0: then the inode is about to go.</summary>
    public bool TryAddLookup()
    {
        ulong count = Volatile.Read(ref Lookups);
        while (count > 0)
        {
            ulong seen = Interlocked.CompareExchange(ref Lookups, count == ulong.MaxValue ? count : count + 1, count);
            if (seen == count)
            {
                return true;
            }

            count = seen;
        }

        return false;
    }

    /// <summary>Takes lookups away, at most all; returns how many are left.</summary>
    public ulong RemoveLookups(ulong number)
    {
        ulong count = Volatile.Read(ref Lookups);
        while (true)
        {
            ulong left = count > number ? count - number : 0;
            ulong seen = Interlocked.CompareExchange(ref Lookups, left, count);
            if (seen == count)
            {
                return left;
            }

            count = seen;
        }
    }

    /// <summary>
    /// Whether the host's number alone tells that it is this inode: the fd keeps the number from being given away. (Of
    /// one without fd and handle nothing else is known.) Otherwise only the handle does.
    /// </summary>
    public readonly bool KeyTells => Fd >= 0 || Handle.IsNone;

    /// <summary>Whether this is the inode with <paramref name="key"/> and <paramref name="handle"/>.</summary>
    public readonly bool Is(in InodeKey key, in KernelHandle handle) =>
        Key == key && (KeyTells || Handle == handle);
}
