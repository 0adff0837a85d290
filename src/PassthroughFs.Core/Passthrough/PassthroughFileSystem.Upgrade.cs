using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;

namespace PassthroughFs.Core.Passthrough;

/// <remarks>A successor that goes on where this file system is, while the client keeps its files open.</remarks>
public sealed unsafe partial class PassthroughFileSystem
{
    /// <inheritdoc/>
    /// <remarks>
    /// The descriptors are those of the inodes that have one, of mounts with kernel handles, and of open files: those keep
    /// what has no name any more, and what stands in them (positions, flags, locks).
    /// </remarks>
    public void SaveState(Stream stream, IList<int> keepFds)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(keepFds);
        using (HostInode root = _inodes.Get(NodeId.Root))
        {
            if (root.IsNone)
            {
                throw new InvalidOperationException("The state is saved after Import or INIT: the root is not there.");
            }
        }

        var state = new FileSystemState
        {
            Accepted = _accepted,
            UseHostIno = Config.UseHostIno,
            EnableMntid = Config.EnableMntid,
            ExportSupport = _export,
            Files = _handles.Snapshot(out ulong uses),
            HandleUses = uses,
            NoOpenFiles = _kept.Snapshot(),
            Locks = _locks.Snapshot(),
        };
        if (_backing is { } backing)
        {
            state.Backed = backing.Snapshot(out bool isOff);
            state.BackingIsOff = isOff;
        }

        _inodes.Snapshot(state);
        _inodes.Allocator?.Save(state.Numbers);
        _shown.Save(state.Numbers);
        Dictionary<int, int> mounts = [];
        foreach ((int number, int id, int fd, HostMount? host) in _mounts.Snapshot())
        {
            mounts.Add(number, state.Mounts.Count);
            state.Mounts.Add(new KeptMount(id, Keep(fd), host));
        }

        Replace(state.Inodes, inode => inode with
        {
            Mount = inode.Mount < 0 ? FileSystemState.NoFd : mounts[inode.Mount],
            Fd = Keep(inode.Fd),
        });
        Replace(state.Remembered, inode => inode with
        {
            // Without export it is known by its handle, and never opened by it.
            Mount = inode.Handle.IsNone || !_export ? FileSystemState.NoFd : mounts[inode.Mount],
        });
        Replace(state.Files, file => file with { Fd = Keep(file.Fd) });
        Replace(state.NoOpenFiles, file => file with { Fd = Keep(file.Fd) });
        Replace(state.Locks, owner => owner with { Fd = Keep(owner.Fd) });
        FileSystemStateFormat.Write(state, stream);

