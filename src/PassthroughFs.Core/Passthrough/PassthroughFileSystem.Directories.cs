using System;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;

namespace PassthroughFs.Core.Passthrough;

public sealed unsafe partial class PassthroughFileSystem
{
    /// <summary>Holds about a thousand names; one for each thread, taken at its first listing.</summary>
    private const int DirentBufferSize = 32 * 1024;

    /// <summary>Room for one record with the longest name.</summary>
    private const int MinDirentRead = 512;

    /// <summary>How many numbers in listings may be wrong, net of right ones, before they are not looked at any more.
    /// </summary>
    private const int MaxWrongHints = 64;

    /// <summary>How many right ones make up for one that was wrong.</summary>
    private const int HintWeight = 8;

    [ThreadStatic]
    private static byte[]? t_dirents;

    // Counted as it comes: losing one does not matter.
    private int _wrongHints;

    /// <inheritdoc/>
    public Errno OpenDir(in RequestContext context, NodeId node, uint flags, out OpenReply reply)
    {
        reply = default;
        if (_negotiated.NoOpendir)
        {
            return Errno.ENOSYS;
        }

        using HostInode inode = _inodes.Get(node);
        if (inode.IsNone)
        {
            return Errno.EBADF;
        }

        if (!Linux.S_ISDIR(inode.Mode))
        {
            return Errno.ENOTDIR;
        }

        uint hostFlags = Linux.O_RDONLY | Linux.O_DIRECTORY | (flags & Linux.O_NOATIME);
        Errno result = OpenInode(context, inode, hostFlags, out int fd);
        return result == Errno.OK ? AddHandle(node, fd, hostFlags, DirectoryReplyFlags(), out reply) : result;
    }

    /// <inheritdoc/>
    public Errno ReadDir(in RequestContext context, NodeId node, Handle handle, ulong offset, DirectorySink sink) =>
        List(context, node, handle, offset, sink, false);

    /// <inheritdoc/>
    public Errno ReadDirPlus(in RequestContext context, NodeId node, Handle handle, ulong offset, DirectorySink sink) =>
        List(context, node, handle, offset, sink, true);

    /// <inheritdoc/>
    public Errno ReleaseDir(in RequestContext context, NodeId node, Handle handle, uint flags) =>
        ReleaseHandle(node, handle, _negotiated.NoOpendir);

    /// <inheritdoc/>
    public Errno FsyncDir(in RequestContext context, NodeId node, Handle handle, bool dataSync) =>
        Sync(context, node, handle, _negotiated.NoOpendir, dataSync);

    private OpenReplyFlags DirectoryReplyFlags() => Config.CachePolicy switch
    {
        CachePolicy.Metadata => OpenReplyFlags.FOPEN_CACHE_DIR | OpenReplyFlags.FOPEN_KEEP_CACHE,
        CachePolicy.Always => OpenReplyFlags.FOPEN_CACHE_DIR | OpenReplyFlags.FOPEN_KEEP_CACHE,
        _ => OpenReplyFlags.None,
    };

    private Errno List(
        in RequestContext context, NodeId node, Handle handle, ulong offset, DirectorySink sink, bool plus)
    {
        ArgumentNullException.ThrowIfNull(sink);
        using HostInode inode = _inodes.Get(node);
        if (inode.IsNone)
        {
            return Errno.EBADF;
        }

        using OpenFile file = _handles.Get(handle, node);
        if (file.IsNone && !_negotiated.NoOpendir)
        {
            return Errno.EBADF;
        }

        if (!Linux.S_ISDIR(inode.Mode))
        {
            return Errno.ENOTDIR;
        }

        if (Config.NoReaddir)
        {
            // It is shown as empty, and to nobody who has not opened it.
            return Errno.OK;
        }

        if (!file.IsNone)
        {
            plus = plus && CheckSearch(context, file.Fd) == Errno.OK;
            return List(inode, file, file.Fd, offset, sink, plus);
        }

        Errno result = OpenInode(context, inode, Linux.O_RDONLY | Linux.O_DIRECTORY, out int fd);
        if (result == Errno.OK)
        {
            plus = plus && CheckSearch(context, fd) == Errno.OK;
            result = List(inode, default, fd, offset, sink, plus);
            _ = Sys.Close(fd);
        }

        return result;
    }

    private Errno List(
        in HostInode inode, in OpenFile file, int fd, ulong offset, DirectorySink sink, bool plus)
    {
        byte[] array = t_dirents ??= GC.AllocateUninitializedArray<byte>(DirentBufferSize, pinned: true);

        // Sound: the array is pinned for good, and the kernel's records lie inside what it says it has written.
        fixed (byte* buffer = array)
        {
            bool isFirst = true;
            while (true)
            {
                int wanted = FittingRead(sink.Room, plus);
                if (wanted < MinDirentRead && !isFirst)
                {
                    return Errno.OK;
                }

                wanted = Math.Clamp(wanted, MinDirentRead, DirentBufferSize);
                int length = ReadEntries(file, fd, isFirst, offset, buffer, wanted);
                if (length <= 0)
                {
                    return length < 0 && isFirst ? (Errno)(-length) : Errno.OK;
                }

                for (int position = 0; position < length;)
                {
                    var header = (DirentHeader*)(buffer + position);
                    if (!Deliver(inode, fd, header, sink, plus))
                    {
                        // It fits neither now nor later if it is the first.
                        return isFirst && position == 0 ? Errno.EINVAL : Errno.OK;
                    }

                    offset = header->d_off;
                    position += header->d_reclen;
                }

                isFirst = false;
            }
        }
    }

