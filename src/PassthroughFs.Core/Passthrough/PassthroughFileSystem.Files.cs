using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;

namespace PassthroughFs.Core.Passthrough;

public sealed unsafe partial class PassthroughFileSystem
{
    private readonly HostFileSystems _hostFileSystems = new();

    /// <summary>
    /// The open flags of a client that reach the host: how to read and write, and nothing that would find, make or
    /// follow.
    /// </summary>
    private static uint HostFlags => Linux.O_ACCMODE | Linux.O_APPEND | Linux.O_TRUNC | Linux.O_NONBLOCK | SyncFlags |
        Linux.O_DIRECT | Linux.O_NOATIME;

    private static uint SyncFlags => Linux.O_SYNC | Linux.O_DSYNC;

    /// <inheritdoc/>
    public Errno Open(
        in RequestContext context, NodeId node, uint flags, OpenRequestFlags openFlags, out OpenReply reply)
    {
        reply = default;
        if (_negotiated.NoOpen)
        {
            return Errno.ENOSYS;
        }

        using HostInode inode = _inodes.Get(node);
        if (inode.IsNone)
        {
            return Errno.EBADF;
        }

        return OpenNode(context, inode, flags, openFlags, isFresh: false, out reply);
    }

    /// <inheritdoc/>
    public Errno Release(in RequestContext context, NodeId node, Handle handle, in ReleaseRequest request)
    {
        if ((request.ReleaseFlags & ReleaseFlags.FUSE_RELEASE_FLOCK_UNLOCK) != 0)
        {
            // Closing is not enough where the kernel has the open file as well (BackingFiles).
            _ = SetFlock(node, handle, LockType.F_UNLCK);
        }

        Errno result = ReleaseHandle(node, handle, _negotiated.NoOpen);
        if (result == Errno.OK && !_locks.IsEmpty)
        {
            _locks.Release(handle);
        }

        return result;
    }

    /// <inheritdoc/>
    public Errno Flush(in RequestContext context, NodeId node, Handle handle, LockOwner lockOwner)
    {
        if (!_locks.IsEmpty)
        {
            _locks.End(node.Value, lockOwner.Value);
        }

        if (_negotiated.NoOpen && handle.IsNone)
        {
            return Errno.ENOSYS;
        }

        using OpenFile file = _handles.Get(handle, node);
        if (file.IsNone)
        {
            return Errno.EBADF;
        }

        // Closing a duplicate makes the host do what it does on close, and gives its error.
        int copy = _budget.Duplicate(file.Fd);
        int status = copy < 0 ? copy : Sys.Close(copy);
        return status < 0 ? NoteDescriptors((Errno)(-status)) : Errno.OK;
    }

    /// <inheritdoc/>
    public Errno Fsync(in RequestContext context, NodeId node, Handle handle, bool dataSync) =>
        Sync(context, node, handle, _negotiated.NoOpen, dataSync);

    /// <inheritdoc/>
    public Errno SyncFs(in RequestContext context, NodeId node)
    {
        using HostInode inode = _inodes.Get(node);
        if (inode.IsNone)
        {
            return Errno.EBADF;
        }

        Errno result = OpenInode(context, inode, Linux.O_RDONLY | Linux.O_NONBLOCK, out int fd);
        if (result != Errno.OK)
        {
            return result;
        }

        int status = Sys.Syncfs(fd);
        _ = Sys.Close(fd);
        return status < 0 ? (Errno)(-status) : Errno.OK;
    }

    /// <summary>
    /// What open flags become under writeback caching: the client reads pages of files that are open for writing only,
    /// and it finds the end for O_APPEND itself.
    /// </summary>
    internal uint WritebackFlags(uint flags)
    {
        flags &= HostFlags;
        if (!Config.AllowDirectIo)
        {
            flags &= ~Linux.O_DIRECT;
        }

        if (Config.SealSize)
        {
            // A write must land where it says, or a check of its end would mean nothing.
            flags &= ~Linux.O_APPEND;
        }

        if (!_negotiated.Writeback)
        {
            return flags;
        }

        if ((flags & Linux.O_ACCMODE) == Linux.O_WRONLY)
        {
            flags = (flags & ~Linux.O_ACCMODE) | Linux.O_RDWR;
        }

        return flags & ~Linux.O_APPEND;
    }

