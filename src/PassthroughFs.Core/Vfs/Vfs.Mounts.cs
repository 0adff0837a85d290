using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Vfs;

public sealed partial class Vfs
{
    /// <summary>Puts a file system into the tree. Requests find it when this returns.</summary>
    /// <remarks>
    /// Over a path that is mounted already the new one takes the place of the old, in one step for all lookups that
    /// follow; what the client has open of the old one goes on (<see cref="UnmountMode.Detach"/>). Not to be called from
    /// inside a request.
    /// </remarks>
    /// <param name="path">
    /// Where: absolute, as "/images/a", and neither inside another mount nor around one. "/" for a file system that is
    /// alone; that one comes and goes only while no session is under way, as the client holds the root as long.
    /// </param>
    /// <param name="fileSystem">What: not mounted anywhere now, and not disposed of before it is released.</param>
    /// <exception cref="VfsException">It cannot be mounted there; nothing has changed.</exception>
    public VfsMount Mount(string path, IBackendFileSystem fileSystem)
    {
        ArgumentNullException.ThrowIfNull(fileSystem);
        path = VfsPath.Normalize(path);
        MakeRoom();
        VfsMount mount;
        VfsMount? replaced;
        (NodeId Directory, byte[] Name)? changed;
        lock (_lock)
        {
            replaced = FindLive(path);
            RefusePlace(path, fileSystem);
            int index = path == VfsPath.Root ? 0 : TakeIndex();
            mount = Prepare(path, index, fileSystem, out InitFlags accepted);
            changed = path == VfsPath.Root ? null : _numbers.DeepestOf(path);
            if (replaced is not null)
            {
                replaced.State = MountState.Detached;
            }

            _mounts[index] = mount;
            _lastIndex = index;
            Publish([(mount, accepted)]);
            if (replaced is { Index: 0 })
            {
                Revoke(replaced);
            }
        }

        VfsLog.Mounted(_logger, path, mount.Index);
        Notify(path, changed);
        if (replaced is not null)
        {
            Leave(replaced);
        }

        return mount;
    }

    /// <summary>Takes a file system out of the tree: no lookup that begins after this returns finds it.</summary>
    /// <remarks>
    /// With <see cref="UnmountMode.Revoke"/> on a mount that was detached before, by its path or by being replaced, that
    /// one is meant if nothing else is mounted there. Not to be called from inside a request.
    /// </remarks>
    /// <param name="path">As it was mounted.</param>
    /// <param name="mode">What becomes of the files that the client has open.</param>
    /// <returns>The mount; wait for its <see cref="VfsMount.Released"/> before disposing of the file system.</returns>
    /// <exception cref="VfsException">Nothing is mounted there.</exception>
    public VfsMount Unmount(string path, UnmountMode mode = UnmountMode.Detach)
    {
        path = VfsPath.Normalize(path);
        VfsMount mount;
        (NodeId Directory, byte[] Name)? changed = null;
        lock (_lock)
        {
            mount = FindLive(path) ?? (mode == UnmountMode.Revoke ? FindDetached(path) : null)
                ?? throw new VfsException(Errno.ENOENT, $"Nothing is mounted at \"{path}\".");
            RefuseRootChange(path);
            bool wasLive = mount.State == MountState.Live;
            mount.State = MountState.Detached;
            if (mode == UnmountMode.Revoke || mount.Index == 0)
            {
                Revoke(mount);
            }
            else
            {
                Publish([]);
            }

            if (wasLive && path != VfsPath.Root)
            {
                changed = _numbers.DeepestOf(path);
            }
        }

        VfsLog.Unmounted(_logger, path, mount.Index, mode);
        Notify(path, changed);
        Leave(mount);
        return mount;
    }

    /// <summary>Outside the lock, and after the client knows.</summary>
    private void Leave(VfsMount mount)
    {
        FinishIfIdle(mount);
        if (mount.State == MountState.Detached)
        {
            _ = Reclaim(mount);
        }
    }

