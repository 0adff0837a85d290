using System.Collections.Generic;
using System.Linq;
using System.Text;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Testing;

/// <summary>One run of a <see cref="FileSystemSpec"/>: nodes, names, and what a client holds.</summary>
internal sealed partial class FileSystemRun
{
    private static readonly uint[] s_modes = [0x1a4, 0x180, 0x1b6, 0x1ed, 0x1c0, 0x1ff];

    private IFileSystem _fs;
    private readonly FileSystemSpecOptions _options;
    private readonly List<ModelInode> _inodes = [];
    private readonly List<OpenFile> _files = [];
    private readonly ModelInode _root = new(Linux.S_IFDIR, 0x1c0) { Node = NodeId.Root, Lookups = 2 };

    public FileSystemRun(IFileSystem fileSystem, FileSystemSpecOptions options)
    {
        _fs = fileSystem;
        _options = options;
        _inodes.Add(_root);
    }

    private RequestContext Context => _options.Context;

    public string? Do(Step<FileSystemStep> step) => step.Kind switch
    {
        FileSystemStep.Lookup => Lookup(step),
        FileSystemStep.LookupByNode => LookupByNode(step),
        FileSystemStep.Forget => Forget(step),
        FileSystemStep.GetAttr => GetAttr(step),
        FileSystemStep.SetMode => SetMode(step),
        FileSystemStep.SetSize => SetSize(step),
        FileSystemStep.Mkdir => Mkdir(step),
        FileSystemStep.Mknod => Mknod(step),
        FileSystemStep.Symlink => Symlink(step),
        FileSystemStep.ReadLink => ReadLink(step),
        FileSystemStep.Link => Link(step),
        FileSystemStep.Unlink => Remove(step, false),
        FileSystemStep.Rmdir => Remove(step, true),
        FileSystemStep.Rename => Rename(step),
        FileSystemStep.Create => Create(step),
        FileSystemStep.Open => Open(step),
        FileSystemStep.Read => Read(step),
        FileSystemStep.Write => Write(step),
        FileSystemStep.Release => Release(step),
        FileSystemStep.List => List(step, false),
        FileSystemStep.HandOver => HandOver(),
        _ => List(step, true),
    };

    /// <summary>From here on a successor answers; nothing else changes.</summary>
    private string? HandOver()
    {
        _fs = _options.HandOver?.Invoke(_fs) ?? _fs;
        return null;
    }

    public string? Invariants()
    {
        if (_options.LookupCount is null)
        {
            return null;
        }

        foreach (ModelInode inode in _inodes)
        {
            ulong count = inode.Lookups == 0 ? 0 : _options.LookupCount(inode.Node);
            if (count != inode.Lookups)
            {
                return $"node {inode.Node} has {count} lookups instead of {inode.Lookups}";
            }
        }

        return null;
    }

    public string? End()
    {
        string? fault = null;
        foreach (OpenFile file in _files.Where(file => !file.IsReleased))
        {
            fault ??= Expect(Errno.OK, _fs.Release(Context, file.Node, file.Handle, default));
        }

        foreach (ModelInode inode in _inodes)
        {
            _fs.Forget(Context, inode.Node, inode.Lookups);
            Forgotten(inode, inode.Lookups);
        }

        // One that was deleted after it was forgotten stays until its number shows up as another file's.
        int most = _inodes.Count(inode => inode.IsRemembered);
        int least = _inodes.Count(inode => inode.IsRemembered && inode.Links > 0);
        int remembered = _options.RememberedCount?.Invoke() ?? most;
        return fault ?? Invariants() ?? (remembered >= least && remembered <= most
            ? null : $"{remembered} nodes are remembered instead of {least} to {most}");
    }

    private static string? Expect(Errno expected, Errno answer) =>
        answer == expected ? null : $"answered {answer} instead of {expected}";

    private string? Lookup(Step<FileSystemStep> step)
    {
        NodeId parent = Pick(step.A, out ModelInode? directory);
        string name = NameOf(step.B);
        if (name == "." && _options.FindsForgotten)
        {
            return LookupByNode(step);
        }

        ModelInode? found = null;
        Errno expected = FileSystemModel.Name(name, true);
        if (expected == Errno.OK)
        {
            expected = directory is null ? Errno.EBADF : FileSystemModel.Find(directory, name, out found);
        }

        Errno answer = _fs.Lookup(Context, parent, name, out Entry entry);
        return MayBeStale(answer, directory) ? null : Expect(expected, answer) ?? Got(found, entry);
    }