    private OpenReplyFlags FileReplyFlags(uint flags)
    {
        const OpenReplyFlags Direct = OpenReplyFlags.FOPEN_DIRECT_IO | OpenReplyFlags.FOPEN_PARALLEL_DIRECT_WRITES;
        return Config.CachePolicy switch
        {
            CachePolicy.Never or CachePolicy.Metadata => Direct,

            // Else Linux asks for attributes before each direct read, in case its cache has to go, and lets direct
            // writes to one file wait for each other.
            _ when (flags & Linux.O_DIRECT) != 0 && _negotiated is { DirectMayMap: true, Writeback: false } => Direct,
            CachePolicy.Always => OpenReplyFlags.FOPEN_KEEP_CACHE,
            _ => OpenReplyFlags.None,
        };
    }

    /// <summary>
    /// Whether closing a descriptor of a file does nothing on the host and has no error of its own, so that the client
    /// can spare a message for each close.
    /// </summary>
    /// <remarks>
    /// What a Linux client collects (writeback caching) it writes at each close all the same. A store to a mapping it
    /// writes when the mapping goes, or by msync, and no more at a close before that.
    /// </remarks>
    private bool HasNothingToFlush(HostFileSystemKind kind, uint flags) =>
        !_negotiated.PosixLocks && ((flags & Linux.O_ACCMODE) == Linux.O_RDONLY || kind == HostFileSystemKind.Quiet);

    /// <summary>
    /// Whether a file's size says nothing of what can be read, so that the client must not go by it: each read has to
    /// come here (FOPEN_DIRECT_IO).
    /// </summary>
    private static bool IsUnsized(HostFileSystemKind kind, int fd, uint flags)
    {
        if (kind != HostFileSystemKind.Foreign || (flags & Linux.O_ACCMODE) != Linux.O_RDONLY)
        {
            return kind == HostFileSystemKind.Unsized;
        }

        StatxBuffer stat;
        return Sys.StatxFd(fd, Constants.STATX_SIZE, &stat) == 0 && stat.stx_size == 0;
    }

    private ulong DeviceOf(NodeId node)
    {
        using HostInode inode = _inodes.Get(node);
        return inode.IsNone ? 0 : inode.Key.Dev;
    }

    private Errno AddHandle(NodeId node, int fd, uint flags, OpenReplyFlags replyFlags, out OpenReply reply)
    {
        if (!_budget.Admit(ref fd))
        {
            reply = default;
            return CloseAfter(fd, NoteDescriptors(Errno.EMFILE));
        }

        reply = new OpenReply { Handle = _handles.Add(node, fd, flags), Flags = replyFlags };
        _budget.Keep();
        return reply.Handle.IsNone ? _refusals.Handle() : Errno.OK;
    }

    private Errno ReleaseHandle(NodeId node, Handle handle, bool needsNone)
    {
        if (needsNone && handle.IsNone)
        {
            return Errno.ENOSYS;
        }

        if (!_handles.Release(handle, node))
        {
            return Errno.EBADF;
        }

        _backed.Release(node);
        return Errno.OK;
    }

    private Errno Sync(in RequestContext context, NodeId node, Handle handle, bool needsNoHandle, bool dataSync)
    {
        using OpenFile file = _handles.Get(handle, node);
        if (!file.IsNone)
        {
            return SyncFd(file.Fd, dataSync);
        }

        if (!needsNoHandle)
        {
            return Errno.EBADF;
        }

        using HostInode inode = _inodes.Get(node);
        if (inode.IsNone)
        {
            return Errno.EBADF;
        }

        Errno result = OpenInode(context, inode, Linux.O_RDONLY | Linux.O_NONBLOCK, out int fd);
        return result == Errno.OK ? CloseAfter(fd, SyncFd(fd, dataSync)) : result;
    }

    private static Errno SyncFd(int fd, bool dataSync)
    {
        int status = dataSync ? Sys.Fdatasync(fd) : Sys.Fsync(fd);
        return status < 0 ? (Errno)(-status) : Errno.OK;
    }

    private static Errno CloseAfter(int fd, Errno result)
    {
        _ = Sys.Close(fd);
        return result;
    }
}
