using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text;
using Microsoft.Extensions.Logging;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;

namespace PassthroughFs.Core.Passthrough;

/// <summary>The mounts of a saved state as they are now.</summary>
internal sealed class RestoredMounts
{
    private readonly MountFds _mounts;
    private readonly bool _hasMountIds;
    private readonly List<SavedHostMount> _saved;
    private readonly int[] _numbers;
    private readonly SavedHostMount[] _now;

    /// <param name="state">What was saved.</param>
    /// <param name="mounts">Gets those that are there still.</param>
    /// <param name="hostMounts">Finds them.</param>
    /// <param name="hasMountIds">Whether inodes' keys have their mounts in them.</param>
    /// <param name="logger">Is told of those that are not there.</param>
    public RestoredMounts(
        NodeState state, MountFds mounts, HostMounts hostMounts, bool hasMountIds, ILogger logger)
    {
        _mounts = mounts;
        _hasMountIds = hasMountIds;
        _saved = state.Mounts;
        _numbers = new int[_saved.Count];
        _now = new SavedHostMount[_saved.Count];
        for (int i = 0; i < _saved.Count; i++)
        {
            int fd = hostMounts.Find(_saved[i].Host, out HostMount? host, out int mountId);
            _numbers[i] = -1;
            if (fd >= 0)
            {
                _ = Sys.Close(fd);
                _numbers[i] = mounts.AddRemembered(mountId, host!);
                _now[i] = new SavedHostMount(host!, (ulong)mountId);
            }
            else
            {
                int index = i;
                int lost = state.Inodes.FindAll(inode => inode.Mount == index).Count;
                PassthroughLog.MountNotFound(
                    logger, Encoding.UTF8.GetString(_saved[i].Host.Path ?? []), lost);
            }
        }
    }

    /// <summary>The inodes whose mount is there, with the numbers that devices and mounts have now.</summary>
    public List<RememberedInode> Translate(List<RememberedInode> inodes)
    {
        var translated = new List<RememberedInode>(inodes.Count);
        var nodes = new HashSet<NodeId>();
        foreach (RememberedInode inode in inodes)
        {
            if (!nodes.Add(inode.Node))
            {
                throw new InvalidDataException("it is damaged");
            }

            if (_numbers[inode.Mount] >= 0)
            {
                InodeKey key = Translate(inode.Key, inode.Mount);
                translated.Add(inode with { Key = key, Mount = _numbers[inode.Mount] });
            }
        }

        return translated;
    }

    /// <summary>What a pair of device and mount is now; null if it is nothing any more.</summary>
    public (ulong Dev, ulong Mnt)? Translate((ulong Dev, ulong Mnt) pair)
    {
        for (int i = 0; i < _saved.Count; i++)
        {
            if (_numbers[i] >= 0 && _saved[i].Host.Dev == pair.Dev &&
                (InodeKey.MountOf(pair.Mnt) == 0 || InodeKey.MountOf(pair.Mnt) == _saved[i].MountId) &&
                InodeKey.MountOf(pair.Mnt) != 0 == _hasMountIds)
            {
                InodeKey key = Translate(new InodeKey(0, pair.Dev, pair.Mnt), i);
                return (key.Dev, key.Mnt);
            }
        }

        return null;
    }

    /// <summary>
    /// What devices are now, those of mounts first, with the numbers that they have had: clients may know them.
    /// </summary>
    public IEnumerable<(ulong Device, int Number)> Translate(List<(ulong Device, int Number)> devices) =>
        devices
            .Select(item => (Now: DeviceNow(item.Device), Saved: item))
            .OrderBy(item => item.Now is null)
            .Select(item => (item.Now ?? item.Saved.Device, item.Saved.Number));

    public void Release()
    {
        foreach (int number in _numbers)
        {
            if (number >= 0)
            {
                _mounts.Drop(number);
            }
        }
    }

    private ulong? DeviceNow(ulong device)
    {
        int mount = _saved.FindIndex(saved => saved.Host.Dev == device);
        return mount < 0 || _numbers[mount] < 0 ? null : _now[mount].Host.Dev;
    }

    private InodeKey Translate(in InodeKey key, int mount) => key with
    {
        // A mount may have several devices (btrfs): those of its other volumes are taken as they were.
        Dev = key.Dev == _saved[mount].Host.Dev ? _now[mount].Host.Dev : key.Dev,
        Mnt = new InodeKey(0, 0, _hasMountIds ? _now[mount].MountId : 0).In(key.Subvolume).Mnt,
    };
}
