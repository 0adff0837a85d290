using System;

namespace PassthroughFs.Core.Api;

/// <summary>
/// A file system as a FUSE client sees it, with no transport: each request is one call. See
/// <see cref="DelegatingFileSystem"/> for wrapping one.
/// </summary>
/// <remarks>
/// <para>
/// Calls come from any number of threads at once; each runs to its end on the thread that made it. What a client or
/// the host can cause is answered by an <see cref="Errno"/>, never by an exception; results are valid only with
/// <see cref="Errno.OK"/>.
/// </para>
/// <para>
/// Names are bytes without NUL, one path component of 1 to 255 bytes. Spans, sinks and the context are borrowed: valid
/// until the call returns. Offsets, sizes and lengths are bytes. Each member says what it adds to a node's lookup
/// count; one that does not mention it adds nothing.
/// </para>
/// <para>
/// Each member has a default that answers <see cref="Errno.ENOSYS"/>: implement what the file system has. For some
/// operations the client takes ENOSYS as "never ask again"; they say so. Besides what is listed for a member: EBADF
/// for a node or handle that is not known, EINVAL and ENAMETOOLONG for a name, EROFS for changes where the file system
/// is read-only, and whatever the host answers.
/// </para>
/// </remarks>
public interface IFileSystem
{
    /// <summary>Says what the session that is about to start offers besides requests. Comes before each Init.</summary>
    /// <remarks>
    /// A wrapper that looks at what is read or written, or changes it, passes no
    /// <see cref="SessionServices.BackingFiles"/> on: the client's reads and writes would go past it.
    /// </remarks>
    /// <param name="services">Valid until the next call, or for good.</param>
    void Attach(in SessionServices services)
    {
    }

    /// <summary>Starts a session: client and server agree on what both can do.</summary>
    /// <param name="context">Who asks.</param>
    /// <param name="offered">What the client can do.</param>
    /// <param name="accepted">
    /// What of it the file system acts on; anything that was not offered is ignored by the caller.
    /// </param>
    /// <returns>Whatever makes a session impossible, as ENOENT for a directory to serve that is not there.</returns>
    Errno Init(in RequestContext context, InitFlags offered, out InitFlags accepted)
    {
        accepted = InitFlags.None;
        return Errno.OK;
    }

    /// <summary>
    /// Ends a session: every node but the root and every handle is gone, as after a forget and release.
    /// </summary>
    void Destroy(in RequestContext context)
    {
    }

    /// <summary>Finds <paramref name="name"/> in <paramref name="parent"/>. "." and ".." are allowed.</summary>
    /// <remarks>Adds 1 to the lookup count of the node in <paramref name="entry"/>.</remarks>
    /// <param name="context">Who asks.</param>
    /// <param name="parent">A directory.</param>
    /// <param name="name">The name.</param>
    /// <param name="entry">The node; <see cref="NodeId.None"/> in it with OK is a cachable "no such name".</param>
    /// <returns>ENOENT, ENOTDIR, EACCES, ELOOP, …</returns>
    Errno Lookup(in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, out Entry entry)
    {
        entry = default;
        return Errno.ENOSYS;
    }

    /// <summary>
    /// Gives back <paramref name="count"/> lookups of a node. An unknown node and the root are ignored.
    /// </summary>
    /// <remarks>
    /// Takes <paramref name="count"/> from the lookup count, at most down to 0; at 0 the node is gone.
    /// </remarks>
    void Forget(in RequestContext context, NodeId node, ulong count)
    {
    }

    /// <summary>Gives back lookups of many nodes.</summary>
    /// <remarks>As <see cref="Forget"/> for each item.</remarks>
    void BatchForget(in RequestContext context, ReadOnlySpan<ForgetItem> items)
    {
        foreach (ref readonly ForgetItem item in items)
        {
            Forget(context, item.Node, item.Count);
        }
    }

    /// <summary>Gets a node's attributes, by an open file where <paramref name="handle"/> names one.</summary>
    /// <param name="context">Who asks.</param>
    /// <param name="node">The node.</param>
    /// <param name="handle">An open file of it, or none.</param>
    /// <param name="reply">The attributes.</param>
    Errno GetAttr(in RequestContext context, NodeId node, Handle handle, out AttrReply reply)
    {
        reply = default;
        return Errno.ENOSYS;
    }

