using System;
using System.Collections.Generic;
using System.Linq;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Testing;

/// <remarks>Changes of directories, and open files.</remarks>
internal sealed partial class FileSystemRun
{
    private string? Mkdir(Step<FileSystemStep> step)
    {
        uint mode = ModeOf(step.C) | 0x1c0;
        Errno expected = CanAdd(step, out NodeId parent, out string name, out ModelInode? directory);
        Errno answer = _fs.Mkdir(Context, parent, name, mode, 0, out Entry entry);
        return Made(expected, answer, directory, name, () => new ModelInode(Linux.S_IFDIR, mode), entry);
    }

    private string? Mknod(Step<FileSystemStep> step)
    {
        uint mode = ModeOf(step.C);
        uint type = step.C % 2 == 0 ? Linux.S_IFIFO : Linux.S_IFREG;
        Errno expected = CanAdd(step, out NodeId parent, out string name, out ModelInode? directory);
        Errno answer = _fs.Mknod(Context, parent, name, type | mode, 0, 0, out Entry entry);
        return Made(expected, answer, directory, name, () => new ModelInode(type, mode), entry);
    }

    private string? Symlink(Step<FileSystemStep> step)
    {
        string target = new('t', step.C + 1);
        Errno expected = CanAdd(step, out NodeId parent, out string name, out ModelInode? directory);
        Errno answer = _fs.Symlink(Context, parent, name, target, out Entry entry);
        return Made(
            expected, answer, directory, name, () => new ModelInode(Linux.S_IFLNK, 0) { Target = target }, entry);
    }

    private string? Link(Step<FileSystemStep> step)
    {
        NodeId parent = Pick(step.A, out ModelInode? directory);
        NodeId node = Pick(step.C, out ModelInode? inode);
        string name = NameOf(step.B);
        Errno answer = _fs.Link(Context, node, parent, name, out Entry entry);
        if (MayBeStale(answer, directory) || MayBeStale(answer, inode))
        {
            return null;
        }

        Errno expected = FileSystemModel.Name(name, false);
        if (expected == Errno.OK)
        {
            expected = directory is null || inode is null
                ? Errno.EBADF : FileSystemModel.Link(inode, directory, name);
        }

        return Expect(expected, answer) ?? (answer == Errno.OK ? Got(inode, entry) : null);
    }

    private string? Remove(Step<FileSystemStep> step, bool isDirectory)
    {
        NodeId parent = Pick(step.A, out ModelInode? directory);
        string name = NameOf(step.B);
        Errno answer = isDirectory ? _fs.Rmdir(Context, parent, name) : _fs.Unlink(Context, parent, name);
        if (MayBeStale(answer, directory))
        {
            return null;
        }

        Errno expected = FileSystemModel.Name(name, false);
        if (expected == Errno.OK && directory is null)
        {
            expected = Errno.EBADF;
        }
        else if (expected == Errno.OK)
        {
            expected = isDirectory ? FileSystemModel.Rmdir(directory!, name) : FileSystemModel.Unlink(directory!, name);
        }

        return Expect(expected, answer);
    }

    private string? Rename(Step<FileSystemStep> step)
    {
        NodeId parent = Pick(step.A, out ModelInode? directory);
        NodeId newParent = Pick(step.C, out ModelInode? newDirectory);
        string name = NameOf(step.B);
        string newName = NameOf((step.B / 5) + step.C);
        uint flags = ((step.A + step.B + step.C) % 5) switch
        {
            3 => Linux.RENAME_NOREPLACE,
            4 => Linux.RENAME_EXCHANGE,
            _ => 0,
        };
        Errno answer = _fs.Rename(Context, parent, name, newParent, newName, flags);
        if (MayBeStale(answer, directory) || MayBeStale(answer, newDirectory))
        {
            return null;
        }

        Errno expected = FileSystemModel.Name(name, false);
        if (expected == Errno.OK && directory is null)
        {
            expected = Errno.EBADF;
        }
        else if (expected == Errno.OK)
        {
            expected = FileSystemModel.Name(newName, false);
            if (expected == Errno.OK)
            {
                expected = newDirectory is null ? Errno.EBADF
                    : FileSystemModel.Rename(directory!, name, newDirectory, newName, flags);
            }
        }

        // Into a directory that is deleted, and below what is to be moved: which of the two is seen first is not said.
        bool isEither = newDirectory is { Links: 0 } && expected == Errno.ENOENT && answer == Errno.EINVAL;
        return isEither ? null : Expect(expected, answer);
    }

