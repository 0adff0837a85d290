using System;
using System.Collections.Generic;
using System.Threading;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Passthrough;

/// <summary>
/// Files that stay open for a while where the client does without OPEN, so that not each request opens its file again.
/// Finding one takes no lock; keeping one may close another.
/// </summary>
/// <remarks>
/// Each node and access mode has one place, which others share: the last one opened stays. An open file holds its host
/// inode, so that what is kept is never another file with the same number.
/// </remarks>
internal sealed class KeptFiles : IDisposable
{
    private readonly HandleStore _files = new();

    // Handles of the store, or what is left of them: a Handle that has ended names no file, and never will again.
    private readonly ulong[] _places;

    /// <param name="count">How many stay open at most; 0 for none.</param>
    public KeptFiles(int count) => _places = new ulong[count];

    /// <summary>How many are open.</summary>
    public int Count => _files.Count;

    /// <summary>Whether any file stays open.</summary>
    public bool IsInUse => _places.Length > 0;

    /// <summary>Holds the open file of a node; <see cref="OpenFile.IsNone"/> if none is kept.</summary>
    /// <param name="node">The node.</param>
    /// <param name="accessMode">O_RDONLY or O_WRONLY; it must be what the file was opened with.</param>
    public OpenFile Get(NodeId node, uint accessMode)
    {
        OpenFile file = _files.Get(new Handle(Volatile.Read(ref Place(node, accessMode))), node);
        if (file.IsNone || file.Flags == accessMode)
        {
            return file;
        }

        file.Dispose();
        return default;
    }

    /// <summary>Keeps a file that was opened, and holds it.</summary>
    /// <param name="node">The node.</param>
    /// <param name="fd">The file descriptor, taken over.</param>
    /// <param name="accessMode">O_RDONLY or O_WRONLY.</param>
    /// <returns><see cref="OpenFile.IsNone"/> if it cannot be kept; then it is closed.</returns>
    public OpenFile Add(NodeId node, int fd, uint accessMode)
    {
        Handle handle = _files.Add(node, fd, accessMode);
        OpenFile file = _files.Get(handle, node);
        ulong last = Interlocked.Exchange(ref Place(node, accessMode), handle.Value);
        _files.Release(new Handle(last));
        return file;
    }

    /// <summary>Closes what is kept of a node.</summary>
    public void Drop(NodeId node)
    {
        _files.Release(new Handle(Volatile.Read(ref Place(node, Linux.O_RDONLY))), node);
        _files.Release(new Handle(Volatile.Read(ref Place(node, Linux.O_WRONLY))), node);
    }

    /// <summary>All that is kept.</summary>
    public List<KeptFile> Snapshot() => _files.Snapshot(out _);

    /// <summary>Closes all that is kept.</summary>
    public void Clear() => _files.Clear();

    /// <summary>As <see cref="Clear"/>.</summary>
    public void Dispose() => _files.Dispose();

    private ref ulong Place(NodeId node, uint accessMode)
    {
        uint mixed = (uint)((((node.Value << 1) + accessMode) * 0x9E37_79B9_7F4A_7C15UL) >> 32);
        return ref _places[mixed % (uint)_places.Length];
    }
}