    /// <summary>Changes a node's attributes, in the order mode, owner, size, times; stops at the first error.</summary>
    /// <remarks>
    /// What was changed before an error stays changed. A request for nothing is what Linux sends before a write that
    /// costs set-id bits which it does not remove itself: they go, if the caller may write.
    /// </remarks>
    /// <param name="context">Who asks.</param>
    /// <param name="node">The node.</param>
    /// <param name="request">What to change; what its <see cref="SetAttrRequest.Valid"/> leaves out stays.</param>
    /// <param name="reply">All attributes as they are afterwards.</param>
    /// <returns>
    /// EPERM, EISDIR for the size of a directory, EINVAL for that of anything but a file, EFBIG, ESTALE as
    /// <see cref="Open"/> without a handle, …
    /// </returns>
    Errno SetAttr(in RequestContext context, NodeId node, in SetAttrRequest request, out AttrReply reply)
    {
        reply = default;
        return Errno.ENOSYS;
    }

    /// <summary>Reads where a symbolic link points to.</summary>
    /// <param name="context">Who asks.</param>
    /// <param name="node">A symbolic link.</param>
    /// <param name="target">
    /// Gets the target without NUL; <see cref="Linux.PATH_MAX"/> bytes hold any, fewer may get its beginning alone.
    /// </param>
    /// <param name="length">How many bytes were put into <paramref name="target"/>.</param>
    /// <returns>EINVAL if it is no symbolic link, …</returns>
    Errno ReadLink(in RequestContext context, NodeId node, Span<byte> target, out int length)
    {
        length = 0;
        return Errno.ENOSYS;
    }

    /// <summary>Makes a symbolic link, owned by the caller.</summary>
    /// <remarks>Adds 1 to the lookup count of the new node.</remarks>
    /// <returns>
    /// EEXIST, ENAMETOOLONG for a target of <see cref="Linux.PATH_MAX"/> bytes or more, ENOENT for an empty one, …
    /// </returns>
    Errno Symlink(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, ReadOnlySpan<byte> target, out Entry entry)
    {
        entry = default;
        return Errno.ENOSYS;
    }

    /// <summary>Makes a file, FIFO, socket or device, owned by the caller.</summary>
    /// <remarks>Adds 1 to the lookup count of the new node.</remarks>
    /// <param name="context">Who asks.</param>
    /// <param name="parent">A directory.</param>
    /// <param name="name">The new name.</param>
    /// <param name="mode">File type and permission bits, before the umask.</param>
    /// <param name="rdev">Device number of a device file, in the kernel's 32-bit encoding.</param>
    /// <param name="umask">The caller's umask, to be applied.</param>
    /// <param name="entry">The new node.</param>
    /// <returns>EEXIST, EPERM, …</returns>
    Errno Mknod(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, uint mode, uint rdev, uint umask,
        out Entry entry)
    {
        entry = default;
        return Errno.ENOSYS;
    }

    /// <summary>Makes a directory, owned by the caller.</summary>
    /// <remarks>Adds 1 to the lookup count of the new node.</remarks>
    /// <param name="context">Who asks.</param>
    /// <param name="parent">A directory.</param>
    /// <param name="name">The new name.</param>
    /// <param name="mode">Permission bits, before the umask.</param>
    /// <param name="umask">The caller's umask, to be applied.</param>
    /// <param name="entry">The new node.</param>
    /// <returns>EEXIST, EMLINK, …</returns>
    Errno Mkdir(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, uint mode, uint umask, out Entry entry)
    {
        entry = default;
        return Errno.ENOSYS;
    }

    /// <summary>Removes a name that is no directory. The node lives on while the client holds lookups of it.</summary>
    /// <returns>ENOENT, EISDIR, EPERM, EBUSY, …</returns>
    Errno Unlink(in RequestContext context, NodeId parent, ReadOnlySpan<byte> name) => Errno.ENOSYS;

    /// <summary>Removes an empty directory. The node lives on while the client holds lookups of it.</summary>
    /// <returns>ENOENT, ENOTDIR, ENOTEMPTY, EBUSY, …</returns>
    Errno Rmdir(in RequestContext context, NodeId parent, ReadOnlySpan<byte> name) => Errno.ENOSYS;

