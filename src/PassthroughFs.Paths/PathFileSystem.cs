using System;
using System.Collections.Generic;
using PassthroughFs.Core.Api;
using PassthroughFs.Paths.Tree;

namespace PassthroughFs.Paths;

/// <summary>
/// A file system by path: override what is at a path, what is in a directory and how a file is read, and what else it
/// can do. NodeIds, lookup counts, handles, listings in pieces and what renames change are done here.
/// </summary>
/// <remarks>
/// <para>
/// Paths begin with "/", which alone is the root, and have no "." and "..", no empty component and no "/" at their end.
/// Names are UTF-8: what a client asks for in other bytes is EILSEQ.
/// </para>
/// <para>
/// Several threads call at once. Of one path and those below it no call is under way while one of
/// <see cref="Rename"/>, <see cref="RemoveFile"/> and <see cref="RemoveDirectory"/> changes it: who waits there for
/// long makes others wait. A method must not use a mount of its own file system.
/// </para>
/// <para>
/// Each answers with an error number of Linux; what it does not override is answered as a file system that is read-only
/// and has no extended attributes does. An exception is EIO to the client and an event in the log.
/// </para>
/// </remarks>
public abstract partial class PathFileSystem : IFileSystem, IDisposable
{
    private readonly PathFileSystemOptions _options;
    private readonly PathTree _tree;
    private readonly OpenTable _open;
    private readonly ListedNames _listed;

