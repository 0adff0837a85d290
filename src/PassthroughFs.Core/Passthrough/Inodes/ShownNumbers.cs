using System.Collections;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Runtime.CompilerServices;
using System.Threading;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Passthrough;

/// <summary>
/// The inode numbers that clients see. To a client all is one device, and on the host several may lie below the root
/// (mounts, btrfs subvolumes, layers of overlayfs), each with numbers of its own: two files must not seem to be one.
/// </summary>
/// <remarks>
/// <para>
/// The root's own device keeps its numbers. Other devices get a small number each, and their inodes have bit 52, the
/// device's number in bits 39 to 51 and the host's number below: no number there has more than 53 bits, which a
/// <c>double</c> can hold. What does not fit (a host's number of more than 39 bits on another device, a number of the
/// root's device that looks like one of these, more than 8,192 devices) is hashed to a number of 56 bits whose highest is
/// 1. Hard links have one number, whichever mount they are seen through.
/// </para>
/// <para>
/// A device's number follows from its <c>st_dev</c>, so that a file has the same number after it was forgotten and after
/// a restart. Two devices that would have the same number share it out in the order in which they come; which one has
/// which goes to a successor (<see cref="Save"/>). Safe for any number of threads; a known device takes no lock.
/// </para>
/// </remarks>
internal sealed class ShownNumbers
{
    /// <summary>How many devices have a number.</summary>
    public const int MaxDevices = 1 << DeviceBits;

    private const int InoBits = 39;
    private const int DeviceBits = 13;
    private const ulong FirstOther = 1UL << (InoBits + DeviceBits);

    // The space of a hash: a device's number, or one of these.
    private const ulong RootSpace = MaxDevices;
    private const ulong UnnumberedSpace = 1UL << 63;

    private const int Unnumbered = -1;

    private readonly Lock _lock = new();
    private readonly ConcurrentDictionary<ulong, int> _devices = new(1, 0);
    private readonly BitArray _taken = new(MaxDevices);
    private ulong _root;
    private volatile int _count;

    /// <summary>The device whose numbers stay as they are. Set before it is asked for a number.</summary>
    public ulong Root
    {
        get => Volatile.Read(ref _root);
        set => Volatile.Write(ref _root, value);
    }

    /// <summary>The number that clients see of an inode.</summary>
    /// <param name="device">The host's <c>st_dev</c>.</param>
    /// <param name="ino">The host's <c>st_ino</c>.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ulong Of(ulong device, ulong ino) => device == _root && ino < FirstOther ? ino : OfOther(device, ino);

    public void Save(NodeState state)
    {
        lock (_lock)
        {
            foreach ((ulong device, int number) in _devices)
            {
                state.Devices.Add((device, number));
            }
        }
    }

    /// <summary>Goes on from what was saved, before any number was asked for.</summary>
    /// <param name="devices">What each device is now, with the number that it has had. Of two that are the same, or have
    /// the same number, the first counts.</param>
    public void Restore(IEnumerable<(ulong Device, int Number)> devices)
    {
        lock (_lock)
        {
            foreach ((ulong device, int number) in devices)
            {
                if (!_taken[number] && _devices.TryAdd(device, number))
                {
                    _taken[number] = true;
                    _count++;
                }
            }
        }
    }

    private ulong OfOther(ulong device, ulong ino)
    {
        if (device == Root)
        {
            return ino is >= FirstOther and < 2 * FirstOther or >= NumberHash.First and < 2 * NumberHash.First
                ? NumberHash.Of(RootSpace, ino)
                : ino;
        }

        int number = NumberOf(device);
        return number < 0 ? NumberHash.Of(UnnumberedSpace | device, ino)
            : ino < 1UL << InoBits ? FirstOther | ((ulong)number << InoBits) | ino
            : NumberHash.Of((ulong)number, ino);
    }

    private int NumberOf(ulong device)
    {
        if (_devices.TryGetValue(device, out int number))
        {
            return number;
        }

        if (_count == MaxDevices)
        {
            return Unnumbered;
        }

        lock (_lock)
        {
            if (_devices.TryGetValue(device, out number))
            {
                return number;
            }

            if (_count == MaxDevices)
            {
                return Unnumbered;
            }

            number = WantedNumber(device);
            while (_taken[number])
            {
                number = (number + 1) % MaxDevices;
            }

            _taken[number] = true;
            _count++;
            _devices[device] = number;
            return number;
        }
    }

    /// <summary>
    /// Neighbours have different ones: devices that are no disks differ in their minor number alone, as do the partitions
    /// of a disk. The usual disks' major numbers lie 208 apart, behind 1,312 devices that are none.
    /// </summary>
    private static int WantedNumber(ulong device)
    {
        // C's major and minor.
        ulong major = ((device >> 8) & 0xfff) | ((device >> 32) & 0xffff_f000);
        ulong minor = (device & 0xff) | ((device >> 12) & 0xffff_ff00);
        return (int)((minor + (major * 7_984)) % MaxDevices);
    }
}