    /// <summary>Renames. Nodes keep their numbers.</summary>
    /// <param name="context">Who asks.</param>
    /// <param name="parent">The directory of the old name.</param>
    /// <param name="name">The old name.</param>
    /// <param name="newParent">The directory of the new name.</param>
    /// <param name="newName">The new name.</param>
    /// <param name="flags">RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT; 0 replaces.</param>
    /// <returns>
    /// EXDEV, EEXIST, ENOTEMPTY, EISDIR, ENOTDIR, EINVAL for other flags or a directory into itself, …
    /// </returns>
    Errno Rename(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, NodeId newParent,
        ReadOnlySpan<byte> newName, uint flags) => Errno.ENOSYS;

    /// <summary>Gives a node one more name.</summary>
    /// <remarks>Adds 1 to the lookup count of <paramref name="node"/>.</remarks>
    /// <param name="context">Who asks.</param>
    /// <param name="node">The node: a file of any type but a directory. A symbolic link is not followed.</param>
    /// <param name="newParent">The directory of the new name.</param>
    /// <param name="newName">The new name.</param>
    /// <param name="entry">The node again.</param>
    /// <returns>EEXIST, EPERM for a directory, EXDEV, EMLINK, …</returns>
    Errno Link(in RequestContext context, NodeId node, NodeId newParent, ReadOnlySpan<byte> newName, out Entry entry)
    {
        entry = default;
        return Errno.ENOSYS;
    }

    /// <summary>Opens a file. Directories are opened by <see cref="OpenDir"/>.</summary>
    /// <param name="context">Who asks.</param>
    /// <param name="node">The node.</param>
    /// <param name="flags">Open flags (<see cref="Linux"/>) without O_CREAT, O_EXCL and O_NOCTTY.</param>
    /// <param name="openFlags">FUSE's own flags.</param>
    /// <param name="reply">The handle, to be given back by <see cref="Release"/>.</param>
    /// <returns>
    /// EBADF for a FIFO, socket, device or symbolic link: those are the client's to open and follow. ENOSYS, after
    /// FUSE_NO_OPEN_SUPPORT was agreed on: reads and writes need no open, do not ask again. ESTALE for a file that has
    /// no name any more and that nobody here has open: look its name up again. EACCES, EMFILE, ETXTBSY, …
    /// </returns>
    Errno Open(in RequestContext context, NodeId node, uint flags, OpenRequestFlags openFlags, out OpenReply reply)
    {
        reply = default;
        return Errno.ENOSYS;
    }

    /// <summary>Reads into <paramref name="sink"/>; stops short only at the end of the file or on an error.</summary>
    /// <remarks>
    /// An error is the answer, and what the sink has got before it does not count: to a client that caches, a short
    /// answer says that the file ends there. Only where the open answered FOPEN_DIRECT_IO, or the request has O_DIRECT,
    /// a file system may answer OK with what it has read before an error.
    /// </remarks>
    /// <param name="context">Who asks.</param>
    /// <param name="node">The node.</param>
    /// <param name="handle">An open file of it; none where reading needs no open.</param>
    /// <param name="request">Where to read.</param>
    /// <param name="sink">Gets the data, as many as it has room for.</param>
    /// <returns>EISDIR, EBADF if the handle is not open for reading, …</returns>
    Errno Read(in RequestContext context, NodeId node, Handle handle, in ReadRequest request, ref DataSink sink) =>
        Errno.ENOSYS;

    /// <summary>Writes what is in <paramref name="source"/>; stops short only on an error.</summary>
    /// <remarks>
    /// An error is the answer, whatever was written before it. For a program's own write a file system answers OK with
    /// what it has written (<see cref="DataSource.Consumed"/>), and the error comes with the next call. A write out of
    /// the client's cache (<see cref="WriteFlags.FUSE_WRITE_CACHE"/>) has no next call: the rest would be lost unseen, so
    /// that its error must be answered. O_APPEND of <see cref="WriteRequest.Flags"/> is this write's alone, and of no
    /// meaning for one out of the cache.
    /// </remarks>
    /// <param name="context">Who asks.</param>
    /// <param name="node">The node.</param>
    /// <param name="handle">An open file of it; none where writing needs no open.</param>
    /// <param name="request">Where to write.</param>
    /// <param name="source">The data.</param>
    /// <returns>ENOSPC, EFBIG, EDQUOT, EBADF if the handle is not open for writing, …</returns>
    Errno Write(
        in RequestContext context, NodeId node, Handle handle, in WriteRequest request, ref DataSource source) =>
        Errno.ENOSYS;

