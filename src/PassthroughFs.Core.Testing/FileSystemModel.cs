using System;
using System.Collections.Generic;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Testing;

/// <summary>
/// A file system in memory: what each change of a directory answers, and does if the answer is OK. The rules are
/// Linux's, in the order in which Linux checks them.
/// </summary>
internal static class FileSystemModel
{
    /// <summary>
    /// What a name answers before anything else is looked at; "." and ".." are good for lookups alone.
    /// </summary>
    public static Errno Name(string name, bool forLookup)
    {
        if (name.Length > Linux.NAME_MAX)
        {
            return Errno.ENAMETOOLONG;
        }

        bool isBad = name.Length == 0 || name.Contains('/', StringComparison.Ordinal);
        return isBad || (!forLookup && name is "." or "..") ? Errno.EINVAL : Errno.OK;
    }

    public static Errno Find(ModelInode parent, string name, out ModelInode? found)
    {
        found = null;
        if (!parent.IsDirectory)
        {
            return Errno.ENOTDIR;
        }

        found = name == "." ? parent : parent.Names.GetValueOrDefault(name);
        return found is null ? Errno.ENOENT : Errno.OK;
    }

    /// <summary>Whether a new name can come into a directory.</summary>
    public static Errno CanAdd(ModelInode parent, string name)
    {
        if (!parent.IsDirectory)
        {
            return Errno.ENOTDIR;
        }

        if (parent.Names.ContainsKey(name))
        {
            return Errno.EEXIST;
        }

        return parent.Links == 0 ? Errno.ENOENT : Errno.OK;
    }

    public static void Add(ModelInode parent, string name, ModelInode inode)
    {
        parent.Names.Add(name, inode);
        inode.Parent = inode.IsDirectory ? parent : null;
    }

    public static Errno Link(ModelInode inode, ModelInode parent, string name)
    {
        Errno result = CanAdd(parent, name);
        if (result != Errno.OK)
        {
            return result;
        }

        if (inode.IsDirectory)
        {
            return Errno.EPERM;
        }

        if (inode.Links == 0)
        {
            return Errno.ENOENT;
        }

        inode.Links++;
        parent.Names.Add(name, inode);
        return Errno.OK;
    }

    public static Errno Unlink(ModelInode parent, string name)
    {
        Errno result = Find(parent, name, out ModelInode? inode);
        if (result != Errno.OK)
        {
            return result;
        }

        if (inode!.IsDirectory)
        {
            return Errno.EISDIR;
        }

        inode.Links--;
        parent.Names.Remove(name);
        return Errno.OK;
    }

    public static Errno Rmdir(ModelInode parent, string name)
    {
        Errno result = Find(parent, name, out ModelInode? inode);
        if (result != Errno.OK)
        {
            return result;
        }

        if (!inode!.IsDirectory || inode.Names.Count > 0)
        {
            return inode.IsDirectory ? Errno.ENOTEMPTY : Errno.ENOTDIR;
        }

        inode.Links = 0;
        parent.Names.Remove(name);
        return Errno.OK;
    }

    public static Errno Rename(ModelInode parent, string name, ModelInode newParent, string newName, uint flags)
    {
        bool exchange = flags == Linux.RENAME_EXCHANGE;
        if (!newParent.IsDirectory)
        {
            return Errno.ENOTDIR;
        }

        Errno result = Find(parent, name, out ModelInode? found);
        if (result != Errno.OK)
        {
            return result;
        }

        ModelInode inode = found!;
        ModelInode? target = newParent.Names.GetValueOrDefault(newName);
        if (target is not null && flags == Linux.RENAME_NOREPLACE)
        {
            return Errno.EEXIST;
        }

        if ((target is null && exchange) || newParent.Links == 0)
        {
            return Errno.ENOENT;
        }

        if (inode.IsDirectory && inode.IsAtOrAbove(newParent))
        {
            return Errno.EINVAL;
        }

        if (target is { IsDirectory: true } && target.IsAtOrAbove(parent))
        {
            return exchange ? Errno.EINVAL : Errno.ENOTEMPTY;
        }

        if (inode == target)
        {
            // Two names of one file, or the same name: nothing happens.
            return Errno.OK;
        }

        if (target is not null && !exchange)
        {
            if (inode.IsDirectory != target.IsDirectory)
            {
                return inode.IsDirectory ? Errno.ENOTDIR : Errno.EISDIR;
            }

            if (target.Names.Count > 0)
            {
                return Errno.ENOTEMPTY;
            }

            target.Links -= 1;
        }

        parent.Names.Remove(name);
        newParent.Names.Remove(newName);
        Add(newParent, newName, inode);
        if (exchange)
        {
            Add(parent, name, target!);
        }

        return Errno.OK;
    }

    /// <summary>What an open answers; truncates.</summary>
    public static Errno Open(ModelInode inode, uint flags)
    {
        if (!inode.IsFile && !inode.IsDirectory)
        {
            return Errno.EBADF;
        }

        bool truncates = (flags & Linux.O_TRUNC) != 0;
        if (inode.IsDirectory && ((flags & Linux.O_ACCMODE) != Linux.O_RDONLY || truncates))
        {
            return Errno.EISDIR;
        }

        if (truncates)
        {
            inode.Content = [];
        }

        return Errno.OK;
    }

    public static void Write(ModelInode inode, long offset, ReadOnlySpan<byte> data, bool append)
    {
        if (data.IsEmpty)
        {
            return;
        }

        long at = append ? inode.Content.Length : offset;
        byte[] content = inode.Content;
        if (content.Length < at + data.Length)
        {
            Array.Resize(ref content, (int)at + data.Length);
        }

        data.CopyTo(content.AsSpan((int)at));
        inode.Content = content;
    }
}
