using System;
using PassthroughFs.Core.Api;
using PassthroughFs.Paths.Tree;

namespace PassthroughFs.Paths;

/// <summary>Operations with names.</summary>
public abstract partial class PathFileSystem
{
    Errno IFileSystem.Init(in RequestContext context, InitFlags offered, out InitFlags accepted)
    {
        const InitFlags Wanted = InitFlags.FUSE_ASYNC_READ | InitFlags.FUSE_ASYNC_DIO | InitFlags.FUSE_AUTO_INVAL_DATA |
            InitFlags.FUSE_DO_READDIRPLUS | InitFlags.FUSE_READDIRPLUS_AUTO | InitFlags.FUSE_PARALLEL_DIROPS;
        accepted = offered & Wanted;
        return Errno.OK;
    }

    void IFileSystem.Destroy(in RequestContext context)
    {
        try
        {
            _open.Clear(_tree);
        }
        finally
        {
            _tree.ForgetAll();
            OnSessionEnded();
        }
    }

    Errno IFileSystem.Lookup(in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, out Entry entry)
    {
        entry = default;
        if (name.SequenceEqual("."u8) || name.SequenceEqual(".."u8))
        {
            return LookupDirectory(parent, name.Length == 1, out entry);
        }

        Errno error = PinName(parent, name, false, out PathPin pin, out string text);
        if (error != Errno.OK)
        {
            return error;
        }

        using (pin)
        {
            error = GetAttributes(pin.Path!, out NodeAttributes attributes);
            if (error == Errno.ENOENT && _options.NegativeTimeout > TimeSpan.Zero)
            {
                entry.EntryTimeout = _options.NegativeTimeout;
                return Errno.OK;
            }

            return error == Errno.OK ? Enter(pin, text, attributes, out entry) : error;
        }
    }

    void IFileSystem.Forget(in RequestContext context, NodeId node, ulong count) => _tree.Forget(node, count);

    Errno IFileSystem.Symlink(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, ReadOnlySpan<byte> target, out Entry entry)
    {
        entry = default;
        if (PathNames.DecodeText(target, out string leadsTo) is var wrong and not Errno.OK)
        {
            return wrong;
        }

        Errno error = PinName(parent, name, false, out PathPin pin, out string text);
        if (error != Errno.OK)
        {
            return error;
        }

        using (pin)
        {
            error = MakeSymbolicLink(context, pin.Path!, leadsTo);
            return error == Errno.OK ? EnterMade(pin, text, out entry) : error;
        }
    }

    Errno IFileSystem.Mknod(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, uint mode, uint rdev, uint umask,
        out Entry entry)
    {
        entry = default;
        Errno error = PinName(parent, name, false, out PathPin pin, out string text);
        if (error != Errno.OK)
        {
            return error;
        }

        using (pin)
        {
            if ((mode & Linux.S_IFMT) is 0 or Linux.S_IFREG)
            {
                const uint Flags = Linux.O_WRONLY | Linux.O_EXCL;
                error = Create(context, pin.Path!, mode & Linux.ModeBits, Flags, out PathFile? file);
                file?.Dispose();
            }
            else
            {
                error = MakeNode(context, pin.Path!, mode, rdev);
            }

            return error == Errno.OK ? EnterMade(pin, text, out entry) : error;
        }
    }

    Errno IFileSystem.Mkdir(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, uint mode, uint umask, out Entry entry)
    {
        entry = default;
        Errno error = PinName(parent, name, false, out PathPin pin, out string text);
        if (error != Errno.OK)
        {
            return error;
        }

        using (pin)
        {
            error = MakeDirectory(context, pin.Path!, mode & Linux.ModeBits);
            return error == Errno.OK ? EnterMade(pin, text, out entry) : error;
        }
    }

    Errno IFileSystem.Create(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, in CreateRequest request, out Entry entry,
        out OpenReply reply)
    {
        entry = default;
        reply = default;
        Errno error = PinName(parent, name, false, out PathPin pin, out string text);
        if (error != Errno.OK)
        {
            return error;
        }

        using (pin)
        {
            error = Create(
                context, pin.Path!, request.Mode & Linux.ModeBits, request.Flags & ~Linux.O_CREAT, out PathFile? file);
            if (error != Errno.OK || file is null)
            {
                file?.Dispose();
                return error == Errno.OK ? Errno.EIO : error;
            }

            bool isKept = false;
            try
            {
                error = file.GetAttributes(out NodeAttributes attributes);
                error = error == Errno.ENOSYS ? GetAttributes(pin.Path!, out attributes) : error;
                error = error == Errno.OK ? Enter(pin, text, attributes, out entry) : error;
                error = error == Errno.OK ? Keep(entry.Node, file, request.Flags, out reply) : error;
                isKept = error == Errno.OK;
                return error;
            }
            finally
            {
                DisposeUnless(isKept, file);
                if (!isKept)
                {
                    _tree.Forget(entry.Node, 1);
                    entry = default;
                }
            }
        }
    }

    Errno IFileSystem.Unlink(in RequestContext context, NodeId parent, ReadOnlySpan<byte> name) =>
        Remove(parent, name, isDirectory: false);

    Errno IFileSystem.Rmdir(in RequestContext context, NodeId parent, ReadOnlySpan<byte> name) =>
        Remove(parent, name, isDirectory: true);