    /// <summary>
    /// How much of the host's records surely fits into a reply: what did not fit would be read again, from a position
    /// that must be sought first. With the shortest names a client's record is 4/3 of the host's, and 20/3 where it
    /// carries an entry; longer names leave room, for which the host is asked again.
    /// </summary>
    private static int FittingRead(int room, bool plus) => (int)((long)room * 3 / (plus ? 20 : 4));

    /// <summary>
    /// Reads entries from a cookie on. The position belongs to the open directory, so that moving it and reading are
    /// one step for all who list it.
    /// </summary>
    private static int ReadEntries(in OpenFile file, int fd, bool isFirst, ulong offset, byte* buffer, int size)
    {
        if (file.IsNone)
        {
            // Nobody else has this fd, and after the first read it stands where the next one begins.
            return ReadEntriesAt(fd, isFirst && offset != 0, offset, buffer, size, out _);
        }

        OpenFileSlot slot = file.Slot;
        lock (slot.Directory)
        {
            // At 0 always: a rewound directory shows what has changed since.
            bool mustSeek = slot.Position != offset || (isFirst && offset == 0);
            int length = ReadEntriesAt(fd, mustSeek, offset, buffer, size, out ulong position);
            slot.Position = length >= 0 ? position : ulong.MaxValue;
            return length;
        }
    }

    private static int ReadEntriesAt(int fd, bool mustSeek, ulong offset, byte* buffer, int size, out ulong position)
    {
        position = offset;
        if (mustSeek)
        {
            long moved = Sys.Lseek(fd, (long)offset, Constants.SEEK_SET);
            if (moved != (long)offset)
            {
                // A cookie may use all 64 bits (NFS), and to lseek it is a negative offset then.
                return (long)offset < 0 ? ReadEntriesFrom(fd, offset, buffer, out position) : (int)moved;
            }
        }

        int length = Sys.Getdents64(fd, buffer, size);
        for (int at = 0; at < length; at += ((DirentHeader*)(buffer + at))->d_reclen)
        {
            position = ((DirentHeader*)(buffer + at))->d_off;
        }

        return length;
    }

    /// <summary>Reads from a cookie on that cannot be sought: from the start, past the entry that has it.</summary>
    private static int ReadEntriesFrom(int fd, ulong offset, byte* buffer, out ulong position)
    {
        bool isFound = false;
        bool mustSeek = true;
        position = 0;
        while (true)
        {
            int length = ReadEntriesAt(fd, mustSeek, position, buffer, DirentBufferSize, out position);
            if (length <= 0 || isFound)
            {
                return length;
            }

            mustSeek = false;
            for (int at = 0; at < length && !isFound;)
            {
                isFound = ((DirentHeader*)(buffer + at))->d_off == offset;
                at += ((DirentHeader*)(buffer + at))->d_reclen;
                if (isFound && at < length)
                {
                    // Sound: both ranges lie inside the buffer; MemoryCopy allows them to overlap.
                    Buffer.MemoryCopy(buffer + at, buffer, DirentBufferSize, length - at);
                    return length - at;
                }
            }
        }
    }

    /// <summary>
    /// Looks up a name that the host has listed with a number: one that seems to be new is opened at once, which saves
    /// the look that would find it unknown.
    /// </summary>
    private Errno LookupListed(in InodeKey key, int directory, byte* name, out Entry entry)
    {
        if (_wrongHints >= MaxWrongHints * HintWeight || _inodes.SeemsLive(key))
        {
            return LookupAt(directory, name, out entry);
        }

        entry = default;
        int fd = _budget.OpenPath(directory, name, Linux.O_NOFOLLOW);
        if (fd < 0)
        {
            return NoteDescriptors((Errno)(-fd));
        }

        Errno result = LookupFd(fd, out entry);
        if (result == Errno.OK && _inodes.LookupCount(entry.Node) > 1)
        {
            // It lived: the host's lists have numbers of their own, as overlayfs has, or a mount begins here. To open
            // what is known costs more than it saves.
            _wrongHints += HintWeight;
        }
        else
        {
            _wrongHints = Math.Max(0, _wrongHints - 1);
        }

        return result;
    }

    /// <summary>
    /// Hands one entry over; false if it does not fit. A lookup is counted only for what is delivered.
    /// </summary>
    private bool Deliver(in HostInode directory, int fd, DirentHeader* header, DirectorySink sink, bool plus)
    {
        byte* name = (byte*)header + DirentHeader.NameOffset;

        // Sound: the kernel ends each name with a NUL inside its record.
        int length = new ReadOnlySpan<byte>(name, header->d_reclen - DirentHeader.NameOffset).IndexOf((byte)0);
        var span = new ReadOnlySpan<byte>(name, length);
        if (length > Linux.NAME_MAX)
        {
            // The protocol allows none longer, and an old client's buffer would overflow: it cannot be shown.
            return true;
        }

        if (!sink.Fits(length))
        {
            return false;
        }

        bool isDots = length <= 2 && name[0] == '.' && name[length - 1] == '.';
        ulong ino = _shown.Of(
            directory.Key.Dev,
            length == 2 && isDots && directory.Node == NodeId.Root ? directory.Key.Ino : header->d_ino);
        if (!plus)
        {
            return sink.TryAdd(ino, header->d_off, header->d_type, span);
        }

        Entry entry = default;
        if (!isDots && LookupListed(directory.Key with { Ino = header->d_ino }, fd, name, out entry) == Errno.OK)
        {
            // Where a mount begins the host lists what the mount covers. A client that looks for the name of a directory
            // by its number, as one does for handles, must find it.
            ino = entry.Attributes.Ino;
        }
        else
        {
            // Gone meanwhile, or not to be looked at: the name is told, without a node.
            entry = default;
        }

        if (sink.TryAdd(ino, header->d_off, header->d_type, span, entry))
        {
            return true;
        }

        _inodes.Forget(entry.Node, 1);
        return false;
    }
}
