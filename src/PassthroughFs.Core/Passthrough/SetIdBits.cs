using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;

namespace PassthroughFs.Core.Passthrough;

/// <summary>
/// Has the host remove a file's set-id bits with a change as it does for the caller, although it is the server that
/// makes the change.
/// </summary>
/// <remarks>
/// <para>
/// The host keeps the bits for whoever has CAP_FSETID, and set-group-id without group execution for members of the
/// file's group. So around the one system call the thread does without that capability, and for such a file it is in the
/// caller's groups. The host decides under its own lock: no other process sees the change with the bits still there.
/// </para>
/// <para>
/// Security capabilities need none of this: the host removes them with each change, whoever makes it.
/// </para>
/// </remarks>
/// <param name="identity">The server's.</param>
/// <param name="notifications">Tell the client of bits that may be gone; null without a way to it.</param>
/// <param name="knowsGroups">Whether callers are processes of this host, so that their groups can be read.</param>
/// <param name="clientAsks">
/// Whether the client says of each write and truncation whether it costs the bits (FUSE_HANDLE_KILLPRIV_V2).
/// </param>
internal sealed unsafe class SetIdBits(
    ProcessIdentity identity, INotificationSink? notifications, bool knowsGroups, bool clientAsks)
{
    private const uint S_IXGRP = 8;
    private const uint Both = Linux.S_ISUID | Linux.S_ISGID;

    /// <summary>Whether a truncation is one for a caller who may not keep the bits.</summary>
    /// <param name="context">The caller.</param>
    /// <param name="asked">What the client says.</param>
    public bool EndWithTruncation(in RequestContext context, bool asked) =>
        asked || (!clientAsks && EndWithChange(context));

    /// <summary>Whether a change of which clients never say it is one for a caller who may not keep the bits.</summary>
    public static bool EndWithChange(in RequestContext context) => context.Uid != 0;

    /// <summary>
    /// Prepares this thread for the one system call that changes a file. <see cref="End"/> must follow, and there is
    /// nothing but that call in between, or an open with all that it takes.
    /// </summary>
    /// <param name="costs">Whether the change costs the bits; if not, nothing is done, here and afterwards.</param>
    /// <param name="context">The caller; the thread is the server's.</param>
    /// <param name="fd">The file, O_PATH is enough.</param>
    public Removal Begin(bool costs, in RequestContext context, int fd)
    {
        if (!costs)
        {
            return default;
        }

        var removal = new Removal { Had = BitsOf(fd, out _) };
        if (context.Uid != ProcessIdentity.NoId || (removal.Had & Both) == 0)
        {
            return Begin(context, removal);
        }

        RequestContext caller = Find(context);
        return EndWithChange(caller) ? Begin(caller, removal) : default;
    }

    /// <summary>Makes this thread the server again.</summary>
    public void End(in Removal removal)
    {
        if (removal.Dropped)
        {
            ProcessIdentity.RestoreFsetid(removal.Before);
        }

        identity.Return(removal.Switched);
    }

    /// <summary>Tells the client after a change whose answer has no attributes, if the file had bits.</summary>
    /// <remarks>
    /// Data is left alone, so that the client takes no lock of the node's, which it may hold for this request. ENOENT: it
    /// does not know the node any more.
    /// </remarks>
    public void Tell(NodeId node, in Removal removal)
    {
        if ((removal.Had & Both) != 0)
        {
            _ = notifications?.InvalidateInode(node, -1, 0);
        }
    }

    /// <summary>The mode that chmod leaves on the host, where set-group-id is only a member's to set.</summary>
    /// <param name="context">The caller; the thread is the server's.</param>
    /// <param name="fd">The file, O_PATH is enough.</param>
    /// <param name="mode">What the client sets.</param>
    public uint ModeFor(in RequestContext context, int fd, uint mode)
    {
        if (!knowsGroups || (mode & (Linux.S_ISGID | S_IXGRP)) != Linux.S_ISGID)
        {
            return mode;
        }

        RequestContext caller = Find(context);
        if (!EndWithChange(caller))
        {
            return mode;
        }

        uint now = BitsOf(fd, out uint group);
        return Linux.S_ISREG(now) && !ProcessIdentity.IsMember(caller, group) ? mode & ~Linux.S_ISGID : mode;
    }

    /// <summary>
    /// Removes the bits, and capabilities, without another change: for a client that is about to write, and asks for it
    /// by setting nothing.
    /// </summary>
    public Errno Remove(in RequestContext context, int fd)
    {
        byte empty = 0;
        Removal removal = Begin(EndWithChange(context), context, fd);

        // To change the owner to whoever it is costs the bits by the same rules.
        int status = (removal.Had & Both) == 0 || !Linux.S_ISREG(removal.Had)
            ? 0
            : Sys.FchownAt(
                fd, &empty, ProcessIdentity.NoId, ProcessIdentity.NoId,
                Constants.AT_EMPTY_PATH | Constants.AT_SYMLINK_NOFOLLOW);
        End(removal);
        return status < 0 ? (Errno)(-status) : Errno.OK;
    }

    /// <summary>
    /// The caller, as its process tells where the client does not (FUSE_ALLOW_IDMAP); where neither does, somebody who may
    /// keep no bits.
    /// </summary>
    public RequestContext Find(in RequestContext context) =>
        context.Uid == ProcessIdentity.NoId && knowsGroups &&
        CallerProcess.TryReadIds(context.Pid, out uint uid, out uint gid)
            ? new RequestContext { Uid = uid, Gid = gid, Pid = context.Pid, Id = context.Id }
            : context;

    private Removal Begin(in RequestContext context, Removal removal)
    {
        if ((removal.Had & (Both | S_IXGRP)) is Linux.S_ISGID or Both)
        {
            removal.Switched = identity.JoinGroups(context, knowsGroups);
        }

        removal.Dropped = identity.DropFsetid(out removal.Before);
        return removal;
    }

    private static uint BitsOf(int fd, out uint group)
    {
        StatxBuffer stat;
        const uint Mask = Constants.STATX_TYPE | Constants.STATX_MODE | Constants.STATX_GID;
        bool known = Sys.StatxFd(fd, Mask, &stat) == 0;
        group = known ? stat.stx_gid : ProcessIdentity.NoId;
        return known ? stat.stx_mode : Both;
    }

    /// <summary>What one change found, and what it changed of its thread.</summary>
    public struct Removal
    {
        /// <summary>The file's mode before; set-id bits if it is not known.</summary>
        public uint Had;

        public bool Dropped;
        public CapabilityData Before;
        public ProcessIdentity.Switched Switched;
    }
}
