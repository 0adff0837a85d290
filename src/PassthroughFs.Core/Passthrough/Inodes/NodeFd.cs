using System;
using PassthroughFs.Core.Interop;

namespace PassthroughFs.Core.Passthrough;

/// <summary>
/// An O_PATH file descriptor of a node for the time of one request: the store's own, held, or one that was opened by
/// kernel handle and is closed again.
/// </summary>
internal readonly ref struct NodeFd : IDisposable
{
    private readonly HostInode _inode;
    private readonly bool _isOwn;

    /// <param name="inode">The inode, held; taken over.</param>
    /// <param name="fd">Its descriptor.</param>
    /// <param name="isOwn">Whether the descriptor was opened for this request.</param>
    public NodeFd(HostInode inode, int fd, bool isOwn)
    {
        _inode = inode;
        _isOwn = isOwn;
        Value = fd;
    }

    public int Value { get; }

    /// <summary>The inode, held as long as this is.</summary>
    public HostInode Inode => _inode;

    public void Dispose()
    {
        if (_isOwn)
        {
            _ = Sys.Close(Value);
        }

        _inode.Dispose();
    }
}
