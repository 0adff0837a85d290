using System;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;

namespace PassthroughFs.Core.Passthrough;

public sealed unsafe partial class PassthroughFileSystem
{
    /// <summary>How often a node is looked for that comes and goes between two looks.</summary>
    private const int MaxLooks = 4;

    /// <inheritdoc/>
    public Errno Lookup(in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, out Entry entry)
    {
        entry = default;
        byte* path = stackalloc byte[Names.BufferSize];
        Errno result = Names.CopyForLookup(name, path);
        if (result != Errno.OK)
        {
            return result;
        }

        if (_export && Names.IsDots(name))
        {
            return LookupByNode(parent, name.Length == 2, out entry);
        }

        result = GetNode(context, parent, out NodeFd directory);
        if (result != Errno.OK)
        {
            return result;
        }

        using (directory)
        {
            result = CheckSearch(context, directory.Value);
            if (result != Errno.OK)
            {
                return result;
            }

            if (name.SequenceEqual(".."u8))
            {
                return LookupParent(directory.Value, directory.Inode.Node == NodeId.Root, out entry);
            }

            result = LookupAt(directory.Value, path, out entry);
            if (result == Errno.OK && _lookAgain.Found(context.Pid, entry.Node))
            {
                result = HoldFound(context, directory.Value, path, ref entry);
            }
        }

        if (result == Errno.ENOENT && Config.NegativeTimeout > TimeSpan.Zero)
        {
            entry = default;
            entry.EntryTimeout = Config.NegativeTimeout;
            return Errno.OK;
        }

        return result;
    }

    /// <inheritdoc/>
    public void Forget(in RequestContext context, NodeId node, ulong count)
    {
        _inodes.Forget(node, count);
        _backed.Forgotten(node);
        DropKept(node);
    }

    /// <inheritdoc/>
    public void BatchForget(in RequestContext context, ReadOnlySpan<ForgetItem> items)
    {
        foreach (ref readonly ForgetItem item in items)
        {
            _inodes.Forget(item.Node, item.Count);
            _backed.Forgotten(item.Node);
            DropKept(item.Node);
        }
    }

    /// <summary>Whether the caller may look names up in a directory, where that is the host's to say.</summary>
    private Errno CheckSearch(in RequestContext context, int directory) =>
        Config.CheckPermissions ? Check(context, directory, Linux.X_OK) : Errno.OK;

    /// <summary>
    /// Looks one name up. A live inode costs one system call (two if it is kept by handle); only an unknown one is
    /// opened.
    /// </summary>
    private Errno LookupAt(int directory, byte* name, out Entry entry)
    {
        entry = default;
        StatxBuffer stat;
        int status = Sys.Statx(directory, name, Constants.AT_SYMLINK_NOFOLLOW, HostStat.Mask, &stat);
        if (status < 0)
        {
            return (Errno)(-status);
        }

        TestPoint("LookupAt: knows the identity");
        if (TryLookup(directory, name, 0, stat, out entry))
        {
            return Errno.OK;
        }

        int fd = _budget.OpenPath(directory, name, Linux.O_NOFOLLOW);
        return fd < 0 ? NoteDescriptors((Errno)(-fd)) : LookupFd(fd, out entry);
    }

    /// <summary>
    /// Counts a lookup of a live inode, if it is one. The name and the flags (0 or AT_EMPTY_PATH) say where its handle
    /// is to be had, if the store needs that to tell.
    /// </summary>
    private bool TryLookup(int directory, byte* name, int flags, in StatxBuffer stat, out Entry entry)
    {
        InodeKey key = KeyOf(stat);
        if (_links.IsDoubtful(stat, key.Dev))
        {
            entry = default;
            return false;
        }

        ulong birth = HostStat.BirthOf(stat);
        InodeMatch match = _inodes.TryLookup(key, birth, out NodeId node);
        if (match == InodeMatch.NeedsHandle &&
            KernelHandle.TryGet(directory, name, flags, out KernelHandle handle, out _) == 0)
        {
            TestPoint("LookupAt: knows the handle");
            match = _inodes.TryLookup(key, birth, handle, out node) ? InodeMatch.Found : InodeMatch.None;
        }

        if (match != InodeMatch.Found)
        {
            entry = default;
            return false;
        }

        MakeEntry(node, stat, out entry);
        return true;
    }

    /// <summary>
    /// Counts a lookup of what an O_PATH fd, which is taken over, refers to. The fd holds the inode, so that whatever
    /// the store has under its identity is the same inode.
    /// </summary>
    private Errno LookupFd(int fd, out Entry entry)
    {
        entry = default;
        StatxBuffer stat;
        int status = HostStat.Of(fd, &stat);
        NodeId node = NodeId.None;
        bool isTaken = false;
        Errno result = status < 0 ? (Errno)(-status)
            : _links.IsDoubtful(stat, KeyOf(stat).Dev, fd) ? AddLinked(ref fd, stat, out node, out isTaken)
            : AddInode(ref fd, stat, _takeHandles, out node, out isTaken);
        if (result == Errno.EAGAIN)
        {
            // A live inode that is kept by handle has the number: only the handle tells whether it is this one.
            result = AddInode(ref fd, stat, true, out node, out isTaken);
        }

        if (!isTaken)
        {
            _ = Sys.Close(fd);
        }

        if (result == Errno.OK)
        {
            MakeEntry(node, stat, out entry);
            _budget.Keep();
        }

        // Only a host that has lost its handles comes here with EAGAIN.
        return result == Errno.EAGAIN ? Errno.EIO : result;
    }

