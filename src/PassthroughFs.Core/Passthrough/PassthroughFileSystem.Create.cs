using System;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;

namespace PassthroughFs.Core.Passthrough;

/// <remarks>Files that are made and opened in one step, and the modes of what is made.</remarks>
public sealed unsafe partial class PassthroughFileSystem
{
    /// <summary>What is left out where a file is made: it is empty, and O_APPEND is a write's.</summary>
    private const uint NotAtOnce = Linux.O_TRUNC | Linux.O_APPEND;

    /// <inheritdoc/>
    public Errno Create(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, in CreateRequest request, out Entry entry,
        out OpenReply reply)
    {
        entry = default;
        reply = default;
        byte* path = stackalloc byte[Names.BufferSize];
        Errno result = GetParent(context, parent, name, path, out NodeFd directory);
        if (result != Errno.OK)
        {
            return result;
        }

        using (directory)
        {
            if (!_budget.HasRoomForFile(directory.Value))
            {
                return NoteDescriptors(Errno.EMFILE);
            }

            if (!_negotiated.NoOpen && !ClientMemory.HasRoomForHandle)
            {
                return _refusals.Handle();
            }

            result = CheckRoomForNode();
            if (result != Errno.OK)
            {
                return result;
            }

            uint flags = WritebackFlags(request.Flags);
            uint bits = MaskMode(directory.Value, request.Mode & Linux.ModeBits, request.Umask);

            for (int makes = 0; makes < MaxMakes; makes++)
            {
                // O_EXCL first, always: what is there already is opened by its inode below, with all checks, not by a
                // name.
                int fd = OpenAsOwner(
                    context, directory.Value, path,
                    (flags & ~NotAtOnce) | Linux.O_CREAT | Linux.O_EXCL | Linux.O_NOFOLLOW | Linux.O_CLOEXEC, bits);
                if (fd >= 0)
                {
                    _lookAgain.Forget(context.Pid);
                    result = FixMode(directory.Value, fd, bits);
                    return result == Errno.OK
                        ? AddCreated(fd, flags, out entry, out reply)
                        : CloseAfter(fd, result);
                }

                result = NoteDescriptors((Errno)(-fd));
                if (result != Errno.EEXIST || (request.Flags & Linux.O_EXCL) != 0)
                {
                    return result;
                }

                // The host may remove what is there before it is opened: then there is room for a new file.
                TestPoint("Create: exists");
                result = LookupAt(directory.Value, path, out entry);
                result = result == Errno.OK ? OpenExisting(context, request, ref entry, out reply) : result;
                if (result is not (Errno.ENOENT or Errno.ESTALE))
                {
                    return result;
                }
            }

            return Errno.ESTALE;
        }
    }

    /// <inheritdoc/>
    public Errno TmpFile(
        in RequestContext context, NodeId parent, in CreateRequest request, out Entry entry, out OpenReply reply)
    {
        entry = default;
        reply = default;
        if (Config.ReadOnly)
        {
            return Errno.EROFS;
        }

        Errno result = CheckRoomForNode();
        if (result != Errno.OK)
        {
            return result;
        }

        result = GetNode(context, parent, out NodeFd directory);
        if (result != Errno.OK)
        {
            return result;
        }

        using (directory)
        {
            byte* dot = stackalloc byte[2] { (byte)'.', 0 };
            uint flags = WritebackFlags(request.Flags);
            uint bits = MaskMode(directory.Value, request.Mode & Linux.ModeBits, request.Umask);

            // O_EXCL would forbid to link it later, which is the client's to decide.
            uint exclusive = request.Flags & Linux.O_EXCL;
            int fd = OpenAsOwner(
                context, directory.Value, dot,
                (flags & ~NotAtOnce) | exclusive | Linux.O_TMPFILE | Linux.O_CLOEXEC, bits);
            if (fd < 0)
            {
                return NoteDescriptors((Errno)(-fd));
            }

            result = FixMode(directory.Value, fd, bits);
            return result == Errno.OK ? AddCreated(fd, flags, out entry, out reply) : CloseAfter(fd, result);
        }
    }

