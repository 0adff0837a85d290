using System.Threading;
using System.Threading.Tasks;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Vfs;

/// <summary>How to take a file system out of the tree.</summary>
public enum UnmountMode
{
    /// <summary>
    /// The name is gone at once; what the client still has open goes on as before. The file system is released when the
    /// client holds none of its nodes any more. The default.
    /// </summary>
    Detach,

    /// <summary>The name is gone, and what the client still has open answers ESTALE.</summary>
    Revoke,
}

/// <summary>One file system in the tree of a <see cref="Vfs"/>.</summary>
public sealed class VfsMount : IThreadPoolWorkItem
{
    private readonly Vfs _owner;
    private readonly TaskCompletionSource _released = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _state;
    private int _reclaim;
    private bool _loggedNodeTooLarge;

    internal VfsMount(Vfs owner, string path, int index, in Entry root)
    {
        _owner = owner;
        Path = path;
        Index = index;
        Root = root;
    }

    /// <summary>Where it is, or was, as in "/images/a".</summary>
    public string Path { get; }

    /// <summary>The file system. Not owned: see <see cref="Released"/>.</summary>
    public IBackendFileSystem FileSystem { get; internal set; } = null!;

    /// <summary>
    /// Completes after the unmount, when no request uses the file system any more and it has got its
    /// <see cref="IFileSystem.Destroy"/>: from then on it is its owner's to dispose of, or to mount again.
    /// </summary>
    public Task Released => _released.Task;

    /// <summary>The top byte of its NodeIds. No other mount has it while the client may hold one of them.</summary>
    public int Index { get; }

    /// <summary>The root as it was when it was mounted.</summary>
    internal Entry Root { get; }

    /// <summary>What a request needs of it. Replaced when a session starts or ends.</summary>
    internal MountSlot Slot { get; set; } = null!;

    internal MountState State
    {
        get => (MountState)Volatile.Read(ref _state);
        set => Volatile.Write(ref _state, (int)value);
    }

    /// <summary>What the client held, with the index, when the file system went.</summary>
    internal NodeId[] Leftover { get; set; } = [];

    /// <summary>Whether the index may be used again.</summary>
    internal bool IsOver => State == MountState.Released && Slot.Holds.IsZero;

    /// <summary>Begins to reclaim, unless somebody is at it: then that one goes on once more.</summary>
    internal bool TryBeginReclaim() => Interlocked.Add(ref _reclaim, 1) == 1;

    /// <summary>Whether nobody has asked for it since.</summary>
    internal bool TryEndReclaim() => Interlocked.CompareExchange(ref _reclaim, 0, 1) == 1 ||
        Interlocked.Exchange(ref _reclaim, 1) == 0;

    /// <summary>Once.</summary>
    internal bool MayLogNodeTooLarge() => !Interlocked.Exchange(ref _loggedNodeTooLarge, true);

    internal void SetReleased()
    {
        State = MountState.Released;
        _released.SetResult();
    }

    /// <summary>After the client gave back its last node.</summary>
    void IThreadPoolWorkItem.Execute() => _owner.FinishIfIdle(this);
}

/// <summary>The life of a mount, in this order.</summary>
internal enum MountState
{
    /// <summary>In the tree.</summary>
    Live,

    /// <summary>Out of the tree, and still serving what the client holds.</summary>
    Detached,

    /// <summary>New requests answer ESTALE; those under way end.</summary>
    Revoked,

    /// <summary>No request uses the file system. The index rests until the client holds none of its nodes.</summary>
    Released,
}
