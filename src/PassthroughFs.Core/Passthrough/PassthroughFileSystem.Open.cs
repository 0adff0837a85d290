using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;

namespace PassthroughFs.Core.Passthrough;

/// <remarks>
/// Opening what the client has looked up. Its name may be gone by then: the host removed or replaced it while the
/// client's entry was valid. What would be written then nobody would ever read, so that ESTALE tells the client to look
/// the name up again.
/// </remarks>
public sealed unsafe partial class PassthroughFileSystem
{
    private readonly LookAgain _lookAgain = new();

    /// <summary>Opens a node for the client.</summary>
    /// <param name="context">The caller.</param>
    /// <param name="inode">The node.</param>
    /// <param name="flags">The client's open flags.</param>
    /// <param name="openFlags">FUSE's own.</param>
    /// <param name="isFresh">
    /// Whether this request has looked it up by its name: then it is the one that is meant, whatever its name leads to
    /// by now.
    /// </param>
    /// <param name="reply">The handle.</param>
    private Errno OpenNode(
        in RequestContext context, in HostInode inode, uint flags, OpenRequestFlags openFlags, bool isFresh,
        out OpenReply reply)
    {
        reply = default;
        bool truncates = (flags & Linux.O_TRUNC) != 0;
        if (Config.ReadOnly && ((flags & Linux.O_ACCMODE) != Linux.O_RDONLY || truncates))
        {
            return Errno.EROFS;
        }

        if (Config.SealSize && truncates)
        {
            return Errno.EPERM;
        }

        if (Config.CheckPermissions && (flags & Constants.FMODE_EXEC) != 0 && Linux.S_ISREG(inode.Mode))
        {
            return OpenProgram(context, inode, isFresh, out reply);
        }

        uint hostFlags = WritebackFlags(flags);
        bool asked = (openFlags & OpenRequestFlags.FUSE_OPEN_KILL_SUIDGID) != 0;
        Errno result = truncates
            ? OpenTruncating(context, inode, hostFlags, asked, isFresh, out int fd)
            : OpenNamed(context, inode, hostFlags, isFresh, out fd);
        return result == Errno.OK
            ? AddFile(inode.Node, inode.Key.Dev, fd, hostFlags & ~Linux.O_TRUNC, out reply)
            : result;
    }

    /// <summary>Makes the handle of a file that was opened for the client; the fd is taken over.</summary>
    private Errno AddFile(NodeId node, ulong device, int fd, uint flags, out OpenReply reply)
    {
        HostFileSystemKind kind = _hostFileSystems.KindOf(device, fd);
        bool isUnsized = IsUnsized(kind, fd, flags);
        OpenReplyFlags replyFlags = isUnsized ? OpenReplyFlags.FOPEN_DIRECT_IO : FileReplyFlags(flags);
        if (HasNothingToFlush(kind, flags))
        {
            replyFlags |= OpenReplyFlags.FOPEN_NOFLUSH;
        }

        // What is made when it is read, the kernel's own way of reading cannot read everywhere.
        BackingTable? backing = isUnsized ? null : _backed.TableFor(kind);
        int id = backing?.Open(node, fd, (flags & Linux.O_ACCMODE) == Linux.O_RDWR) ?? 0;
        if (id != 0)
        {
            // The cache policy is about the client's own cache, which is not used; with its flags the open would fail.
            replyFlags = OpenReplyFlags.FOPEN_PASSTHROUGH | (replyFlags & OpenReplyFlags.FOPEN_NOFLUSH);
        }

        if (kind == HostFileSystemKind.Quiet)
        {
            flags |= OpenFileSlot.EndsShort;
        }

        if ((replyFlags & OpenReplyFlags.FOPEN_DIRECT_IO) != 0)
        {
            flags |= OpenFileSlot.AnswersParts;
        }

        Errno result = AddHandle(node, fd, flags, replyFlags, out reply);
        reply.BackingId = id;
        if (result != Errno.OK)
        {
            backing?.Release(node);
        }

        return result;
    }

    private Errno OpenNamed(
        in RequestContext context, in HostInode inode, uint flags, bool isFresh, out int fd)
    {
        Errno result = OpenInode(context, inode, flags, out fd);
        return result == Errno.OK && !isFresh && IsGone(context, inode, fd) ? CloseAfter(fd, Errno.ESTALE) : result;
    }

    /// <summary>Opens a file with O_TRUNC, once it is known that it is the one that is meant.</summary>
    private Errno OpenTruncating(
        in RequestContext context, in HostInode inode, uint flags, bool killSuidgid, bool isFresh, out int fd)
    {
        fd = -1;
        Errno result = GetNode(context, inode.Node, out NodeFd node);
        if (result != Errno.OK)
        {
            return result;
        }

        using (node)
        {
            if (!isFresh && IsGone(context, inode, node.Value))
            {
                return Errno.ESTALE;
            }

            SetIdBits setIdBits = _negotiated.SetIdBits;
            bool costsBits = setIdBits.EndWithTruncation(context, killSuidgid);
            SetIdBits.Removal removal = setIdBits.Begin(costsBits, context, node.Value);
            result = OpenInode(context, inode, flags, out fd);
            setIdBits.End(removal);
            setIdBits.Tell(inode.Node, removal);
            return result;
        }
    }