    /// <summary>
    /// Looks ".." up. The root's is the root. Elsewhere the host may have moved the directory out of the root, and its
    /// ".." must not become a way out: it counts only if the root is found further up.
    /// </summary>
    private Errno LookupParent(int directory, bool isRoot, out Entry entry)
    {
        byte* dots = stackalloc byte[3] { (byte)'.', (byte)'.', 0 };
        byte* dot = stackalloc byte[2] { (byte)'.', 0 };
        if (isRoot)
        {
            return LookupAt(directory, dot, out entry);
        }

        entry = default;
        using HostInode root = _inodes.Get(NodeId.Root);
        if (root.IsNone)
        {
            return Errno.EBADF;
        }

        int parent = _budget.OpenPath(directory, dots, Linux.O_DIRECTORY | Linux.O_NOFOLLOW);
        if (parent < 0)
        {
            return NoteDescriptors((Errno)(-parent));
        }

        Errno result = _tree.IsBelow(root.Key, parent, _budget);
        if (result != Errno.OK)
        {
            _ = Sys.Close(parent);
            return result;
        }

        return LookupFd(parent, out entry);
    }

    /// <summary>
    /// LOOKUP of "." and "..": how a client comes back to a node of which it has the number and maybe nothing else. Who
    /// may name nodes so is the client's to say, as it is for its own <c>open_by_handle_at(2)</c>; the caller's
    /// permissions count when something is done with the node.
    /// </summary>
    private Errno LookupByNode(NodeId node, bool isParent, out Entry entry)
    {
        for (int look = 0; look < MaxLooks; look++)
        {
            Errno result = GetNode(node, out NodeFd fd);
            if (result == Errno.OK)
            {
                using (fd)
                {
                    return isParent
                        ? LookupParent(fd.Value, node == NodeId.Root, out entry)
                        : LookupSelf(fd.Value, node, out entry);
                }
            }

            if (result != Errno.EBADF)
            {
                entry = default;
                return result;
            }

            TestPoint("LookupByNode: does not live");
            if (_inodes.TryGetRemembered(node, out RememberedInode inode))
            {
                result = LookupRemembered(inode, isParent, out entry);
                _mounts.Drop(inode.Mount);
                return result;
            }
        }

        entry = default;
        return Errno.ESTALE;
    }

    private Errno LookupSelf(int fd, NodeId node, out Entry entry)
    {
        entry = default;
        StatxBuffer stat;
        int status = HostStat.Of(fd, &stat);
        if (status < 0)
        {
            return (Errno)(-status);
        }

        Errno result = Errno.OK;
        if (_inodes.TryLookup(KeyOf(stat), HostStat.BirthOf(stat), out NodeId found) == InodeMatch.Found)
        {
            MakeEntry(found, stat, out entry);
        }
        else
        {
            int own = _budget.Duplicate(fd);
            result = own < 0 ? NoteDescriptors((Errno)(-own)) : LookupFd(own, out entry);
        }

        if (result != Errno.OK || entry.Node == node)
        {
            return result;
        }

        // The mapping went meanwhile, and the inode got another number.
        _inodes.Forget(entry.Node, 1);
        entry = default;
        return Errno.ESTALE;
    }

    private Errno LookupRemembered(in RememberedInode inode, bool isParent, out Entry entry)
    {
        entry = default;
        Errno result = _forgotten.Open(inode, out int fd);
        if (result == Errno.OK)
        {
            TestPoint("LookupRemembered: opened");
            result = isParent ? LookupParent(fd, false, out entry) : LookupSelf(fd, inode.Node, out entry);
            _forgotten.Close(inode, fd);
        }

        // A directory that the host has moved out of the tree may come back into it.
        return result == Errno.ENOENT ? Errno.ESTALE : result;
    }

    /// <summary>As below, for a caller, who is remembered if this is ESTALE (<see cref="LookAgain"/>).</summary>
    private Errno GetNode(in RequestContext context, NodeId node, out NodeFd fd) =>
        NoteStale(context, node, GetNode(node, out fd));

    /// <summary>Holds a node with an O_PATH fd of it, opened by handle if the store has none.</summary>
    private Errno GetNode(NodeId node, out NodeFd fd)
    {
        HostInode inode = _inodes.Get(node);
        if (inode.IsNone)
        {
            fd = default;
            return Errno.EBADF;
        }

        int value = inode.Fd;
        bool isOwn = value < 0;
        if (isOwn)
        {
            value = _budget.OpenByHandle(inode.Mount, inode.Handle);
            if (value < 0)
            {
                inode.Dispose();
                fd = default;
                return NoteDescriptors((Errno)(-value));
            }

            isOwn = !_budget.TryKeep(inode, value);
        }

        fd = new NodeFd(inode, value, isOwn);
        return Errno.OK;
    }

    private InodeKey KeyOf(in StatxBuffer stat) => HostStat.KeyOf(stat, Config.EnableMntid);

    private void MakeEntry(NodeId node, in StatxBuffer stat, out Entry entry)
    {
        entry.Node = node;
        entry.Generation = _export ? _forgotten.GenerationOf(node) : 0;
        FillAttributes(stat, out entry.Attributes);
        bool isDirectory = Linux.S_ISDIR(stat.stx_mode);
        entry.EntryTimeout = isDirectory ? _dirEntryTimeout : _entryTimeout;
        entry.AttributesTimeout = AttrTimeoutOf(node, stat.stx_mode);
    }

    /// <summary>Only regular files and directories are ever opened for more than O_PATH.</summary>
    internal static bool IsSafe(uint mode) => Linux.S_ISREG(mode) || Linux.S_ISDIR(mode);

    /// <summary>A point at which a test can stop this thread; nothing in a build without them.</summary>
    static partial void TestPoint(string point);

    /// <summary>Counts that descriptors have run out, if that is the error; passes the error on.</summary>
    private Errno NoteDescriptors(Errno error) => _budget.Note(error);
}
