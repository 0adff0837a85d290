using System;
using System.Runtime.CompilerServices;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Passthrough;

/// <summary>
/// One inode of an <see cref="InodeStore"/>, held: its file descriptor is not closed before <see cref="Dispose"/>,
/// whatever is forgotten meanwhile.
/// </summary>
public readonly ref struct HostInode : IDisposable
{
    private readonly InodeStore? _store;
    private readonly ref InodeSlot _slot;
    private readonly int _index;

    internal HostInode(InodeStore store, ref InodeSlot slot, int index)
    {
        _store = store;
        _slot = ref slot;
        _index = index;
    }

    /// <summary>Whether there is no such inode.</summary>
    public bool IsNone => _store is null;

    /// <summary>The number the client knows it by.</summary>
    public NodeId Node => new(_slot.Node);

    /// <summary>The host's identity of it.</summary>
    public InodeKey Key => _slot.Key;

    /// <summary>The host's <c>st_mode</c> when it was first seen. The file type in it never changes.</summary>
    public uint Mode => _slot.Mode;

    /// <summary>
    /// The O_PATH file descriptor, or -1 if it is kept by handle. Borrowed. One may come meanwhile, and then stays.
    /// </summary>
    public int Fd => _slot.Fd;

    /// <summary>The kernel handle, or none where handles are not in use or it has none.</summary>
    public KernelHandle Handle => _slot.Handle;

    internal int Slot => _index;

    /// <summary>The number of its mount; -1 if that is not kept open for it.</summary>
    internal int Mount => _slot.Mount;

    /// <summary>Notes a use of one that has no descriptor; whether there was another since it has none.</summary>
    internal bool UseAgain()
    {
        bool again = _slot.IsUsed;
        _slot.IsUsed = true;
        return again;
    }

    /// <summary>Tells it from a later inode with its NodeId; never 0, and the same whenever it comes again.</summary>
    /// <param name="fileSystem">With <see cref="Handle"/>: the number of the host's file system.</param>
    internal uint Generation(ulong fileSystem) => _slot.Handle.IsNone
        ? KernelHandle.ToGeneration(_slot.Key, _slot.Birth)
        : _slot.Handle.ToGeneration(fileSystem);

    /// <summary>How many lookups the client holds at this moment.</summary>
    public ulong LookupCount => System.Threading.Volatile.Read(ref Unsafe.AsRef(in _slot.Lookups));

    /// <summary>Lets go of it.</summary>
    public void Dispose() => _store?.Unpin(_index);
}