        int Keep(int fd)
        {
            if (fd < 0)
            {
                return FileSystemState.NoFd;
            }

            keepFds.Add(fd);
            return keepFds.Count - 1;
        }
    }

    /// <inheritdoc/>
    /// <remarks>
    /// The configuration is this file system's own and may differ, save for <see cref="PassthroughConfig.UseHostIno"/>,
    /// <see cref="PassthroughConfig.EnableMntid"/> and <see cref="PassthroughConfig.ExportSupport"/>, which the numbers
    /// that clients have depend on, and for what the client has agreed to.
    /// </remarks>
    public void RestoreState(Stream stream, KeptFds fds)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(fds);
        if (_inodes.Count > 0 || _inodes.RememberedCount > 0 || _handles.Count > 0)
        {
            throw new InvalidOperationException(
                "A state is restored before Import and INIT: this file system serves already.");
        }

        FileSystemState state = FileSystemStateFormat.Read(stream);
        CheckConfig(state);
        HandleStore.Check(state.Files, state.HandleUses);
        CheckNodes(state);
        LiveInode root = state.Inodes.Find(inode => inode.Node == NodeId.Root);
        CheckFds(state, fds);
        CheckRoot(root);
        CheckHandles(state, root, fds);

        // From here on nothing is refused.
        Apply(state, root, fds);
    }

    private static void Replace<T>(List<T> list, Func<T, T> with)
    {
        for (int i = 0; i < list.Count; i++)
        {
            list[i] = with(list[i]);
        }
    }

    private void CheckConfig(FileSystemState state)
    {
        CheckOption(nameof(Config.UseHostIno), state.UseHostIno, Config.UseHostIno);
        CheckOption(nameof(Config.EnableMntid), state.EnableMntid, Config.EnableMntid);
        CheckOption(nameof(Config.ExportSupport), state.ExportSupport, _export);
        if (state.Accepted.HasFlag(InitFlags.FUSE_PASSTHROUGH) && _services.BackingFiles is null)
        {
            throw new InvalidDataException(
                "the client reads and writes files by itself, and the transport here has no backing files");
        }
    }

    private static void CheckOption(string name, bool saved, bool here)
    {
        if (saved != here)
        {
            throw new InvalidDataException(
                $"it was saved {(saved ? "with" : "without")} {name}, on which the clients' numbers depend: switch that " +
                $"{(saved ? "on" : "off")}");
        }
    }

    private static void CheckNodes(FileSystemState state)
    {
        var nodes = new HashSet<NodeId>();
        if (!state.Inodes.All(inode => nodes.Add(inode.Node)) || !nodes.Contains(NodeId.Root) ||
            !state.Remembered.All(inode => nodes.Add(inode.Node)))
        {
            throw StateReader.Damaged();
        }
    }

    /// <summary>Whether each descriptor is what it should be, and none is used twice.</summary>
    private void CheckFds(FileSystemState state, KeptFds fds)
    {
        var used = new HashSet<int>();
        foreach (KeptMount mount in state.Mounts.Where(mount => mount.Fd != FileSystemState.NoFd))
        {
            StatxBuffer stat = Stat(mount.Fd);
            if (!IsSafe(stat.stx_mode) || stat.stx_mnt_id != (uint)mount.Id)
            {
                throw NotIt(mount.Fd);
            }
        }

        var keys = new Dictionary<NodeId, InodeKey>(state.Inodes.Count);
        foreach (LiveInode inode in state.Inodes)
        {
            keys.Add(inode.Node, inode.Key);
            if (inode.Fd != FileSystemState.NoFd)
            {
                StatxBuffer stat = Stat(inode.Fd);
                if (!IsOf(inode.Key, stat, fds.Peek(inode.Fd)) || ((stat.stx_mode ^ inode.Mode) & Linux.S_IFMT) != 0)
                {
                    throw NotIt(inode.Fd);
                }
            }
        }

        foreach (KeptFile file in state.Files.Concat(state.NoOpenFiles))
        {
            // A client may have forgotten a node before it releases the file.
            StatxBuffer stat = Stat(file.Fd);
            bool isIt = !keys.TryGetValue(file.Node, out InodeKey key) || IsOf(key, stat, fds.Peek(file.Fd));
            int flags = Sys.Fcntl(fds.Peek(file.Fd), Constants.F_GETFL, 0);
            if (!isIt || !IsSafe(stat.stx_mode) || flags < 0 || ((uint)flags & Linux.O_PATH) != 0 ||
                (((uint)flags ^ file.Flags) & Linux.O_ACCMODE) != 0)
            {
                throw NotIt(file.Fd);
            }
        }

        foreach (KeptLocks owner in state.Locks)
        {
            StatxBuffer stat = Stat(owner.Fd);
            if (!IsSafe(stat.stx_mode) || (keys.TryGetValue(owner.Node, out InodeKey key) && !IsOf(key, stat, fds.Peek(owner.Fd))))
            {
                throw NotIt(owner.Fd);
            }
        }

        StatxBuffer Stat(int index)
        {
            if (!used.Add(index))
            {
                throw StateReader.Damaged();
            }

            byte empty = 0;
            StatxBuffer stat;
            int status = Sys.Statx(fds.Peek(index), &empty, Constants.AT_EMPTY_PATH, StatMask, &stat);
            return status == 0 ? stat : throw NotIt(index);
        }

        static InvalidDataException NotIt(int index) =>
            new($"descriptor {index} that came with it is not what it should be");
    }

    /// <summary>
    /// Whether a descriptor is of the inode with a key: overlayfs changes an inode's number when the inode is copied up.
    /// </summary>
    private bool IsOf(in InodeKey key, in StatxBuffer stat, int fd)
    {
        InodeKey told = KeyOf(stat);
        return LinkIdentity.IsOf(key, told) || _hostFileSystems.KindOf(told.Dev, fd) == HostFileSystemKind.Stacked;
    }

    private void CheckRoot(in LiveInode root)
    {
        StatxBuffer stat;
        int status;
        fixed (byte* path = Encoding.UTF8.GetBytes((Config.RootFd is null ? Config.RootDir : ".") + '\0'))
        {
            status = Sys.Statx(Config.RootFd ?? Constants.AT_FDCWD, path, 0, StatMask, &stat);
        }

        InodeKey key = KeyOf(stat);
        if (status < 0 || root.Fd == FileSystemState.NoFd || key.Ino != root.Key.Ino || key.Dev != root.Key.Dev)
        {
            throw new InvalidDataException($"it was saved for another directory than {Config.RootDir}");
        }
    }

    /// <summary>Whether this process may open by handle what has no descriptor.</summary>
    private void CheckHandles(FileSystemState state, in LiveInode root, KeptFds fds)
    {
        bool isMandatory = Config.InodeFileHandles == InodeFileHandles.Mandatory;
        if (root.Handle.IsNone || root.Mount == FileSystemState.NoFd)
        {
            if (isMandatory || _export)
            {
                throw new InvalidDataException(
                    $"it was saved without kernel handles, and {(isMandatory ? "InodeFileHandles Mandatory" :
                        "ExportSupport")} needs them");
            }

            return;
        }

        int fd = MountFds.OpenBelow(
            fds.Peek(state.Mounts[root.Mount].Fd), root.Handle, Linux.O_PATH | Linux.O_CLOEXEC);
        if (fd >= 0)
        {
            _ = Sys.Close(fd);
        }
        else if (isMandatory || _export || state.Inodes.Exists(inode => inode.Fd == FileSystemState.NoFd))
        {
            throw new InvalidDataException(
                $"nodes in it are kept by kernel handle, which this process may not open ({(Errno)(-fd)}): run it with " +
                "CAP_DAC_READ_SEARCH, as the one before");
        }
    }

    private void Apply(FileSystemState state, in LiveInode root, KeptFds fds)
    {
        TakeUmask();
        byte empty = 0;
        StatxBuffer stat;
        _ = Sys.Statx(fds.Peek(root.Fd), &empty, Constants.AT_EMPTY_PATH, StatMask, &stat); // worked just before
        ulong rootMountId = stat.stx_mnt_id;
        bool isAdaptive = Config.InodeFileHandles == InodeFileHandles.Adaptive;
        _keepFds = isAdaptive || Config.InodeFileHandles == InodeFileHandles.Never || root.Handle.IsNone;
        _takeHandles = !root.Handle.IsNone && (_export || !_keepFds);
        int[] users = new int[state.Mounts.Count];
        foreach (LiveInode inode in state.Inodes.Where(inode => inode.Mount != FileSystemState.NoFd))
        {
            users[inode.Mount]++;
        }

        int[] numbers = new int[state.Mounts.Count];
        for (int i = 0; i < numbers.Length; i++)
        {
            KeptMount mount = state.Mounts[i];
            int fd = users[i] > 0 ? fds.Take(mount.Fd) : FileSystemState.NoFd;
            numbers[i] = _mounts.Restore(mount.Id, fd, mount.Host, users[i]);
        }

        Replace(state.Inodes, inode => inode with
        {
            Mount = inode.Mount == FileSystemState.NoFd ? InodeSlot.NoMount : numbers[inode.Mount],
            Fd = inode.Fd == FileSystemState.NoFd ? InodeSlot.NoFd : fds.Take(inode.Fd),
        });
        Replace(state.Remembered, inode => inode with
        {
            Mount = inode.Mount == FileSystemState.NoFd ? InodeSlot.NoMount : numbers[inode.Mount],
        });
        foreach (LiveInode inode in state.Inodes.Where(inode => inode.Fd >= 0).DistinctBy(inode => inode.Key.Dev))
        {
            _links.Meet(inode.Key.Dev, inode.Fd);
        }

        _shown.Root = root.Key.Dev;
        _shown.Restore(state.Numbers.Devices);
        _inodes.Restore(state);
        _inodes.Allocator?.Restore(state.Numbers, pair => pair);
        Array.ForEach(numbers, _mounts.Drop);
        Replace(state.Files, file => file with { Fd = fds.Take(file.Fd) });
        _handles.Restore(state.Files, state.HandleUses);
        Replace(state.Locks, owner => owner with { Fd = fds.Take(owner.Fd) });
        _locks.Restore(state.Locks);
        foreach (KeptFile file in _kept.IsInUse ? state.NoOpenFiles : [])
        {
            _kept.Add(file.Node, fds.Take(file.Fd), file.Flags).Dispose();
        }

        if (isAdaptive && !root.Handle.IsNone)
        {
            // What is above the budget goes with the next requests.
            StartBudget(rootMountId);
        }

        Agree(state.Accepted);
        _backing?.Restore(state.Backed, state.BackingIsOff);
    }
}
