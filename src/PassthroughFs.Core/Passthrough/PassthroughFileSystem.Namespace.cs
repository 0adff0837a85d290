using System;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;

namespace PassthroughFs.Core.Passthrough;

public sealed unsafe partial class PassthroughFileSystem
{
    /// <summary>
    /// How often an object is made whose name the host takes away before the object is looked up. Who loses that often
    /// is told ESTALE, after which the client's kernel tries once more. With 64, on a machine with 35 programs for each
    /// processor, one in a thousand heard that twice; a thousand makes take about ten milliseconds.
    /// </summary>
    private const int MaxMakes = 1024;

    private const uint Permissions = 0x1FF;

    /// <inheritdoc/>
    public Errno ReadLink(in RequestContext context, NodeId node, Span<byte> target, out int length)
    {
        length = 0;
        Errno result = GetNode(context, node, out NodeFd fd);
        if (result != Errno.OK)
        {
            return result;
        }

        using (fd)
        {
            if (!Linux.S_ISLNK(fd.Inode.Mode))
            {
                return Errno.EINVAL;
            }

            byte empty = 0;
            int count;
            fixed (byte* buffer = target)
            {
                count = Sys.ReadLinkAt(fd.Value, &empty, buffer, target.Length);
            }

            if (count < 0)
            {
                return (Errno)(-count);
            }

            length = count;
            return Errno.OK;
        }
    }

    /// <inheritdoc/>
    public Errno Symlink(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, ReadOnlySpan<byte> target, out Entry entry)
    {
        entry = default;
        if (target.Length >= Linux.PATH_MAX)
        {
            return Errno.ENAMETOOLONG;
        }

        if (target.IsEmpty || target.Contains((byte)0))
        {
            return target.IsEmpty ? Errno.ENOENT : Errno.EINVAL;
        }

        byte* path = stackalloc byte[Names.BufferSize];
        Errno result = GetParent(context, parent, name, path, out NodeFd directory);
        if (result != Errno.OK)
        {
            return result;
        }

        using (directory)
        {
            result = CheckRoomToMake(directory.Value);
            if (result != Errno.OK)
            {
                return result;
            }

            byte* content = stackalloc byte[Linux.PATH_MAX];
            target.CopyTo(new Span<byte>(content, Linux.PATH_MAX));
            content[target.Length] = 0;
            for (int makes = 0; makes < MaxMakes; makes++)
            {
                result = BecomeOwner(context, out ProcessIdentity.Switched switched);
                if (result != Errno.OK)
                {
                    return result;
                }

                int status = Sys.SymlinkAt(content, directory.Value, path);
                _identity.Return(switched);
                result = status < 0 ? (Errno)(-status) : LookupMade(directory.Value, path, Linux.S_IFLNK, out entry);
                if (status < 0 || result != Errno.ENOENT)
                {
                    return result;
                }
            }

            return Errno.ESTALE;
        }
    }

    /// <inheritdoc/>
    public Errno Mknod(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, uint mode, uint rdev, uint umask,
        out Entry entry)
    {
        if (Linux.S_ISDIR(mode))
        {
            // As mknod(2) answers.
            entry = default;
            return Errno.EPERM;
        }

        return Make(context, parent, name, mode & (Linux.S_IFMT | Linux.ModeBits), rdev, umask, out entry);
    }

    /// <inheritdoc/>
    public Errno Mkdir(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, uint mode, uint umask, out Entry entry) =>
        Make(context, parent, name, Linux.S_IFDIR | (mode & Linux.ModeBits), 0, umask, out entry);

    /// <inheritdoc/>
    public Errno Unlink(in RequestContext context, NodeId parent, ReadOnlySpan<byte> name) =>
        Remove(context, parent, name, 0);

    /// <inheritdoc/>
    public Errno Rmdir(in RequestContext context, NodeId parent, ReadOnlySpan<byte> name) =>
        Remove(context, parent, name, Constants.AT_REMOVEDIR);