    private string? Create(Step<FileSystemStep> step)
    {
        NodeId parent = Pick(step.A, out ModelInode? directory);
        string name = NameOf(step.B);
        uint mode = ModeOf(step.C);
        uint flags = OpenFlags(step.C) | (step.C > 48 ? Linux.O_EXCL : 0) | Linux.O_CREAT;
        var request = new CreateRequest { Flags = flags, Mode = Linux.S_IFREG | mode };
        Errno answer = _fs.Create(Context, parent, name, request, out Entry entry, out OpenReply reply);
        if (MayBeStale(answer, directory))
        {
            return null;
        }

        Errno expected = FileSystemModel.Name(name, false);
        ModelInode? inode = null;
        if (expected == Errno.OK && directory is null)
        {
            expected = Errno.EBADF;
        }
        else if (expected == Errno.OK)
        {
            expected = FileSystemModel.CanAdd(directory!, name);
            if (expected == Errno.OK)
            {
                inode = new ModelInode(Linux.S_IFREG, mode);
                FileSystemModel.Add(directory!, name, inode);
            }
            else if (expected == Errno.EEXIST && (flags & Linux.O_EXCL) == 0)
            {
                inode = directory!.Names[name];
                expected = inode.IsDirectory ? Errno.EISDIR
                    : inode.IsSymlink ? Errno.ELOOP : FileSystemModel.Open(inode, flags);
            }
        }

        string? fault = Expect(expected, answer);
        if (fault is not null || answer != Errno.OK)
        {
            return fault;
        }

        // The attributes were taken before a file that was there already was cut.
        entry.Attributes.Size = (ulong)inode!.Content.Length;
        return Got(inode, entry) ?? Opened(inode, reply, flags);
    }

    private string? Open(Step<FileSystemStep> step)
    {
        NodeId node = Pick(step.A, out ModelInode? inode);
        uint flags = OpenFlags(step.C);
        Errno answer = _fs.Open(Context, node, flags, OpenRequestFlags.None, out OpenReply reply);
        if (MayBeStale(answer, inode) || IsGone(answer, inode))
        {
            return null;
        }

        string? fault = Expect(inode is null ? Errno.EBADF : FileSystemModel.Open(inode, flags), answer);
        return fault ?? (answer == Errno.OK ? Opened(inode!, reply, flags) : null);
    }

    private string? Read(Step<FileSystemStep> step)
    {
        if (_files.Count == 0)
        {
            return null;
        }

        OpenFile file = _files[step.A % _files.Count];
        NodeId node = step.C == 0 ? new NodeId(file.Node.Value + 1) : file.Node;
        byte[] buffer = new byte[step.C * 4];
        int offset = step.B * 8;
        Errno answer = _fs.Read(Context, node, file.Handle, (ulong)offset, buffer, out int read);
        Errno expected = file.IsReleased || node != file.Node || (file.Flags & Linux.O_ACCMODE) == Linux.O_WRONLY
            ? Errno.EBADF : file.Inode.IsDirectory ? Errno.EISDIR : Errno.OK;
        string? fault = Expect(expected, answer);
        if (fault is not null || answer != Errno.OK)
        {
            return fault;
        }

        ReadOnlySpan<byte> content = file.Inode.Content.AsSpan(Math.Min(offset, file.Inode.Content.Length));
        content = content[..Math.Min(content.Length, buffer.Length)];
        return content.SequenceEqual(buffer.AsSpan(0, read)) ? null : $"read {read} bytes that were not written";
    }

    private string? Write(Step<FileSystemStep> step)
    {
        if (_files.Count == 0)
        {
            return null;
        }

        OpenFile file = _files[step.A % _files.Count];
        byte[] data = [.. Enumerable.Range(step.B, step.C).Select(number => (byte)number)];
        int offset = step.B * 8;
        Errno answer = _fs.Write(Context, file.Node, file.Handle, (ulong)offset, data, out int written);
        bool mayWrite = !file.IsReleased && (file.Flags & Linux.O_ACCMODE) != Linux.O_RDONLY;
        if (data.Length == 0)
        {
            // Nothing to write reaches no file, so that only the handle can be wrong.
            return Expect(file.IsReleased ? Errno.EBADF : Errno.OK, answer);
        }

        if (mayWrite)
        {
            FileSystemModel.Write(file.Inode, offset, data, (file.Flags & Linux.O_APPEND) != 0);
        }

        return Expect(mayWrite ? Errno.OK : Errno.EBADF, answer) ??
            (!mayWrite || written == data.Length ? null : $"wrote {written} of {data.Length} bytes");
    }

