using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;

namespace PassthroughFs.Core.Passthrough;

/// <remarks>Nodes that outlive the process.</remarks>
public sealed unsafe partial class PassthroughFileSystem
{
    /// <summary>
    /// Writes down which files the NodeIds mean that clients were given, so that another file system on the same
    /// directory, in another process or after a reboot, goes on with them: handles of clients stay good then.
    /// </summary>
    /// <remarks>
    /// Live nodes are saved and as many forgotten ones as are remembered; open files and lookup counts are not. What
    /// clients are given afterwards is not in it, so it belongs behind the last request; at any other time it does no
    /// harm, and takes the store's lock for a copy in memory.
    /// </remarks>
    /// <param name="stream">Gets some 60 bytes a node. Not closed.</param>
    /// <exception cref="InvalidOperationException"><see cref="PassthroughConfig.ExportSupport"/> is off, or the root is
    /// not there.</exception>
    public void SaveNodes(Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        using HostInode root = RootForState();
        FollowMounts();
        List<RememberedInode> inodes = _inodes.Snapshot(out ulong nextNode, out HostMount?[] mounts);
        var state = new NodeState { NextNode = nextNode };
        _inodes.Allocator?.Save(state);
        _shown.Save(state);
        mounts[root.Mount] = DescribeRoot(root);
        int[] indexes = new int[mounts.Length];
        Array.Fill(indexes, -1);
        SaveMount(root.Mount);
        foreach (RememberedInode inode in inodes)
        {
            SaveMount(inode.Mount);
            if (indexes[inode.Mount] >= 0)
            {
                state.Inodes.Add(inode with { Mount = indexes[inode.Mount] });
            }
        }

        NodeStateFormat.Write(state, stream);

        void SaveMount(int number)
        {
            if (indexes[number] < 0 && mounts[number] is { Path: not null } host)
            {
                indexes[number] = state.Mounts.Count;
                state.Mounts.Add(new SavedMount(host, (ulong)_mounts.IdOf(number)));
            }
        }
    }

    /// <summary>
    /// Goes on with the NodeIds that <see cref="SaveNodes"/> has written down. Between <see cref="Import"/> and the
    /// first request.
    /// </summary>
    /// <remarks>
    /// The nodes are remembered then, as forgotten ones are: no file is opened before a client comes back to it. Files
    /// that were deleted meanwhile are stale, and so is everything on a mount below the root that is not there.
    /// </remarks>
    /// <param name="stream">The state, read to its end and no further. Not closed.</param>
    /// <returns>How many nodes are remembered.</returns>
    /// <exception cref="InvalidDataException">It is no such state, damaged or cut off, or of another directory; the
    /// message says what. Nothing was restored.</exception>
    /// <exception cref="InvalidOperationException"><see cref="PassthroughConfig.ExportSupport"/> is off, the root is
    /// not there, or clients have nodes already.</exception>
    public int RestoreNodes(Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        using HostInode root = RootForState();
        NodeState state = NodeStateFormat.Read(stream);
        if (!state.Mounts[0].Host.IsSame(DescribeRoot(root)))
        {
            throw new InvalidDataException($"it was saved for another directory than {Config.RootDir}");
        }

        var found = new RestoredMounts(this, state);
        try
        {
            List<RememberedInode> inodes = found.Translate(state.Inodes);
            if (inodes.Count > Config.RetainedMappings)
            {
                PassthroughLog.TooManySaved(_logger, inodes.Count, Config.RetainedMappings);
            }

            _inodes.Restore(state.NextNode, inodes);
            _inodes.Allocator?.Restore(state, found.Translate);
            _shown.Restore(found.Translate(state.Devices));
            return _inodes.RememberedCount;
        }
        finally
        {
            found.Release();
        }
    }

    private HostInode RootForState()
    {
        if (!_export)
        {
            throw new InvalidOperationException("Nodes are saved and restored with ExportSupport alone: switch it on.");
        }

        HostInode root = _inodes.Get(NodeId.Root);
        return root.IsNone
            ? throw new InvalidOperationException("Nodes are saved and restored after Import: the root is not there.")
            : root;
    }

    private HostMount DescribeRoot(in HostInode root)
    {
        byte empty = 0;
        StatxBuffer stat;
        int status = Sys.Statx(root.Fd, &empty, Constants.AT_EMPTY_PATH, StatMask, &stat);
        return status == 0 ? DescribeMount(root.Fd, stat, root.Handle)
            : throw new IOException($"The attributes of {Config.RootDir} cannot be read: {(Errno)(-status)}.");
    }

    /// <summary>Notes where open mounts are now, as directories above them may have been moved.</summary>
    private void FollowMounts()
    {
        HostMount?[] mounts = _mounts.ToArray();
        for (int number = 0; number < mounts.Length; number++)
        {
            if (mounts[number] is { } host && _mounts.TryAcquireNumber(number))
            {
                _mounts.Moved(number, host with { Path = PathBelowRoot(_mounts.FdOf(number)) });
                _mounts.Release(number);
            }
        }
    }

    /// <summary>The mounts of a saved state as they are now.</summary>
    private sealed class RestoredMounts
    {
        private readonly PassthroughFileSystem _fs;
        private readonly List<SavedMount> _saved;
        private readonly int[] _numbers;
        private readonly SavedMount[] _now;

        public RestoredMounts(PassthroughFileSystem fs, NodeState state)
        {
            _fs = fs;
            _saved = state.Mounts;
            _numbers = new int[_saved.Count];
            _now = new SavedMount[_saved.Count];
            for (int i = 0; i < _saved.Count; i++)
            {
                int fd = fs.FindMount(_saved[i].Host, out HostMount? host, out int mountId);
                _numbers[i] = -1;
                if (fd >= 0)
                {
                    _ = Sys.Close(fd);
                    _numbers[i] = fs._mounts.AddRemembered(mountId, host!);
                    _now[i] = new SavedMount(host!, (ulong)mountId);
                }
                else
                {
                    int index = i;
                    int lost = state.Inodes.FindAll(inode => inode.Mount == index).Count;
                    PassthroughLog.MountNotFound(
                        fs._logger, Encoding.UTF8.GetString(_saved[i].Host.Path ?? []), lost);
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
                    InodeKey.MountOf(pair.Mnt) != 0 == _fs.Config.EnableMntid)
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
                    _fs._mounts.Drop(number);
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
            Mnt = new InodeKey(0, 0, _fs.Config.EnableMntid ? _now[mount].MountId : 0).In(key.Subvolume).Mnt,
        };
    }
}