    /// <summary>Describes the file system a node is on.</summary>
    Errno Statfs(in RequestContext context, NodeId node, out StatfsReply reply)
    {
        reply = default;
        return Errno.ENOSYS;
    }

    /// <summary>Gives an open file back; its handle is never valid again.</summary>
    /// <remarks>The file itself is closed when the calls under way that use it are done.</remarks>
    /// <returns>EBADF if it is not open. The client has no use for an error.</returns>
    Errno Release(in RequestContext context, NodeId node, Handle handle, in ReleaseRequest request) => Errno.ENOSYS;

    /// <summary>Makes a file's content durable, and unless <paramref name="dataSync"/> its attributes.</summary>
    /// <returns>EIO, … ENOSYS: the client reports success and does not ask again.</returns>
    Errno Fsync(in RequestContext context, NodeId node, Handle handle, bool dataSync) => Errno.ENOSYS;

    /// <summary>Sets an extended attribute.</summary>
    /// <param name="context">Who asks.</param>
    /// <param name="node">The node.</param>
    /// <param name="name">The attribute's name, with its namespace.</param>
    /// <param name="value">The value, at most <see cref="Linux.XATTR_SIZE_MAX"/> bytes.</param>
    /// <param name="flags">XATTR_CREATE, XATTR_REPLACE or 0.</param>
    /// <param name="killSgid">Remove the set-group-id bit (FUSE_SETXATTR_ACL_KILL_SGID).</param>
    /// <returns>EEXIST, ENODATA, EOPNOTSUPP, ERANGE, ESTALE as <see cref="Open"/>, … ENOSYS: do not ask again.</returns>
    Errno SetXattr(
        in RequestContext context, NodeId node, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, uint flags,
        bool killSgid) => Errno.ENOSYS;

    /// <summary>Gets an extended attribute.</summary>
    /// <param name="context">Who asks.</param>
    /// <param name="node">The node.</param>
    /// <param name="name">The attribute's name, with its namespace.</param>
    /// <param name="value">Gets the value; empty to ask for the size alone.</param>
    /// <param name="size">The value's size.</param>
    /// <returns>ENODATA, ERANGE if <paramref name="value"/> is too small, … ENOSYS: do not ask again.</returns>
    Errno GetXattr(in RequestContext context, NodeId node, ReadOnlySpan<byte> name, Span<byte> value, out int size)
    {
        size = 0;
        return Errno.ENOSYS;
    }

    /// <summary>Lists the names of extended attributes, each followed by a NUL.</summary>
    /// <param name="context">Who asks.</param>
    /// <param name="node">The node.</param>
    /// <param name="list">Gets the list; empty to ask for the size alone.</param>
    /// <param name="size">The list's size.</param>
    /// <returns>ERANGE if <paramref name="list"/> is too small, … ENOSYS: do not ask again.</returns>
    Errno ListXattr(in RequestContext context, NodeId node, Span<byte> list, out int size)
    {
        size = 0;
        return Errno.ENOSYS;
    }

    /// <summary>Removes an extended attribute.</summary>
    /// <returns>ENODATA, ESTALE as <see cref="Open"/>, … ENOSYS: do not ask again.</returns>
    Errno RemoveXattr(in RequestContext context, NodeId node, ReadOnlySpan<byte> name) => Errno.ENOSYS;

    /// <summary>
    /// A file descriptor of the open file was closed in the client; may come more than once for a handle. POSIX locks of
    /// the owner on the node are gone.
    /// </summary>
    /// <returns>Errors of delayed writes: EIO, ENOSPC, EDQUOT, … ENOSYS: success, do not ask again.</returns>
    Errno Flush(in RequestContext context, NodeId node, Handle handle, LockOwner lockOwner) => Errno.ENOSYS;

    /// <summary>Asks whether a lock could be had.</summary>
    /// <param name="context">Who asks.</param>
    /// <param name="node">A regular file.</param>
    /// <param name="handle">An open file of it.</param>
    /// <param name="owner">Whose lock it would be: the owner's own locks are in nobody's way.</param>
    /// <param name="wanted">The lock.</param>
    /// <param name="found">
    /// One that is in the way, or <see cref="LockType.F_UNLCK"/> if there is none. The process is 0 where nobody knows.
    /// </param>
    /// <returns>… ENOSYS: not supported.</returns>
    Errno GetLk(
        in RequestContext context, NodeId node, Handle handle, LockOwner owner, in FileLock wanted, out FileLock found)
    {
        found = default;
        return Errno.ENOSYS;
    }