    Errno IFileSystem.Rename(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, NodeId newParent,
        ReadOnlySpan<byte> newName, uint flags)
    {
        if (flags is not (0 or Linux.RENAME_NOREPLACE or Linux.RENAME_EXCHANGE))
        {
            return Errno.EINVAL;
        }

        string to = "";
        Errno error = PathNames.Decode(name, out string from);
        error = error == Errno.OK && _tree.Get(parent) is null ? Errno.EBADF : error;
        error = error == Errno.OK ? PathNames.Decode(newName, out to) : error;
        PathPin pin = default;
        PathPin newPin = default;
        error = error == Errno.OK ? _tree.PinRename(parent, from, newParent, to, out pin, out newPin) : error;
        if (error != Errno.OK)
        {
            return error is Errno.EINVAL or Errno.ENOTEMPTY && to.Length > 0
                ? Misplaced(parent, from, newParent, to, flags, error)
                : error;
        }

        using (pin)
        using (newPin)
        {
            error = IsTooLong(newPin) ? Errno.ENAMETOOLONG : Rename(pin.Path!, newPin.Path!, flags);
            if (error == Errno.OK && pin.Path != newPin.Path)
            {
                _tree.Move(pin, newPin, from, to, (flags & Linux.RENAME_EXCHANGE) != 0);
            }

            return error;
        }
    }

    // A directory would be in itself: what Linux sees before that comes first. Its own clients never ask for it.
    private Errno Misplaced(
        NodeId parent, string name, NodeId newParent, string newName, uint flags, Errno otherwise)
    {
        Errno source = At(parent, name);
        Errno target = At(newParent, newName);
        return source != Errno.OK ? source
            : target == Errno.OK && flags == Linux.RENAME_NOREPLACE ? Errno.EEXIST
            : flags == Linux.RENAME_EXCHANGE ? (target == Errno.OK ? Errno.EINVAL : target)
            : otherwise;
    }

    private Errno At(NodeId parent, string name)
    {
        Errno error = PinPath(parent, out PathPin pin);
        if (error != Errno.OK)
        {
            return error;
        }

        using (pin)
        {
            return GetAttributes(PathNames.Join(pin.Path!, name), out _);
        }
    }

    // Only a client that exports its mount asks for these.
    private Errno LookupDirectory(NodeId node, bool isItself, out Entry entry)
    {
        entry = default;
        Errno error = PinPath(node, out PathPin pin);
        if (error != Errno.OK)
        {
            return error;
        }

        using (pin)
        {
            PathNode at = pin.Node!;
            if (at.Type != Linux.S_IFDIR)
            {
                return Errno.ENOTDIR;
            }

            at = isItself ? at : at.Parent ?? at;
            error = GetAttributes(_tree.PathOf(at)!, out NodeAttributes attributes);
            if (error == Errno.OK)
            {
                _tree.CountLookup(at);
                Fill(new NodeId(at.Id), attributes, out entry);
            }

            return error;
        }
    }

    private Errno Remove(NodeId parent, ReadOnlySpan<byte> name, bool isDirectory)
    {
        Errno error = PinName(parent, name, true, out PathPin pin, out _);
        if (error != Errno.OK)
        {
            return error;
        }

        using (pin)
        {
            uint type = pin.Child!.Type;
            if (type != 0 && (type == Linux.S_IFDIR) != isDirectory)
            {
                return isDirectory ? Errno.ENOTDIR : Errno.EISDIR;
            }

            error = isDirectory ? RemoveDirectory(pin.Path!) : RemoveFile(pin.Path!);
            if (error == Errno.OK)
            {
                _tree.Remove(pin);
            }

            return error;
        }
    }

    private Errno PinName(NodeId parent, ReadOnlySpan<byte> name, bool changes, out PathPin pin, out string text)
    {
        pin = default;
        Errno error = PathNames.Decode(name, out text);
        error = error == Errno.OK ? _tree.PinName(parent, text, changes, out pin) : error;
        if (error == Errno.OK && IsTooLong(pin))
        {
            pin.Dispose();
            return Errno.ENAMETOOLONG;
        }

        return error;
    }

    private static bool IsTooLong(in PathPin pin) => pin.Path!.Length >= Linux.PATH_MAX;

    private Errno EnterMade(in PathPin pin, string name, out Entry entry)
    {
        entry = default;
        Errno error = GetAttributes(pin.Path!, out NodeAttributes attributes);
        return error == Errno.OK ? Enter(pin, name, attributes, out entry) : error;
    }

    /// <summary>Counts a lookup of what is at a name.</summary>
    private Errno Enter(in PathPin pin, string name, in NodeAttributes attributes, out Entry entry)
    {
        entry = default;
        CheckType(attributes);
        Errno error = _tree.CountLookup(pin, name, attributes.Mode & Linux.S_IFMT, out NodeId node);
        if (error == Errno.OK)
        {
            Fill(node, attributes, out entry);
        }

        return error;
    }

    /// <summary>Refuses attributes without a type: the client makes EIO of them, and says no reason.</summary>
    private static void CheckType(in NodeAttributes attributes)
    {
        if ((attributes.Mode & Linux.S_IFMT) == 0)
        {
            throw new InvalidOperationException(
                "Attributes have a Mode without a type: make them by PathAttributes, or add S_IFDIR, S_IFREG, …");
        }
    }

    private void Fill(NodeId node, in NodeAttributes attributes, out Entry entry)
    {
        entry = new Entry
        {
            Node = node,
            Attributes = attributes,
            EntryTimeout = _options.EntryTimeout,
            AttributesTimeout = _options.AttributesTimeout,
        };
        Complete(node, ref entry.Attributes);
    }

    /// <summary>Fills in what is the same for everything here.</summary>
    private void Complete(NodeId node, ref NodeAttributes attributes)
    {
        attributes.Ino = node.Value;
        attributes.Nlink = Math.Max(attributes.Nlink, 1);
        attributes.Uid = _options.Uid ?? attributes.Uid;
        attributes.Gid = _options.Gid ?? attributes.Gid;
        attributes.Blksize = attributes.Blksize == 0 ? 4096 : attributes.Blksize;
    }
}
