using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Vfs;

/// <remarks>A successor that goes on with the same tree.</remarks>
public sealed partial class Vfs
{
    /// <inheritdoc/>
    /// <remarks>
    /// The states of the mounted file systems follow the tree's, those included that are unmounted and still in use. An
    /// index that rests goes on resting.
    /// </remarks>
    public void SaveState(Stream stream, IList<int> keepFds)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(keepFds);

        // For as long as it takes, no mount may come or go.
        lock (_lock)
        {
            if (_session is not { } session)
            {
                throw new InvalidOperationException("The state of a tree is saved after INIT: there is no session.");
            }

            var state = new VfsState { Session = session, LastIndex = _lastIndex };
            _numbers.Save(state);
            var inner = new List<IStatefulFileSystem>();
            foreach (VfsMount mount in _mounts.OfType<VfsMount>())
            {
                // One that is revoked has no requests any more: it is as good as released.
                bool isServed = mount.State is MountState.Live or MountState.Detached;
                if (!isServed && mount.Slot.Holds.IsZero)
                {
                    continue;
                }

                if (isServed)
                {
                    inner.Add(mount.FileSystem as IStatefulFileSystem ?? throw new NotSupportedException(
                        $"The file system at \"{mount.Path}\", {mount.FileSystem.GetType()}, has no state that can be " +
                        $"saved: it is no {nameof(IStatefulFileSystem)}."));
                }

                state.Mounts.Add(SavedMount.Of(mount, isServed ? mount.State : MountState.Released));
            }

            VfsStateFormat.Write(state, stream);
            inner.ForEach(fileSystem => fileSystem.SaveState(stream, keepFds));
        }
    }

    /// <inheritdoc/>
    /// <remarks>
    /// The file systems are made by <see cref="VfsOptions.RestoreMount"/>. If it fails, those that were made are still
    /// their maker's to dispose of.
    /// </remarks>
    public void RestoreState(Stream stream, KeptFds fds)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(fds);
        lock (_lock)
        {
            if (_session is not null || _mounts.Any(mount => mount is not null))
            {
                throw new InvalidOperationException("A state is restored into an empty tree: this one has mounts.");
            }

            VfsState state = VfsStateFormat.Read(stream);
            var mounts = new List<VfsMount>();
            foreach (SavedMount saved in state.Mounts)
            {
                var mount = new VfsMount(this, saved.Path, saved.Index, Root(saved)) { State = saved.State };
                mounts.Add(mount);
                if (saved.State != MountState.Released)
                {
                    RestoreMounted(mount, stream, fds);
                }
                else
                {
                    mount.FileSystem = new NoFileSystem();
                    mount.Leftover = [.. saved.Leftover];
                }
            }

            // From here on nothing is refused.
            _numbers.Restore(state);
            foreach ((VfsMount mount, SavedMount saved) in mounts.Zip(state.Mounts))
            {
                mount.Slot = MountSlot.Of(mount, saved.Parent, state.Session, saved.Accepted);
                mount.Slot.Holds.Restore(saved.Holds);
                if (saved.State == MountState.Released)
                {
                    mount.Slot = mount.Slot.Revoked();
                    mount.SetReleased();
                }

                _mounts[mount.Index] = mount;
            }

            _lastIndex = state.LastIndex;
            _session = state.Session;
            Publish([]);
        }
    }

    private static Entry Root(SavedMount saved)
    {
        var root = new Entry
        {
            Node = saved.Root,
            Generation = saved.RootGeneration,
            EntryTimeout = saved.EntryTimeout,
            AttributesTimeout = saved.AttributesTimeout,
        };
        root.Attributes.Ino = saved.RootIno;
        return root;
    }

    private void RestoreMounted(VfsMount mount, Stream stream, KeptFds fds)
    {
        if (Options.RestoreMount is not { } restore)
        {
            throw new InvalidOperationException(
                $"\"{mount.Path}\" cannot be restored: VfsOptions.RestoreMount says what its file system is.");
        }

        mount.FileSystem = restore(mount);
        if (mount.FileSystem is not IStatefulFileSystem fileSystem)
        {
            throw new NotSupportedException(
                $"The file system for \"{mount.Path}\", {mount.FileSystem.GetType()}, has no state that can be restored: " +
                $"it is no {nameof(IStatefulFileSystem)}.");
        }

        if (_notifications is { } sink)
        {
            mount.FileSystem.Attach(MountNotifications.For(mount, sink, _services));
        }

        try
        {
            fileSystem.RestoreState(stream, fds);
        }
        catch (InvalidDataException e)
        {
            throw new InvalidDataException($"of \"{mount.Path}\": {e.Message}", e);
        }
    }

    /// <summary>What was mounted where an index rests.</summary>
    private sealed class NoFileSystem() : DelegatingFileSystem(RefusingFileSystem.Stale);
}