    /// <summary>Sets or removes a lock. Never waits.</summary>
    /// <remarks>
    /// POSIX locks go with the first <see cref="Flush"/> of their owner, flock's with the <see cref="Release"/> of the
    /// open file. Waiting for one is the caller's affair, by trying again (<see cref="Protocol.FuseSession"/> does that
    /// where its transport can reply later).
    /// </remarks>
    /// <param name="context">Who asks.</param>
    /// <param name="node">A regular file; with flock a directory as well.</param>
    /// <param name="handle">An open file of it.</param>
    /// <param name="owner">Whose lock it is. With flock the open file is the owner.</param>
    /// <param name="wanted">The lock; what the owner has on the same bytes is replaced.</param>
    /// <param name="flags">Which kind.</param>
    /// <returns>
    /// EAGAIN if somebody else's is in the way, EBADF if the file is not open for what the lock is for, ENOLCK if there
    /// are too many, … ENOSYS: not supported.
    /// </returns>
    Errno SetLk(
        in RequestContext context, NodeId node, Handle handle, LockOwner owner, in FileLock wanted, LockFlags flags) =>
        Errno.ENOSYS;

    /// <summary>Opens a directory for listing.</summary>
    /// <param name="context">Who asks.</param>
    /// <param name="node">A directory.</param>
    /// <param name="flags">Open flags (<see cref="Linux"/>).</param>
    /// <param name="reply">The handle, to be given back by <see cref="ReleaseDir"/>.</param>
    /// <returns>
    /// ENOTDIR, … ENOSYS, after FUSE_NO_OPENDIR_SUPPORT was agreed on: listing needs no open, do not ask again.
    /// </returns>
    Errno OpenDir(in RequestContext context, NodeId node, uint flags, out OpenReply reply)
    {
        reply = default;
        return Errno.ENOSYS;
    }

    /// <summary>Lists a directory from a cookie on.</summary>
    /// <param name="context">Who asks.</param>
    /// <param name="node">A directory.</param>
    /// <param name="handle">From <see cref="OpenDir"/>.</param>
    /// <param name="offset">0 for the start, or the cookie of the last entry that was delivered.</param>
    /// <param name="sink">Gets entries until it is full; an empty one at the end of the directory.</param>
    /// <returns>EINVAL if not even one entry fits, …</returns>
    Errno ReadDir(in RequestContext context, NodeId node, Handle handle, ulong offset, DirectorySink sink) =>
        Errno.ENOSYS;

    /// <summary>Lists a directory with each entry's node, as <see cref="ReadDir"/> and a lookup of each name.</summary>
    /// <remarks>
    /// Adds 1 to the lookup count of each node that was delivered, and of no other; "." and ".." name no node.
    /// </remarks>
    Errno ReadDirPlus(in RequestContext context, NodeId node, Handle handle, ulong offset, DirectorySink sink) =>
        Errno.ENOSYS;

    /// <summary>Gives an open directory back; its handle is never valid again.</summary>
    /// <returns>EBADF if it is not open. The client has no use for an error.</returns>
    Errno ReleaseDir(in RequestContext context, NodeId node, Handle handle, uint flags) => Errno.ENOSYS;

    /// <summary>Makes a directory's entries durable, and unless <paramref name="dataSync"/> its attributes.</summary>
    /// <returns>EIO, … ENOSYS: the client reports success and does not ask again.</returns>
    Errno FsyncDir(in RequestContext context, NodeId node, Handle handle, bool dataSync) => Errno.ENOSYS;

    /// <summary>Asks whether the caller may do something.</summary>
    /// <param name="context">Who asks.</param>
    /// <param name="node">The node.</param>
    /// <param name="mask">R_OK, W_OK and X_OK, any of them; F_OK only asks whether it is there.</param>
    /// <returns>EACCES, EROFS, EINVAL for other bits, … ENOSYS: always yes, do not ask again.</returns>
    Errno Access(in RequestContext context, NodeId node, uint mask) => Errno.ENOSYS;