    /// <summary>Ends a detached mount if the client holds none of its nodes.</summary>
    internal void FinishIfIdle(VfsMount mount)
    {
        // Either the last forget, which looks at the state after it has counted, sees it detached, or this sees zero.
        Interlocked.MemoryBarrier();
        if (mount.State == MountState.Detached && mount.Slot.Holds.IsZero)
        {
            lock (_lock)
            {
                if (mount.State == MountState.Detached && mount.Slot.Holds.IsZero)
                {
                    Revoke(mount);
                }
            }
        }
    }

    /// <summary>From here on no request gets to the file system. Under the lock.</summary>
    private void Revoke(VfsMount mount)
    {
        mount.State = MountState.Revoked;
        mount.Slot = mount.Slot.Revoked();
        Publish([]);
        _ = ReleaseWhenLeft(mount);
    }

    private async Task ReleaseWhenLeft(VfsMount mount)
    {
        await Task.Yield();
        await RequestThread.WaitUntilLeft(mount.FileSystem).ConfigureAwait(false);
        NoteLeftover(mount);
        DestroyMounted(default, mount);
        mount.SetReleased();
        VfsLog.Released(_logger, mount.Path, mount.Index);
        await Reclaim(mount).ConfigureAwait(false);
    }

    private void DestroyMounted(in RequestContext context, VfsMount mount)
    {
        try
        {
            mount.FileSystem.Destroy(context);
        }
#pragma warning disable CA1031 // Whatever it is: the others must get theirs, and whoever waits must not wait for ever.
        catch (Exception e)
#pragma warning restore CA1031
        {
            VfsLog.DestroyFailed(_logger, mount.Path, e);
        }
    }

    /// <summary>Puts the mounts as they are now before the requests. Under the lock.</summary>
    /// <param name="accepted">What new or newly negotiated mounts act on.</param>
    private void Publish(ReadOnlySpan<(VfsMount Mount, InitFlags Accepted)> accepted)
    {
        _numbers.Update([.. LiveMounts().Where(mount => mount.Path != VfsPath.Root).Select(mount => mount.Path)]);
        foreach ((VfsMount mount, InitFlags flags) in accepted)
        {
            ulong parent = mount.Path == VfsPath.Root ? 0 : _numbers.NodeOf(VfsPath.Parent(mount.Path));
            mount.Slot = MountSlot.Of(mount, parent, _session ?? InitFlags.None, flags);
        }

        _table = BuildTable();
    }

    private MountSlots BuildTable()
    {
        Dictionary<string, MountSlot> live = LiveMounts().Where(mount => mount.Path != VfsPath.Root)
            .ToDictionary(mount => mount.Path, mount => mount.Slot, StringComparer.Ordinal);
        PseudoTree tree = _numbers.Build(live);
        var slots = new MountSlot[MountSlots.Size];
        for (int i = 0; i < slots.Length; i++)
        {
            slots[i] = _mounts[i]?.Slot ?? MountSlot.Unused;
        }

        var pseudo = new PseudoFileSystem(this, tree);
        if (_mounts[0] is not { State: MountState.Live })
        {
            slots[0] = MountSlot.OfPseudo(pseudo);
        }

        return new MountSlots(slots, pseudo);
    }

