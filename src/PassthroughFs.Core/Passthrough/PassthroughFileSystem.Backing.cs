using System;
using System.Threading;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Passthrough;

/// <remarks>Files that the client reads and writes by itself.</remarks>
public sealed unsafe partial class PassthroughFileSystem
{
    private SessionServices _services;

    // Null where they were not agreed on.
    private volatile BackingTable? _backing;
    private int _saidBackingOff;
    private int _saidBackingRefused;
    private int _saidVanishing;

    /// <inheritdoc/>
    public void Attach(in SessionServices services) => _services = services;

    private void StartBacking(InitFlags accepted)
    {
        _backing?.Clear();
        _backing = null;
        _saidBackingOff = 0;
        _saidVanishing = 0;
        if (accepted.HasFlag(InitFlags.FUSE_PASSTHROUGH))
        {
            ProcessIdentity? removesSetIdBits =
                accepted.HasFlag(InitFlags.FUSE_HANDLE_KILLPRIV_V2) ? _identity : null;
            _backing = new BackingTable(_services, _inodes, removesSetIdBits, NoteBackingRefused);
        }
        else if (Config.BackingFiles)
        {
            PassthroughLog.NoBackingFiles(_logger);
            NoteNoMappings();
        }
    }

    /// <summary>Makes the handle of a file that was opened for the client; the fd is taken over.</summary>
    private Errno AddFile(NodeId node, ulong device, int fd, uint flags, out OpenReply reply)
    {
        HostFileSystemKind kind = _hostFileSystems.KindOf(device, fd);
        bool isUnsized = IsUnsized(kind, fd, flags);
        OpenReplyFlags replyFlags = isUnsized ? OpenReplyFlags.FOPEN_DIRECT_IO : FileReplyFlags(flags);
        if (HasNothingToFlush(kind, flags))
        {
            replyFlags |= OpenReplyFlags.FOPEN_NOFLUSH;
        }

        // What is made when it is read, the kernel's own way of reading cannot read everywhere.
        BackingTable? backing = isUnsized || MayVanish(kind) ? null : _backing;
        int id = backing?.Open(node, fd, (flags & Linux.O_ACCMODE) == Linux.O_RDWR) ?? 0;
        if (id != 0)
        {
            // The cache policy is about the client's own cache, which is not used; with its flags the open would fail.
            replyFlags = OpenReplyFlags.FOPEN_PASSTHROUGH | (replyFlags & OpenReplyFlags.FOPEN_NOFLUSH);
        }

        if (kind == HostFileSystemKind.Quiet)
        {
            flags |= OpenFileSlot.EndsShort;
        }

        if ((replyFlags & OpenReplyFlags.FOPEN_DIRECT_IO) != 0)
        {
            flags |= OpenFileSlot.AnswersParts;
        }

        Errno result = AddHandle(node, fd, flags, replyFlags, out reply);
        reply.BackingId = id;
        if (result != Errno.OK)
        {
            backing?.Release(node);
        }

        return result;
    }

    /// <summary>
    /// Whether an open file may be one that others have removed, which its file system does not open once more. The client
    /// does that for a backing file at each open, and makes EIO of an error. It matters where others are said to change
    /// the directory.
    /// </summary>
    private bool MayVanish(HostFileSystemKind kind)
    {
        if (kind is not (HostFileSystemKind.Foreign or HostFileSystemKind.Remote) || _backing is null ||
            Config.CachePolicy != CachePolicy.Never)
        {
            return false;
        }

        if (Interlocked.Exchange(ref _saidVanishing, 1) == 0)
        {
            PassthroughLog.NoRemoteBackingFiles(_logger);
            NoteNoMappings();
        }

        return true;
    }

    /// <summary>How long the client may cache a node's attributes.</summary>
    private TimeSpan AttrTimeoutOf(NodeId node, uint mode)
    {
        if (Linux.S_ISDIR(mode))
        {
            return _dirAttrTimeout;
        }

        return _backing?.MayChangeUnseen(node) == true ? TimeSpan.Zero : Config.AttrTimeout;
    }

    private void NoteBackingRefused(Errno error, bool forGood)
    {
        if (Interlocked.Exchange(ref forGood ? ref _saidBackingOff : ref _saidBackingRefused, 1) != 0)
        {
            return;
        }

        if (forGood)
        {
            PassthroughLog.BackingFilesSwitchedOff(_logger, error);
            NoteNoMappings();
        }
        else
        {
            PassthroughLog.BackingFileRefused(_logger, error);
        }
    }

    private void NoteNoMappings()
    {
        if (!Config.DirectMappings && Config.CachePolicy is CachePolicy.Never or CachePolicy.Metadata)
        {
            PassthroughLog.NoMappings(_logger);
        }
    }
}