    /// <summary>
    /// Makes a regular file, owned by the caller, and opens it; opens what exists unless O_EXCL is set.
    /// </summary>
    /// <remarks>
    /// Adds 1 to the lookup count of the node in <paramref name="entry"/>, and makes a handle unless opens are not
    /// needed. With an error neither.
    /// </remarks>
    /// <param name="context">Who asks.</param>
    /// <param name="parent">A directory.</param>
    /// <param name="name">The name.</param>
    /// <param name="request">What to make, and how to open it.</param>
    /// <param name="entry">The node.</param>
    /// <param name="reply">The handle, to be given back by <see cref="Release"/>.</param>
    /// <returns>EEXIST with O_EXCL, EISDIR, ELOOP for a symbolic link, … ENOSYS: use mknod and open.</returns>
    Errno Create(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, in CreateRequest request, out Entry entry,
        out OpenReply reply)
    {
        entry = default;
        reply = default;
        return Errno.ENOSYS;
    }

    /// <summary>
    /// Makes a regular file with no name in <paramref name="parent"/>, owned by the caller, and opens it.
    /// </summary>
    /// <remarks>Adds 1 to the lookup count of the node in <paramref name="entry"/>, and makes a handle.</remarks>
    /// <returns>EOPNOTSUPP where the host's file system has none, … ENOSYS: do not ask again.</returns>
    Errno TmpFile(
        in RequestContext context, NodeId parent, in CreateRequest request, out Entry entry, out OpenReply reply)
    {
        entry = default;
        reply = default;
        return Errno.ENOSYS;
    }

    /// <summary>Allocates, punches, zeroes, collapses or inserts a range of a file.</summary>
    /// <remarks>
    /// Clients do not say whether this costs set-id bits: it does if the caller is not root. The same for
    /// <see cref="CopyFileRange"/>.
    /// </remarks>
    /// <param name="context">Who asks.</param>
    /// <param name="node">The node.</param>
    /// <param name="handle">An open file of it.</param>
    /// <param name="mode">FALLOC_FL_* flags.</param>
    /// <param name="offset">Where the range starts.</param>
    /// <param name="length">Its length.</param>
    /// <returns>EOPNOTSUPP, ENOSPC, EFBIG, EINVAL, … ENOSYS: not supported, do not ask again.</returns>
    Errno Fallocate(
        in RequestContext context, NodeId node, Handle handle, uint mode, ulong offset, ulong length) => Errno.ENOSYS;

    /// <summary>Finds the next data or hole of a file.</summary>
    /// <remarks>
    /// With <see cref="InitFlags.FUSE_WRITEBACK_CACHE"/> agreed on, answer ENOSYS: the client may hold data of the file
    /// that it has not sent yet, and would take them for a hole. A Linux client then counts a whole file as data, for as
    /// long as the session lasts.
    /// </remarks>
    /// <param name="context">Who asks.</param>
    /// <param name="node">The node.</param>
    /// <param name="handle">An open file of it.</param>
    /// <param name="offset">Where to begin.</param>
    /// <param name="whence">SEEK_DATA or SEEK_HOLE.</param>
    /// <param name="result">The offset found.</param>
    /// <returns>ENXIO beyond the end, EINVAL for another whence, … ENOSYS: do not ask again.</returns>
    Errno Lseek(
        in RequestContext context, NodeId node, Handle handle, ulong offset, uint whence, out ulong result)
    {
        result = 0;
        return Errno.ENOSYS;
    }

    /// <summary>Copies from one open file to another inside the host; may copy less than asked.</summary>
    /// <param name="context">Who asks.</param>
    /// <param name="request">From where, to where, how much.</param>
    /// <param name="copied">How many bytes; 0 at the end of the source.</param>
    /// <returns>EXDEV, EINVAL for overlapping ranges, EISDIR, … ENOSYS: do not ask again.</returns>
    Errno CopyFileRange(in RequestContext context, in CopyFileRangeRequest request, out ulong copied)
    {
        copied = 0;
        return Errno.ENOSYS;
    }

    /// <summary>Makes the whole file system a node is on durable.</summary>
    /// <returns>EIO, … ENOSYS: do not ask again.</returns>
    Errno SyncFs(in RequestContext context, NodeId node) => Errno.ENOSYS;