    /// <summary>
    /// Opens a file that the client's kernel will run, where the host checks: whoever may execute it may, and need not
    /// be allowed to read it.
    /// </summary>
    private Errno OpenProgram(in RequestContext context, in HostInode inode, bool isFresh, out OpenReply reply)
    {
        reply = default;
        Errno result = GetNode(context, inode.Node, out NodeFd node);
        if (result != Errno.OK)
        {
            return result;
        }

        using (node)
        {
            result = Check(context, node.Value, Linux.X_OK);
            if (result != Errno.OK)
            {
                return result;
            }

            int fd = _budget.Reopen(node.Value, Linux.O_RDONLY);
            if (fd < 0)
            {
                return NoteDescriptors((Errno)(-fd));
            }

            return !isFresh && IsGone(context, inode, fd)
                ? CloseAfter(fd, Errno.ESTALE)
                : AddFile(inode.Node, inode.Key.Dev, fd, Linux.O_RDONLY, out reply);
        }
    }

    /// <summary>
    /// Opens an inode for more than O_PATH: the one place where that happens for a client. Never with O_APPEND, which is
    /// a write's and not an open file's.
    /// </summary>
    private Errno OpenInode(in RequestContext context, in HostInode inode, uint flags, out int fd)
    {
        fd = -1;
        flags &= ~Linux.O_APPEND;
        if (!IsSafe(inode.Mode))
        {
            return Errno.EBADF;
        }

        int result;
        int tries = 0;
        do
        {
            if (Config.CheckPermissions)
            {
                result = OpenAsCaller(context, inode, flags);
            }
            else
            {
                result = inode.Fd >= 0
                    ? _proc.Reopen(inode.Fd, flags)
                    : _mounts.Open(inode.Mount, inode.Handle, flags | Linux.O_CLOEXEC);
            }
        }
        while (result < 0 && _budget.TryMakeRoom(result, ref tries));
        if (result < 0)
        {
            return NoteStale(context, inode.Node, NoteDescriptors((Errno)(-result)));
        }

        fd = result;
        return Errno.OK;
    }

    /// <summary>Opens an inode as the caller, so that the host checks. Returns an fd, or the error negated.</summary>
    private int OpenAsCaller(in RequestContext context, in HostInode inode, uint flags)
    {
        // By handle only the server may open, and nothing is checked: that gives an O_PATH fd at first.
        Errno result = GetNode(inode.Node, out NodeFd node);
        if (result != Errno.OK)
        {
            return -(int)result;
        }

        using (node)
        {
            result = BecomeCaller(context, out ProcessIdentity.Switched switched);
            if (result != Errno.OK)
            {
                return -(int)result;
            }

            int fd = _proc.Reopen(node.Value, flags);
            _identity.Return(switched);
            return fd;
        }
    }

    /// <summary>Remembers a caller to whom the host itself says ESTALE, of an inode that is kept by handle.</summary>
    private Errno NoteStale(in RequestContext context, NodeId node, Errno result)
    {
        if (result == Errno.ESTALE)
        {
            _ = _lookAgain.Tell(context.Pid, node);
        }

        return result;
    }

    /// <summary>
    /// Sees to it that a caller who was told ESTALE can use what it has looked up since, whatever the host removes
    /// meanwhile: an inode that is kept by handle gets a descriptor, or its name is looked up once more.
    /// </summary>
    private Errno HoldFound(in RequestContext context, int directory, byte* path, ref Entry entry)
    {
        for (int looks = 1; !TryHold(entry.Node) && looks < MaxMakes; looks++)
        {
            _inodes.Forget(entry.Node, 1);
            Errno result = LookupAt(directory, path, out entry);
            if (result != Errno.OK)
            {
                return result;
            }

            _lookAgain.FoundInstead(context.Pid, entry.Node);
        }

        return Errno.OK;
    }

    /// <summary>Gives an inode that is kept by handle a descriptor, where there is room; false if it is gone.</summary>
    private bool TryHold(NodeId node)
    {
        using HostInode inode = _inodes.Get(node);
        if (inode.IsNone || inode.Fd >= 0 || !_budget.HasRoomForRemoved())
        {
            return true;
        }

        int fd = _mounts.Open(inode.Mount, inode.Handle, Linux.O_PATH | Linux.O_CLOEXEC);
        if (fd >= 0 && !_inodes.TryKeepFd(inode, fd))
        {
            _ = Sys.Close(fd);
        }

        return fd != -(int)Errno.ESTALE;
    }

    /// <summary>
    /// Whether a file has no name any more and nobody here has it open, so that who opens it must mean another: the one
    /// that has the name now. Who has it open, or made it without a name, opens it anew by <c>/proc/self/fd</c>.
    /// </summary>
    /// <param name="context">Who asks, and is told at most once in a row (<see cref="LookAgain"/>).</param>
    /// <param name="inode">The file.</param>
    /// <param name="fd">A descriptor of it.</param>
    private bool IsGone(in RequestContext context, in HostInode inode, int fd)
    {
        if (!Linux.S_ISREG(inode.Mode))
        {
            return false;
        }

        StatxBuffer stat;
        return Sys.StatxFd(fd, Constants.STATX_NLINK, &stat) == 0 &&
            IsGone(context, inode, fd, stat.stx_nlink);
    }

    /// <summary>As above, for a file whose links were counted.</summary>
    /// <remarks>Who implements FUSE or 9p need not count links, and 0 means nothing there.</remarks>
    private bool IsGone(in RequestContext context, in HostInode inode, int fd, uint links)
    {
        bool isGone = links == 0 && Linux.S_ISREG(inode.Mode) && !_negotiated.NoOpen && !_handles.HasAny(inode.Node) &&
            _hostFileSystems.KindOf(inode.Key.Dev, fd) != HostFileSystemKind.Foreign &&
            _lookAgain.Tell(context.Pid, inode.Node);
        if (!isGone)
        {
            _lookAgain.Forget(context.Pid);
        }

        return isGone;
    }
}