    private VfsMount Prepare(string path, int index, IBackendFileSystem fileSystem, out InitFlags accepted)
    {
        Errno error = fileSystem.Mount(out Entry root, out NodeId maxNode);
        if (error != Errno.OK)
        {
            throw new VfsException(error, $"The file system for \"{path}\" cannot be mounted: {error}.");
        }

        if (maxNode.Value > MaxNodeIdValue || root.Node.Value > MaxNodeIdValue || root.Node == NodeId.None)
        {
            throw new VfsException(
                Errno.EOVERFLOW,
                $"The file system for \"{path}\" uses NodeIds up to {maxNode} with {root.Node} for its root: a mount has " +
                $"those from 1 to {MaxNodeIdValue}.");
        }

        if (index == 0 && root.Node != NodeId.Root)
        {
            throw new VfsException(
                Errno.EINVAL, $"The file system for \"/\" has the root {root.Node}: it must be {NodeId.Root} there.");
        }

        var mount = new VfsMount(this, path, index, root) { FileSystem = fileSystem };

        // Where no session is under way nothing is known of it yet.
        accepted = (InitFlags)ulong.MaxValue;
        if (_session is { } negotiated)
        {
            error = InitMounted(default, mount, negotiated, out accepted);
            InitFlags missing = negotiated & MustHonour & ~accepted;
            if (error != Errno.OK || missing != InitFlags.None)
            {
                fileSystem.Destroy(default);
                throw error != Errno.OK
                    ? new VfsException(error, $"The file system for \"{path}\" refused the session: {error}.")
                    : new VfsException(
                        Errno.EOPNOTSUPP,
                        $"The file system for \"{path}\" cannot honour {missing}, on which client and server have " +
                        "agreed already: mount it before the client connects, or leave that out of VfsOptions.Flags.");
            }
        }

        return mount;
    }

    private void RefusePlace(string path, IBackendFileSystem fileSystem)
    {
        RefuseRootChange(path);
        foreach (VfsMount other in _mounts.OfType<VfsMount>().Where(mount => mount.State != MountState.Released))
        {
            if (ReferenceEquals(other.FileSystem, fileSystem))
            {
                throw new VfsException(
                    Errno.EBUSY,
                    $"The file system for \"{path}\" is mounted at \"{other.Path}\", or was and is not released yet.");
            }
        }

        foreach (VfsMount other in LiveMounts())
        {
            if (VfsPath.IsInside(path, other.Path))
            {
                throw new VfsException(
                    Errno.EBUSY, $"\"{path}\" is inside what is mounted at \"{other.Path}\": choose a path beside it.");
            }

            if (VfsPath.IsInside(other.Path, path))
            {
                throw new VfsException(
                    Errno.EBUSY,
                    $"\"{path}\" would hide what is mounted at \"{other.Path}\": unmount that first, or choose a path " +
                    "beside it.");
            }
        }
    }

    private void RefuseRootChange(string path)
    {
        if (path == VfsPath.Root && _session is not null)
        {
            throw new VfsException(
                Errno.EBUSY,
                "\"/\" cannot be changed while a session is under way: the client holds the root. End the session, or " +
                "choose a path below it.");
        }
    }

    private VfsMount? FindDetached(string path) => _mounts.OfType<VfsMount>()
        .FirstOrDefault(mount => mount.State == MountState.Detached && mount.Path == path);

    /// <summary>
    /// An index that the client holds no node of, the longest unused first. Under the lock.
    /// </summary>
    private int TakeIndex()
    {
        for (int i = 1; i <= MaxMounts; i++)
        {
            int index = ((_lastIndex + i - 1) % MaxMounts) + 1;
            if (_mounts[index] is null or { IsOver: true })
            {
                return index;
            }
        }

        int live = LiveMounts().Count();
        throw new VfsException(
            Errno.ENOSPC,
            live == MaxMounts
                ? $"There are {MaxMounts} mounts, which is as many as there can be: unmount one first."
                : $"There are {live} mounts, and the client still holds nodes of {MaxMounts - live} that were unmounted: " +
                "close files that are open there, or have it drop its caches (on Linux `echo 2 > " +
                "/proc/sys/vm/drop_caches`).");
    }

    private void Notify(string path, (NodeId Directory, byte[] Name)? changed)
    {
        if (Notifications is not { } sink || changed is not { } place)
        {
            return;
        }

        // ENOENT: the client has never asked. ENOTCONN: there is none.
        Errno error = sink.InvalidateEntry(place.Directory, place.Name);
        _ = sink.InvalidateInode(place.Directory, -1, 0);
        if (error is not (Errno.OK or Errno.ENOENT or Errno.ENOTCONN))
        {
            VfsLog.NotNotified(_logger, path, error);
        }
    }
}