    /// <summary>Makes a file as the caller. Returns an fd, or the error negated.</summary>
    private int OpenAsOwner(in RequestContext context, int directory, byte* path, uint flags, uint bits)
    {
        int fd;
        int tries = 0;
        do
        {
            Errno result = BecomeOwner(context, out ProcessIdentity.Switched switched);
            if (result != Errno.OK)
            {
                return -(int)result;
            }

            fd = Sys.OpenAt(directory, path, flags, bits);
            _identity.Return(switched);
        }
        while (fd < 0 && _budget.TryMakeRoom(fd, ref tries));
        return fd;
    }

    /// <summary>Opens what create has found to exist, and takes the lookup back if that fails.</summary>
    private Errno OpenExisting(
        in RequestContext context, in CreateRequest request, ref Entry entry, out OpenReply reply)
    {
        reply = default;
        Errno result;
        uint type = entry.Attributes.Mode & Linux.S_IFMT;
        if (type is Linux.S_IFLNK or Linux.S_IFDIR)
        {
            // As open(2) with O_CREAT answers; the client follows links itself before it comes here.
            result = type == Linux.S_IFLNK ? Errno.ELOOP : Errno.EISDIR;
        }
        else if (_negotiated.NoOpen)
        {
            result = Errno.OK;
        }
        else
        {
            using HostInode inode = _inodes.Get(entry.Node);
            result = inode.IsNone
                ? Errno.EBADF
                : OpenNode(context, inode, request.Flags, request.OpenFlags, isFresh: true, out reply);
        }

        if (result != Errno.OK)
        {
            _inodes.Forget(entry.Node, 1);
            entry = default;
            return result;
        }

        entry.AttributesTimeout = AttrTimeoutOf(entry.Node, entry.Attributes.Mode);
        return Errno.OK;
    }

    /// <summary>Makes entry and handle of a file that was just made; the fd is taken over.</summary>
    private Errno AddCreated(int fd, uint flags, out Entry entry, out OpenReply reply)
    {
        entry = default;
        reply = default;

        // The inode's own descriptor, by the file and not by its name: the name may be another's by now.
        int node = _budget.Reopen(fd, Linux.O_PATH);
        if (node < 0)
        {
            return CloseAfter(fd, NoteDescriptors((Errno)(-node)));
        }

        Errno result = LookupFd(node, out entry);
        if (result != Errno.OK)
        {
            return CloseAfter(fd, result == Errno.ENFILE ? Errno.EMFILE : result);
        }

        if (_negotiated.NoOpen)
        {
            return CloseAfter(fd, Errno.OK);
        }

        result = AddFile(entry.Node, DeviceOf(entry.Node), fd, flags & ~Linux.O_TRUNC, out reply);
        if (result != Errno.OK)
        {
            _inodes.Forget(entry.Node, 1);
            entry = default;
            return result;
        }

        entry.AttributesTimeout = AttrTimeoutOf(entry.Node, entry.Attributes.Mode);
        return Errno.OK;
    }

    /// <summary>
    /// Applies the caller's umask, as the kernel would: not where the directory has a default ACL, which takes its
    /// place.
    /// </summary>
    private uint MaskMode(int directory, uint mode, uint umask)
    {
        // Without FUSE_DONT_MASK the client has done it.
        umask &= Linux.ModeBits;
        bool isMasked = !_negotiated.DontMask || (umask & mode) == 0 || (Config.PosixAcl && HasDefaultAcl(directory));
        return isMasked ? mode : mode & ~umask;
    }

    /// <summary>Gives a new file the mode bits that the process's own umask has kept from it.</summary>
    private Errno FixMode(int directory, int fd, uint bits)
    {
        if ((bits & _umask) == 0 || HasDefaultAcl(directory))
        {
            return Errno.OK;
        }

        int status = Sys.Fchmod(fd, bits);
        return status < 0 ? (Errno)(-status) : Errno.OK;
    }

    private bool HasDefaultAcl(int directory)
    {
        fixed (byte* name = "system.posix_acl_default\0"u8)
        {
            return GetXattrOf(directory, name, null, 0) > 0;
        }
    }
}