    /// <inheritdoc/>
    public Errno Rename(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, NodeId newParent,
        ReadOnlySpan<byte> newName, uint flags)
    {
        const uint Known = Linux.RENAME_NOREPLACE | Linux.RENAME_EXCHANGE | Linux.RENAME_WHITEOUT;
        if ((flags & ~Known) != 0)
        {
            return Errno.EINVAL;
        }

        byte* oldPath = stackalloc byte[Names.BufferSize];
        byte* newPath = stackalloc byte[Names.BufferSize];
        Errno result = GetParent(context, parent, name, oldPath, out NodeFd oldDirectory);
        if (result != Errno.OK)
        {
            return result;
        }

        using (oldDirectory)
        {
            result = GetParent(context, newParent, newName, newPath, out NodeFd newDirectory);
            if (result != Errno.OK)
            {
                return result;
            }

            using (newDirectory)
            {
                const uint Keeps = Linux.RENAME_NOREPLACE | Linux.RENAME_EXCHANGE;
                HostInode replaced = (flags & Keeps) != 0 ? default : BeginRemoval(newDirectory.Value, newPath);
                result = BecomeCaller(context, out ProcessIdentity.Switched switched);
                if (result != Errno.OK)
                {
                    EndRemoval(replaced, false);
                    return result;
                }

                int status = Sys.RenameAt2(oldDirectory.Value, oldPath, newDirectory.Value, newPath, flags);
                _identity.Return(switched);
                EndRemoval(replaced, status >= 0);
                if (status < 0)
                {
                    return (Errno)(-status);
                }

                // What stood at the new name may be gone.
                _inodes.NoteRemoval();
                return Errno.OK;
            }
        }
    }

    /// <inheritdoc/>
    public Errno Link(
        in RequestContext context, NodeId node, NodeId newParent, ReadOnlySpan<byte> newName, out Entry entry)
    {
        entry = default;
        byte* path = stackalloc byte[Names.BufferSize];
        Errno result = GetParent(context, newParent, newName, path, out NodeFd directory);
        if (result != Errno.OK)
        {
            return result;
        }

        using (directory)
        {
            result = GetNode(context, node, out NodeFd fd);
            if (result != Errno.OK)
            {
                return result;
            }

            using (fd)
            {
                // Through /proc, which needs no capability; AT_EMPTY_PATH would need CAP_DAC_READ_SEARCH.
                byte* name = stackalloc byte[ProcSelfFd.PathSize];
                ProcSelfFd.Format(fd.Value, name);
                result = BecomeCaller(context, out ProcessIdentity.Switched switched);
                if (result != Errno.OK)
                {
                    return result;
                }

                int status = Sys.LinkAt(_proc.Fd, name, directory.Value, path, Constants.AT_SYMLINK_FOLLOW);
                _identity.Return(switched);
                return status < 0 ? (Errno)(-status) : LookupLinked(fd.Value, directory.Value, path, out entry);
            }
        }
    }

    /// <summary>Makes a directory or any other node but a symbolic link, as the caller.</summary>
    private Errno Make(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, uint mode, uint rdev, uint umask,
        out Entry entry)
    {
        entry = default;
        byte* path = stackalloc byte[Names.BufferSize];
        Errno result = GetParent(context, parent, name, path, out NodeFd directory);
        if (result != Errno.OK)
        {
            return result;
        }

        using (directory)
        {
            result = CheckRoomToMake(directory.Value);
            if (result != Errno.OK)
            {
                return result;
            }

            mode = MaskMode(directory.Value, mode, umask);
            for (int makes = 0; makes < MaxMakes; makes++)
            {
                result = BecomeOwner(context, out ProcessIdentity.Switched switched);
                if (result != Errno.OK)
                {
                    return result;
                }

                int status = Linux.S_ISDIR(mode)
                    ? Sys.MkdirAt(directory.Value, path, mode & Linux.ModeBits)
                    : Sys.MknodAt(directory.Value, path, mode, rdev);
                _identity.Return(switched);
                result = status < 0 ? (Errno)(-status) : LookupNew(directory.Value, path, mode, out entry);
                if (status < 0 || result != Errno.ENOENT)
                {
                    return result;
                }
            }

            return Errno.ESTALE;
        }
    }