    /// <summary>Names an inode by a NodeId that was given once, and maybe forgotten; or the one above it.</summary>
    private string? LookupByNode(Step<FileSystemStep> step)
    {
        ModelInode inode = _inodes[step.A % _inodes.Count];
        if (!_options.FindsForgotten || _inodes.Exists(item => item != inode && item.Node == inode.Node))
        {
            // Its number may be another's by now.
            return null;
        }

        bool up = step.B % 3 == 0 && inode.IsDirectory && inode.Links > 0;
        Errno expected = inode.Lookups > 0 || inode.Links > 0 ? Errno.OK : Errno.ESTALE;
        Errno answer = _fs.Lookup(Context, inode.Node, up ? ".." : ".", out Entry entry);
        ModelInode? found = expected != Errno.OK ? null : up ? inode.Parent ?? _root : inode;
        return MayBeStale(answer, inode) ? null : Expect(expected, answer) ?? Got(found, entry);
    }

    private string? Forget(Step<FileSystemStep> step)
    {
        NodeId node = Pick(step.A, out ModelInode? inode);
        ulong count = step.B > 56 ? ulong.MaxValue : (ulong)(step.B % 4);
        _fs.Forget(Context, node, count);
        if (inode is not null)
        {
            Forgotten(inode, count);
        }

        return null;
    }

    private void Forgotten(ModelInode inode, ulong count)
    {
        if (inode == _root || inode.Lookups == 0 || count == 0)
        {
            return;
        }

        inode.Lookups -= count < inode.Lookups ? count : inode.Lookups;
        inode.IsRemembered = inode.Lookups == 0 && inode.Links > 0;
    }

    private string? GetAttr(Step<FileSystemStep> step)
    {
        NodeId node = Pick(step.A, out ModelInode? inode);
        Errno answer = _fs.GetAttr(Context, node, Handle.None, out AttrReply reply);
        return MayBeStale(answer, inode) ? null
            : Expect(inode is null ? Errno.EBADF : Errno.OK, answer) ?? Compare(inode, reply.Attributes);
    }

    private string? SetMode(Step<FileSystemStep> step)
    {
        NodeId node = Pick(step.A, out ModelInode? inode);
        if (inode is { IsSymlink: true })
        {
            // Kernels differ in whether a symbolic link has a mode to change.
            return null;
        }

        uint mode = ModeOf(step.B);
        var request = new SetAttrRequest { Valid = SetAttrFields.FATTR_MODE, Mode = mode };
        Errno answer = _fs.SetAttr(Context, node, request, out AttrReply reply);
        if (MayBeStale(answer, inode) || IsGone(answer, inode))
        {
            // Whether it was changed before that was noticed is not said.
            inode!.Mode = _fs.GetAttr(Context, node, Handle.None, out reply) == Errno.OK &&
                (reply.Attributes.Mode & Linux.ModeBits) == mode ? mode : inode.Mode;
            return null;
        }

        if (inode is not null)
        {
            inode.Mode = mode;
        }

        return Expect(inode is null ? Errno.EBADF : Errno.OK, answer) ?? Compare(inode, reply.Attributes);
    }

    private string? SetSize(Step<FileSystemStep> step)
    {
        NodeId node = Pick(step.A, out ModelInode? inode);
        int size = step.B * step.C;
        var request = new SetAttrRequest { Valid = SetAttrFields.FATTR_SIZE, Size = (ulong)size };
        Errno answer = _fs.SetAttr(Context, node, request, out AttrReply reply);
        if (MayBeStale(answer, inode) || IsGone(answer, inode))
        {
            return null;
        }

        Errno expected = inode switch
        {
            null => Errno.EBADF,
            { IsFile: true } => Errno.OK,
            _ => inode.IsDirectory ? Errno.EISDIR : Errno.EINVAL,
        };
        if (expected == Errno.OK)
        {
            byte[] content = inode!.Content;
            System.Array.Resize(ref content, size);
            inode.Content = content;
        }

        return Expect(expected, answer) ?? (expected == Errno.OK ? Compare(inode, reply.Attributes) : null);
    }

