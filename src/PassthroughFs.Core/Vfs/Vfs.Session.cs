using System.Collections.Generic;
using System.Linq;
using System.Threading;
using PassthroughFs.Core.Api;
using static PassthroughFs.Core.Api.InitFlags;

namespace PassthroughFs.Core.Vfs;

public sealed partial class Vfs
{
    /// <summary>
    /// What changes how the client asks, so that a file system which has not agreed would do wrong. The rest only allows
    /// something: whoever does not accept it makes no use of it.
    /// </summary>
    private const InitFlags MustHonour =
        FUSE_ATOMIC_O_TRUNC | FUSE_EXPORT_SUPPORT | FUSE_DONT_MASK | FUSE_WRITEBACK_CACHE | FUSE_NO_OPEN_SUPPORT
        | FUSE_HANDLE_KILLPRIV | FUSE_NO_OPENDIR_SUPPORT | FUSE_EXPLICIT_INVAL_DATA | FUSE_HANDLE_KILLPRIV_V2
        | FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS;

    /// <inheritdoc/>
    public void Attach(in SessionServices services)
    {
        lock (_lock)
        {
            Volatile.Write(ref _notifications, services.Notifications);
            _services = services;
        }
    }

    /// <inheritdoc/>
    /// <remarks>
    /// Agrees on <see cref="VfsOptions.Flags"/>, less what a mounted file system cannot honour. An error of one of them
    /// is the session's.
    /// </remarks>
    public Errno Init(in RequestContext context, InitFlags offered, out InitFlags accepted)
    {
        lock (_lock)
        {
            EndSession(context);
            accepted = None;
            InitFlags flags = offered & Options.Flags;
            if ((flags & FUSE_NO_OPEN_SUPPORT) != 0)
            {
                // Without opens nobody would truncate, and there is no open file to be flock's owner.
                flags &= ~(FUSE_ATOMIC_O_TRUNC | FUSE_FLOCK_LOCKS);
            }

            VfsMount[] mounts = [.. LiveMounts()];
            var answers = new List<(VfsMount Mount, InitFlags Accepted)>();
            while (true)
            {
                InitFlags missing = None;
                answers.Clear();
                foreach (VfsMount mount in mounts)
                {
                    Errno error = InitMounted(context, mount, flags, out InitFlags answer);
                    if (error != Errno.OK)
                    {
                        VfsLog.InitFailed(_logger, mount.Path, error);
                        Undo(context, mounts, mount);
                        return error;
                    }

                    InitFlags lacking = flags & MustHonour & ~answer;
                    if (lacking != None)
                    {
                        VfsLog.FlagsLeftOut(_logger, mount.Path, lacking);
                    }

                    missing |= lacking;
                    answers.Add((mount, answer));
                }

                if (missing == None)
                {
                    break;
                }

                // Again for all, with what is left: each must know what was agreed on. It ends, as flags only go.
                flags &= ~missing;
            }

            _session = flags;
            Publish(answers.ToArray());
            accepted = flags;
            return Errno.OK;
        }
    }

    /// <inheritdoc/>
    public void Destroy(in RequestContext context)
    {
        lock (_lock)
        {
            EndSession(context);
        }
    }

    private Errno InitMounted(in RequestContext context, VfsMount mount, InitFlags offered, out InitFlags accepted)
    {
        if (_notifications is { } sink)
        {
            mount.FileSystem.Attach(MountNotifications.For(mount, sink, _services));
        }

        return mount.FileSystem.Init(context, offered, out accepted);
    }

    private void Undo(in RequestContext context, VfsMount[] mounts, VfsMount failed)
    {
        foreach (VfsMount mount in mounts.TakeWhile(mount => mount != failed))
        {
            DestroyMounted(context, mount);
        }
    }

    /// <summary>The client holds nothing any more: no node of a mount that is left, no index of one that is gone.</summary>
    private void EndSession(in RequestContext context)
    {
        if (_session is null)
        {
            return;
        }

        _session = null;
        foreach (VfsMount mount in _mounts.OfType<VfsMount>().ToArray())
        {
            switch (mount.State)
            {
                case MountState.Live:
                    DestroyMounted(context, mount);
                    break;
                case MountState.Detached:
                    Revoke(mount);
                    mount.Slot.Holds.Clear();
                    break;
                default:
                    mount.Slot.Holds.Clear();
                    break;
            }
        }

        // New counts, so that a request of the old session that is still under way does not count in the next one.
        Publish([.. LiveMounts().Select(mount => (mount, (InitFlags)ulong.MaxValue))]);
    }
}