    /// <summary>A file system without a client.</summary>
    /// <param name="options">What it promises; the defaults without.</param>
    /// <exception cref="ArgumentOutOfRangeException">A time is negative, or a limit is not positive.</exception>
    protected PathFileSystem(PathFileSystemOptions? options = null)
    {
        _options = options ?? new PathFileSystemOptions();
        ArgumentOutOfRangeException.ThrowIfLessThan(_options.EntryTimeout, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThan(_options.AttributesTimeout, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThan(_options.NegativeTimeout, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(_options.MaxNodes);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(_options.MaxOpenFiles);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(_options.MaxListedNames);
        _tree = new PathTree(_options.MaxNodes);
        _open = new OpenTable(_options.MaxOpenFiles);
        _listed = new ListedNames(_options.MaxListedNames);
    }

    /// <summary>How many paths the client knows, the root included.</summary>
    public int NodeCount => _tree.Count;

    /// <summary>How many files and directories the client has open.</summary>
    public int OpenCount => _open.Count;

    /// <summary>Says what is at a path.</summary>
    /// <param name="path">The path.</param>
    /// <param name="attributes">Its attributes: <see cref="PathAttributes"/> makes them.
    /// <see cref="NodeAttributes.Ino"/> is filled in.</param>
    /// <returns>ENOENT if nothing is there: the commonest answer of all.</returns>
    protected abstract Errno GetAttributes(string path, out NodeAttributes attributes);

    /// <summary>Lists a directory, as a whole: when it is first read, and again for who goes back to its
    /// start.</summary>
    /// <param name="path">The directory's path.</param>
    /// <param name="listing">Takes the names.</param>
    protected abstract Errno List(string path, PathListing listing);

    /// <summary>Opens a regular file that is there.</summary>
    /// <param name="path">Its path.</param>
    /// <param name="flags">O_RDONLY, O_WRONLY or O_RDWR (<see cref="Linux.O_ACCMODE"/>), and what else the program
    /// gave. No O_CREAT and no O_EXCL; O_TRUNC comes as a <see cref="PathFile.SetSize"/> of its own.</param>
    /// <param name="file">The open file, which is disposed of at its RELEASE.</param>
    protected abstract Errno Open(string path, uint flags, out PathFile? file);

    /// <summary>Makes a regular file and opens it.</summary>
    /// <param name="context">Who makes it, and is to own it.</param>
    /// <param name="path">Its path. A file that is there is opened, unless <paramref name="flags"/> have O_EXCL:
    /// EEXIST.</param>
    /// <param name="mode">The permissions it is to have; the client has applied its umask.</param>
    /// <param name="flags">As in <see cref="Open"/>, and O_EXCL; O_TRUNC empties a file that is there.</param>
    /// <param name="file">The open file.</param>
    /// <returns>EROFS unless overridden.</returns>
    protected virtual Errno Create(in RequestContext context, string path, uint mode, uint flags, out PathFile? file)
    {
        file = null;
        return Errno.EROFS;
    }

    /// <summary>Makes a directory.</summary>
    /// <param name="context">Who makes it, and is to own it.</param>
    /// <param name="path">Its path.</param>
    /// <param name="mode">The permissions it is to have; the client has applied its umask.</param>
    /// <returns>EROFS unless overridden.</returns>
    protected virtual Errno MakeDirectory(in RequestContext context, string path, uint mode) => Errno.EROFS;

    /// <summary>Makes a symbolic link.</summary>
    /// <param name="context">Who makes it, and is to own it.</param>
    /// <param name="path">Its path.</param>
    /// <param name="target">What it leads to, unchecked.</param>
    /// <returns>EROFS unless overridden.</returns>
    protected virtual Errno MakeSymbolicLink(in RequestContext context, string path, string target) => Errno.EROFS;

    /// <summary>Makes a FIFO, a socket or a device node; a regular file is <see cref="Create"/>'s.</summary>
    /// <param name="context">Who makes it, and is to own it.</param>
    /// <param name="path">Its path.</param>
    /// <param name="mode">Its type and permissions.</param>
    /// <param name="rdev">The device's number, as the kernel packs it.</param>
    /// <returns>EPERM unless overridden.</returns>
    protected virtual Errno MakeNode(in RequestContext context, string path, uint mode, uint rdev) => Errno.EPERM;

    /// <summary>Reads a symbolic link.</summary>
    /// <param name="path">Its path.</param>
    /// <param name="target">What it leads to.</param>
    /// <returns>EINVAL unless overridden.</returns>
    protected virtual Errno ReadLink(string path, out string target)
    {
        target = "";
        return Errno.EINVAL;
    }

    /// <summary>Changes attributes.</summary>
    /// <param name="path">The path.</param>
    /// <param name="changes">Those that <see cref="SetAttrRequest.Valid"/> names are to change; its Handle says
    /// nothing here. A size comes here where no open file has taken it. A request for several comes in
    /// up to three calls: mode and owner, size, times.</param>
    /// <returns>EROFS unless overridden.</returns>
    protected virtual Errno SetAttributes(string path, in SetAttrRequest changes) => Errno.EROFS;

    /// <summary>Removes what is no directory. Who has it open keeps his <see cref="PathFile"/>.</summary>
    /// <param name="path">Its path.</param>
    /// <returns>EROFS unless overridden.</returns>
    protected virtual Errno RemoveFile(string path) => Errno.EROFS;

    /// <summary>Removes a directory.</summary>
    /// <param name="path">Its path.</param>
    /// <returns>EROFS unless overridden; ENOTEMPTY if there is something in it.</returns>
    protected virtual Errno RemoveDirectory(string path) => Errno.EROFS;

    /// <summary>Moves a file, or a directory with all there is in it; what is at the new path goes.</summary>
    /// <param name="path">Where it is.</param>
    /// <param name="newPath">Where it is to be.</param>
    /// <param name="flags">0, <see cref="Linux.RENAME_NOREPLACE"/> or <see cref="Linux.RENAME_EXCHANGE"/>.</param>
    /// <returns>EROFS unless overridden.</returns>
    protected virtual Errno Rename(string path, string newPath, uint flags) => Errno.EROFS;

    /// <summary>Reads an extended attribute.</summary>
    /// <param name="path">Whose.</param>
    /// <param name="name">Its name, with its prefix.</param>
    /// <param name="value">Where it goes; empty if only its size is asked for.</param>
    /// <param name="size">How long it is, in bytes, whether it fits or not.</param>
    /// <returns>ENODATA if there is none; ERANGE if it does not fit; ENOSYS unless overridden: the client asks for
    /// none any more.</returns>
    protected virtual Errno GetXattr(string path, string name, Span<byte> value, out int size)
    {
        size = 0;
        return Errno.ENOSYS;
    }

    /// <summary>Lists the names of extended attributes.</summary>
    /// <param name="path">Whose.</param>
    /// <param name="names">Takes them.</param>
    /// <returns>ENOSYS unless overridden: the client asks for none any more.</returns>
    protected virtual Errno ListXattr(string path, ICollection<string> names) => Errno.ENOSYS;

    /// <summary>Sets an extended attribute.</summary>
    /// <param name="path">Whose.</param>
    /// <param name="name">Its name, with its prefix.</param>
    /// <param name="value">Its value; the client's memory, for the time of the call.</param>
    /// <param name="flags">0, <see cref="Linux.XATTR_CREATE"/> or <see cref="Linux.XATTR_REPLACE"/>.</param>
    /// <returns>ENOSYS unless overridden: the client sets none any more.</returns>
    protected virtual Errno SetXattr(string path, string name, ReadOnlySpan<byte> value, uint flags) => Errno.ENOSYS;

    /// <summary>Removes an extended attribute.</summary>
    /// <param name="path">Whose.</param>
    /// <param name="name">Its name, with its prefix.</param>
    /// <returns>ENODATA if there is none; ENOSYS unless overridden.</returns>
    protected virtual Errno RemoveXattr(string path, string name) => Errno.ENOSYS;

    /// <summary>Says how much room there is.</summary>
    /// <param name="reply">Blocks of <see cref="StatfsReply.Frsize"/> bytes.</param>
    /// <returns>OK and no room at all, unless overridden.</returns>
    protected virtual Errno GetStatistics(out StatfsReply reply)
    {
        reply = new StatfsReply { Bsize = 4096, Frsize = 4096, Namelen = PathNames.MaxBytes };
        return Errno.OK;
    }

    /// <summary>The session has ended: all open files are disposed of, and nothing is known to the client.</summary>
    protected virtual void OnSessionEnded()
    {
    }

    /// <summary>Disposes of all files that are open. No request may be under way.</summary>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Gives back what the file system holds.</summary>
    /// <param name="disposing">True, but for a finalizer's call.</param>
    protected virtual void Dispose(bool disposing)
    {
        if (disposing)
        {
            _open.Clear(_tree);
        }
    }
}