    private string? ReadLink(Step<FileSystemStep> step)
    {
        NodeId node = Pick(step.A, out ModelInode? inode);
        byte[] target = new byte[Linux.PATH_MAX];
        Errno answer = _fs.ReadLink(Context, node, target, out int length);
        if (MayBeStale(answer, inode))
        {
            return null;
        }

        Errno expected = inode is null ? Errno.EBADF : inode.IsSymlink ? Errno.OK : Errno.EINVAL;
        string? fault = Expect(expected, answer);
        string text = Encoding.UTF8.GetString(target, 0, length);
        return fault ?? (expected != Errno.OK || text == inode!.Target ? null : $"points to '{text}'");
    }

    /// <summary>A node that the client holds; now and then one that it does not.</summary>
    private NodeId Pick(int which, out ModelInode? inode)
    {
        List<ModelInode> held = [.. _inodes.Where(item => item.Lookups > 0)];
        if (which < Steps.MaxNumber - 2)
        {
            inode = held[which % held.Count];
            return inode.Node;
        }

        inode = null;
        NodeId gone = _inodes.FirstOrDefault(item => item.Lookups == 0)?.Node ?? NodeId.None;
        return gone == NodeId.None || held.Exists(item => item.Node == gone) ? new NodeId(0x55_5555_5555) : gone;
    }

    private static string NameOf(int number) => number switch
    {
        63 => "",
        62 => "a/b",
        61 => new string('n', 256),
        60 => ".",
        _ => ((char)('a' + (number % 5))).ToString(),
    };

    private static uint ModeOf(int number) => s_modes[number % s_modes.Length];

    private bool MayBeStale(Errno answer, ModelInode? inode) =>
        answer == Errno.ESTALE && _options.DeletedMayBeStale && inode is { Links: 0 };

    /// <summary>
    /// Whether a file system has noticed, where it need not, that a file has no name and nobody has it open, so that who
    /// means its name must look again.
    /// </summary>
    private bool IsGone(Errno answer, ModelInode? inode) =>
        answer == Errno.ESTALE && inode is { IsFile: true, Links: 0 } &&
        !_files.Exists(file => file.Inode == inode && !file.IsReleased);

    /// <summary>Compares an entry with the inode it must name, and counts its lookup.</summary>
    private string? Got(ModelInode? inode, in Entry entry)
    {
        if (inode is null)
        {
            return null;
        }

        NodeId node = entry.Node;
        if (node == NodeId.None || _inodes.Exists(item => item != inode && item.Lookups > 0 && item.Node == node))
        {
            return $"node {node} is another inode's";
        }

        bool mustBeSame = inode.Lookups > 0 || (inode.IsRemembered && !_options.ForgetsNumbers);
        if (mustBeSame && inode.Node != node)
        {
            return $"node {inode.Node} became {node}";
        }

        if (mustBeSame && inode != _root && inode.Generation != entry.Generation)
        {
            return $"node {node} is of generation {entry.Generation}, and was of {inode.Generation}";
        }

        if (inode.Node == NodeId.None)
        {
            _inodes.Add(inode);
        }

        inode.Node = node;
        inode.Generation = entry.Generation;
        inode.Lookups++;
        inode.IsRemembered = false;
        return Compare(inode, entry.Attributes);
    }

    private string? Compare(ModelInode? inode, in NodeAttributes attributes)
    {
        if (inode is null || inode == _root)
        {
            return null;
        }

        uint mode = inode.Type | (inode.IsSymlink ? attributes.Mode & Linux.ModeBits : inode.Mode);
        if (attributes.Mode != mode)
        {
            return $"mode {attributes.Mode:x} instead of {mode:x}";
        }

        // How a host counts a directory's links, and its size, is its own affair.
        if (!inode.IsDirectory && attributes.Nlink != inode.Links)
        {
            return $"{attributes.Nlink} links instead of {inode.Links}";
        }

        int size = inode.IsSymlink ? inode.Target.Length : inode.Content.Length;
        return inode.IsDirectory || attributes.Size == (ulong)size ? null : $"size {attributes.Size} instead of {size}";
    }

    /// <summary>A handle the file system gave once.</summary>
    private sealed class OpenFile
    {
        public required ModelInode Inode { get; init; }

        public required NodeId Node { get; init; }

        public required Handle Handle { get; init; }

        public required uint Flags { get; init; }

        public bool IsReleased { get; set; }
    }
}