    private string? Release(Step<FileSystemStep> step)
    {
        if (_files.Count == 0)
        {
            return null;
        }

        OpenFile file = _files[step.A % _files.Count];
        if (step.C == 0)
        {
            var other = new NodeId(file.Node.Value + 1);
            return Expect(Errno.EBADF, _fs.Release(Context, other, file.Handle, default));
        }

        Errno expected = file.IsReleased ? Errno.EBADF : Errno.OK;
        file.IsReleased = true;
        return Expect(expected, _fs.Release(Context, file.Node, file.Handle, default));
    }

    private string? List(Step<FileSystemStep> step, bool plus)
    {
        NodeId node = Pick(step.A, out ModelInode? inode);
        Errno answer = _fs.OpenDir(Context, node, 0, out OpenReply reply);
        if (MayBeStale(answer, inode))
        {
            return null;
        }

        string? fault = Expect(inode is null ? Errno.EBADF : inode.IsDirectory ? Errno.OK : Errno.ENOTDIR, answer);
        if (fault is not null || answer != Errno.OK)
        {
            return fault;
        }

        var list = new DirectoryList();
        Errno listed = plus
            ? _fs.ReadDirPlus(Context, node, reply.Handle, 0, list) : _fs.ReadDir(Context, node, reply.Handle, 0, list);
        Errno released = _fs.ReleaseDir(Context, node, reply.Handle, 0);
        if (listed == Errno.ENOENT && inode!.Links == 0)
        {
            return Expect(Errno.OK, released);
        }

        string[] expected = [".", "..", .. inode!.Names.Keys];
        string[] names = [.. list.Items.Select(item => item.Name).Order(StringComparer.Ordinal)];
        fault = Expect(Errno.OK, listed) ?? Expect(Errno.OK, released) ?? (names.SequenceEqual(expected)
            ? null : $"lists {string.Join(' ', names)} instead of {string.Join(' ', expected)}");
        foreach (DirectoryList.Item item in list.Items.Where(item => item.Entry.Node != NodeId.None))
        {
            fault ??= Got(inode.Names.GetValueOrDefault(item.Name), item.Entry);
        }

        bool hasNodes = list.Items.Count(item => item.Entry.Node != NodeId.None) == (plus ? inode.Names.Count : 0);
        return fault ?? (hasNodes ? null : "an entry has no node, or should have none");
    }

    private Errno CanAdd(
        Step<FileSystemStep> step, out NodeId parent, out string name, out ModelInode? directory)
    {
        parent = Pick(step.A, out directory);
        name = NameOf(step.B);
        Errno result = FileSystemModel.Name(name, false);
        return result != Errno.OK ? result : directory is null ? Errno.EBADF : FileSystemModel.CanAdd(directory, name);
    }

    private string? Made(
        Errno expected, Errno answer, ModelInode? directory, string name, Func<ModelInode> make, in Entry entry)
    {
        string? fault = MayBeStale(answer, directory) ? null : Expect(expected, answer);
        if (fault is not null || answer != Errno.OK)
        {
            return fault;
        }

        ModelInode inode = make();
        FileSystemModel.Add(directory!, name, inode);
        return Got(inode, entry);
    }

    private string? Opened(ModelInode inode, in OpenReply reply, uint flags)
    {
        Handle handle = reply.Handle;
        if (handle.IsNone || _files.Exists(file => file.Handle == handle))
        {
            return $"handle {handle} came again";
        }

        _files.Add(new OpenFile { Inode = inode, Node = inode.Node, Handle = handle, Flags = flags });
        return null;
    }

    private static uint OpenFlags(int number) => (number % 6) switch
    {
        0 => Linux.O_RDONLY,
        1 => Linux.O_WRONLY,
        2 => Linux.O_RDWR | Linux.O_TRUNC,
        3 => Linux.O_RDWR | Linux.O_APPEND,
        _ => Linux.O_RDWR,
    };
}