    private Errno Remove(in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, int flags)
    {
        byte* path = stackalloc byte[Names.BufferSize];
        Errno result = GetParent(context, parent, name, path, out NodeFd directory);
        if (result != Errno.OK)
        {
            return result;
        }

        using (directory)
        {
            HostInode removed = BeginRemoval(directory.Value, path);
            result = BecomeCaller(context, out ProcessIdentity.Switched switched);
            if (result != Errno.OK)
            {
                EndRemoval(removed, false);
                return result;
            }

            int status = Sys.UnlinkAt(directory.Value, path, flags);
            _identity.Return(switched);
            EndRemoval(removed, status >= 0);
            if (status < 0)
            {
                return (Errno)(-status);
            }

            _inodes.NoteRemoval();
            return Errno.OK;
        }
    }

    /// <summary>What every change of a directory begins with: a name that is one, and the directory's fd.</summary>
    private Errno GetParent(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, byte* path, out NodeFd directory)
    {
        Errno result = Config.ReadOnly ? Errno.EROFS : Names.Copy(name, path);
        if (result != Errno.OK)
        {
            directory = default;
            return result;
        }

        return GetNode(context, parent, out directory);
    }

    /// <summary>
    /// Looks up what was just made, and gives it the mode bits that the process's own umask has kept from it.
    /// </summary>
    /// <remarks>ENOENT as <see cref="LookupMade"/>.</remarks>
    private Errno LookupNew(int directory, byte* path, uint mode, out Entry entry)
    {
        // A mknod(2) without a type makes a regular file.
        uint type = (mode & Linux.S_IFMT) == 0 ? Linux.S_IFREG : mode & Linux.S_IFMT;
        Errno result = LookupMade(directory, path, type, out entry);
        uint missing = mode & Permissions & _umask;

        // What the host has put in the place of the new object keeps its mode.
        bool isOurs = (entry.Attributes.Mode & Permissions) == (mode & Permissions & ~_umask);
        if (result != Errno.OK || missing == 0 || !isOurs || HasDefaultAcl(directory))
        {
            return result;
        }

        result = GetNode(entry.Node, out NodeFd fd);
        if (result == Errno.OK)
        {
            using (fd)
            {
                result = SetMode(fd.Value, default, entry.Attributes.Mode | missing);
                entry.Attributes.Mode |= missing;
            }
        }

        if (result != Errno.OK)
        {
            _inodes.Forget(entry.Node, 1);
            entry = default;
        }

        return result;
    }

    /// <summary>
    /// Looks up what was just made. Linux gives no descriptor of it, so the name has to tell. ENOENT says that the host
    /// has removed the object meanwhile or has put one of another type in its place; the removal may as well have come
    /// first, so the caller makes the object again, or hears what stands in its way.
    /// </summary>
    private Errno LookupMade(int directory, byte* path, uint type, out Entry entry)
    {
        TestPoint("LookupMade: made");
        Errno result = LookupAt(directory, path, out entry);
        if (result != Errno.OK || (entry.Attributes.Mode & Linux.S_IFMT) == type)
        {
            // A host that answers by handle says ESTALE for what is gone.
            return result == Errno.ESTALE ? Errno.ENOENT : result;
        }

        _inodes.Forget(entry.Node, 1);
        entry = default;
        return Errno.ENOENT;
    }

    /// <summary>
    /// Counts a lookup of what was just linked, which is known already: the new name may be gone or another's by now.
    /// </summary>
    private Errno LookupLinked(int fd, int directory, byte* path, out Entry entry)
    {
        TestPoint("LookupLinked: linked");
        StatxBuffer stat;
        int status = HostStat.Of(fd, &stat);
        if (status < 0)
        {
            entry = default;
            return (Errno)(-status);
        }

        byte empty = 0;
        if (TryLookup(fd, &empty, Constants.AT_EMPTY_PATH, stat, out entry))
        {
            return Errno.OK;
        }

        // The host has given the object another identity with the link, as overlayfs may: the name leads to that one.
        Errno result = LookupAt(directory, path, out entry);
        return result == Errno.ENOENT ? Errno.ESTALE : result;
    }
}
