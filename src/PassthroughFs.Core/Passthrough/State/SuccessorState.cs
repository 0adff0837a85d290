using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;

namespace PassthroughFs.Core.Passthrough;

/// <summary>
/// What a successor goes on with, while the client keeps its files open: all that the stores know, and their
/// descriptors.
/// </summary>
/// <param name="config">The file system's.</param>
/// <param name="inodes">The nodes.</param>
/// <param name="mounts">What they are opened by.</param>
/// <param name="handles">The open files.</param>
/// <param name="kept">Those held open without OPEN.</param>
/// <param name="locks">Their locks.</param>
/// <param name="shown">The numbers that clients have seen.</param>
/// <param name="links">Learns of which kind the inodes' devices are.</param>
/// <param name="hostFileSystems">Knows those kinds.</param>
internal sealed unsafe class SuccessorState(
    PassthroughConfig config, InodeStore inodes, MountFds mounts, HandleStore handles, KeptFiles kept, LockTable locks,
    ShownNumbers shown, LinkIdentity links, HostFileSystems hostFileSystems)
{
    /// <summary>Writes it down; as <see cref="PassthroughFileSystem.SaveState"/> says.</summary>
    /// <param name="stream">Gets it.</param>
    /// <param name="keepFds">Gets the descriptors.</param>
    /// <param name="accepted">What the client acts on.</param>
    /// <param name="backed">What it reads and writes by itself.</param>
    public void Save(Stream stream, IList<int> keepFds, InitFlags accepted, BackedFiles backed)
    {
        using (HostInode root = inodes.Get(NodeId.Root))
        {
            if (root.IsNone)
            {
                throw new InvalidOperationException("The state is saved after Import or INIT: the root is not there.");
            }
        }

        var state = new FileSystemState
        {
            Accepted = accepted,
            UseHostIno = config.UseHostIno,
            EnableMntid = config.EnableMntid,
            ExportSupport = config.ExportSupport,
            Files = handles.Snapshot(out ulong uses),
            HandleUses = uses,
            NoOpenFiles = kept.Snapshot(),
            Locks = locks.Snapshot(),
        };
        backed.Save(state);
        inodes.Snapshot(state);
        inodes.Allocator?.Save(state.Numbers);
        shown.Save(state.Numbers);
        Dictionary<int, int> indexes = [];
        foreach ((int number, int id, int fd, HostMount? host) in mounts.Snapshot())
        {
            indexes.Add(number, state.Mounts.Count);
            state.Mounts.Add(new KeptMount(id, Keep(fd), host));
        }

        Replace(state.Inodes, inode => inode with
        {
            Mount = inode.Mount < 0 ? FileSystemState.NoFd : indexes[inode.Mount],
            Fd = Keep(inode.Fd),
        });
        Replace(state.Remembered, inode => inode with
        {
            // Without export it is known by its handle, and never opened by it.
            Mount = inode.Handle.IsNone || !config.ExportSupport ? FileSystemState.NoFd : indexes[inode.Mount],
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

    /// <summary>Reads it and checks all of it; nothing is changed.</summary>
    /// <param name="stream">Has it.</param>
    /// <param name="fds">The descriptors, of which none is taken.</param>
    /// <param name="hasBackingFiles">Whether the transport has backing files.</param>
    /// <exception cref="InvalidOperationException">This file system serves already.</exception>
    /// <exception cref="InvalidDataException">It cannot be gone on with; the message says why.</exception>
    public FileSystemState Read(Stream stream, KeptFds fds, bool hasBackingFiles)
    {
        if (inodes.Count > 0 || inodes.RememberedCount > 0 || handles.Count > 0)
        {
            throw new InvalidOperationException(
                "A state is restored before Import and INIT: this file system serves already.");
        }

        FileSystemState state = FileSystemStateFormat.Read(stream);
        CheckConfig(state, hasBackingFiles);
        HandleStore.Check(state.Files, state.HandleUses);
        CheckNodes(state);
        CheckFds(state, fds);
        CheckRoot(RootOf(state));
        CheckHandles(state, RootOf(state), fds);
        return state;
    }

    public static LiveInode RootOf(FileSystemState state) => state.Inodes.Find(inode => inode.Node == NodeId.Root);

    /// <summary>Fills the stores with what <see cref="Read"/> has read; nothing is refused.</summary>
    public void Apply(FileSystemState state, KeptFds fds)
    {
        ulong rootDevice = RootOf(state).Key.Dev;
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
            numbers[i] = mounts.Restore(mount.Id, fd, mount.Host, users[i]);
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
            links.Meet(inode.Key.Dev, inode.Fd);
        }

        shown.Root = rootDevice;
        shown.Restore(state.Numbers.Devices);
        inodes.Restore(state);
        inodes.Allocator?.Restore(state.Numbers, pair => pair);
        Array.ForEach(numbers, mounts.Drop);
        Replace(state.Files, file => file with { Fd = fds.Take(file.Fd) });
        handles.Restore(state.Files, state.HandleUses);
        Replace(state.Locks, owner => owner with { Fd = fds.Take(owner.Fd) });
        locks.Restore(state.Locks);
        foreach (KeptFile file in kept.IsInUse ? state.NoOpenFiles : [])
        {
            kept.Add(file.Node, fds.Take(file.Fd), file.Flags).Dispose();
        }
    }

    private static void Replace<T>(List<T> list, Func<T, T> with)
    {
        for (int i = 0; i < list.Count; i++)
        {
            list[i] = with(list[i]);
        }
    }

    private void CheckConfig(FileSystemState state, bool hasBackingFiles)
    {
        CheckOption(nameof(PassthroughConfig.UseHostIno), state.UseHostIno, config.UseHostIno);
        CheckOption(nameof(PassthroughConfig.EnableMntid), state.EnableMntid, config.EnableMntid);
        CheckOption(nameof(PassthroughConfig.ExportSupport), state.ExportSupport, config.ExportSupport);
        if (state.Accepted.HasFlag(InitFlags.FUSE_PASSTHROUGH) && !hasBackingFiles)
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
            if (!PassthroughFileSystem.IsSafe(stat.stx_mode) || stat.stx_mnt_id != (uint)mount.Id)
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
            if (!isIt || !PassthroughFileSystem.IsSafe(stat.stx_mode) ||
                flags < 0 || ((uint)flags & Linux.O_PATH) != 0 ||
                (((uint)flags ^ file.Flags) & Linux.O_ACCMODE) != 0)
            {
                throw NotIt(file.Fd);
            }
        }

        foreach (KeptLocks owner in state.Locks)
        {
            StatxBuffer stat = Stat(owner.Fd);
            if (!PassthroughFileSystem.IsSafe(stat.stx_mode) ||
                (keys.TryGetValue(owner.Node, out InodeKey key) && !IsOf(key, stat, fds.Peek(owner.Fd))))
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

            StatxBuffer stat;
            int status = HostStat.Of(fds.Peek(index), &stat);
            return status == 0 ? stat : throw NotIt(index);
        }

        static InvalidDataException NotIt(int index) =>
            new($"descriptor {index} that came with it is not what it should be");
    }

    /// <summary>
    /// Whether a descriptor is of the inode with a key: overlayfs changes an inode's number when the inode is copied
    /// up.
    /// </summary>
    private bool IsOf(in InodeKey key, in StatxBuffer stat, int fd)
    {
        InodeKey told = HostStat.KeyOf(stat, config.EnableMntid);
        return LinkIdentity.IsOf(key, told) || hostFileSystems.KindOf(told.Dev, fd) == HostFileSystemKind.Stacked;
    }

    private void CheckRoot(in LiveInode root)
    {
        StatxBuffer stat;
        int status;
        fixed (byte* path = Encoding.UTF8.GetBytes((config.RootFd is null ? config.RootDir : ".") + '\0'))
        {
            status = Sys.Statx(config.RootFd ?? Constants.AT_FDCWD, path, 0, HostStat.Mask, &stat);
        }

        InodeKey key = HostStat.KeyOf(stat, config.EnableMntid);
        if (status < 0 || root.Fd == FileSystemState.NoFd || key.Ino != root.Key.Ino || key.Dev != root.Key.Dev)
        {
            throw new InvalidDataException($"it was saved for another directory than {config.RootDir}");
        }
    }

    /// <summary>Whether this process may open by handle what has no descriptor.</summary>
    private void CheckHandles(FileSystemState state, in LiveInode root, KeptFds fds)
    {
        bool isMandatory = config.InodeFileHandles == InodeFileHandles.Mandatory;
        if (root.Handle.IsNone || root.Mount == FileSystemState.NoFd)
        {
            if (isMandatory || config.ExportSupport)
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
        else if (isMandatory || config.ExportSupport || state.Inodes.Exists(inode => inode.Fd == FileSystemState.NoFd))
        {
            throw new InvalidDataException(
                $"nodes in it are kept by kernel handle, which this process may not open ({(Errno)(-fd)}): run it with " +
                "CAP_DAC_READ_SEARCH, as the one before");
        }
    }
}