    /// <summary>Gets a node's attributes with birth time and the rest of <c>statx</c>.</summary>
    /// <param name="context">Who asks.</param>
    /// <param name="node">The node.</param>
    /// <param name="handle">An open file of it, or none.</param>
    /// <param name="flags">AT_STATX_* flags.</param>
    /// <param name="mask">Which fields are wanted (STATX_*).</param>
    /// <param name="reply">The attributes.</param>
    /// <returns>… ENOSYS: do not ask again.</returns>
    Errno Statx(
        in RequestContext context, NodeId node, Handle handle, uint flags, uint mask, out StatxReply reply)
    {
        reply = default;
        return Errno.ENOSYS;
    }

    /// <summary>A device-specific operation on an open file.</summary>
    /// <param name="context">Who asks.</param>
    /// <param name="node">The node.</param>
    /// <param name="handle">An open file of it.</param>
    /// <param name="command">The command, <c>ioctl</c>'s second argument.</param>
    /// <param name="argument">
    /// The third argument as the caller gave it: an address in the client, of no use as such.
    /// </param>
    /// <param name="input">What the command passes in.</param>
    /// <param name="output">Gets what the command passes out.</param>
    /// <param name="written">How many bytes of <paramref name="output"/> are set.</param>
    /// <param name="result">What <c>ioctl</c> returns.</param>
    /// <returns>ENOTTY: no such command.</returns>
    Errno Ioctl(
        in RequestContext context, NodeId node, Handle handle, uint command, ulong argument, ReadOnlySpan<byte> input,
        Span<byte> output, out int written, out int result)
    {
        written = 0;
        result = 0;
        return Errno.ENOTTY;
    }

    /// <summary>Maps a block of a file to a block of its device.</summary>
    /// <param name="context">Who asks.</param>
    /// <param name="node">The node.</param>
    /// <param name="block">The block of the file, in units of <paramref name="blockSize"/>.</param>
    /// <param name="blockSize">In bytes.</param>
    /// <param name="result">The block of the device, in the same units.</param>
    /// <returns>ENOSYS: not supported, do not ask again.</returns>
    Errno Bmap(in RequestContext context, NodeId node, ulong block, uint blockSize, out ulong result)
    {
        result = 0;
        return Errno.ENOSYS;
    }

    /// <summary>Asks which events are ready on an open file.</summary>
    /// <param name="context">Who asks.</param>
    /// <param name="node">The node.</param>
    /// <param name="handle">An open file of it.</param>
    /// <param name="events">Which are wanted (POLLIN, POLLOUT, …).</param>
    /// <param name="ready">Which are ready.</param>
    /// <returns>… ENOSYS: always ready, do not ask again.</returns>
    Errno Poll(in RequestContext context, NodeId node, Handle handle, uint events, out uint ready)
    {
        ready = 0;
        return Errno.ENOSYS;
    }

    /// <summary>Maps a range of a file into the client's window, in place of what was mapped there.</summary>
    /// <param name="context">Who asks.</param>
    /// <param name="node">A regular file.</param>
    /// <param name="handle">
    /// An open file of it, or none, as Linux asks: then the node is opened for this one call.
    /// </param>
    /// <param name="mapping">
    /// What to map. Checked against the window by the caller; may lie behind the file's end.
    /// </param>
    /// <param name="window">Where to. Borrowed until the call returns.</param>
    /// <returns>
    /// EACCES where the handle does not allow it, EISDIR, ETXTBSY, … ENOSYS: not supported.
    /// </returns>
    Errno SetupMapping(
        in RequestContext context, NodeId node, Handle handle, in DaxMapping mapping, IDaxWindow window) =>
        Errno.ENOSYS;

    /// <summary>Takes ranges out of the client's window. Those ahead of one that fails are gone.</summary>
    /// <param name="context">Who asks.</param>
    /// <param name="node">The file the client maps there; not to be relied on, the window is the client's.</param>
    /// <param name="ranges">Which. Checked against the window by the caller.</param>
    /// <param name="window">Where from. Borrowed until the call returns.</param>
    /// <returns>… ENOSYS: not supported.</returns>
    Errno RemoveMapping(
        in RequestContext context, NodeId node, ReadOnlySpan<DaxRange> ranges, IDaxWindow window) => Errno.ENOSYS;
}
