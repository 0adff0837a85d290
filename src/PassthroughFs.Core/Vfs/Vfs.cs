using System;
using System.Collections.Generic;
using System.Diagnostics.CodeAnalysis;
using System.Linq;
using System.Runtime.CompilerServices;
using System.Threading;
using Microsoft.Extensions.Logging;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Vfs;

/// <summary>
/// Several file systems under one root. They come and go at any time, <see cref="Mount"/> and <see cref="Unmount"/>; the
/// directories down to them appear and vanish with them.
/// </summary>
/// <remarks>
/// <para>
/// The top byte of a NodeId says which mount it belongs to (0: the directories down to the mounts), the 56 bits below are
/// the file system's own. A mount's number, its index, is not given to another one while the client may hold one of its
/// nodes: what a client holds never becomes another file. The inode numbers that the client shows carry the index as well,
/// so that programs which compare them (tar, rsync, du) take no two files for one.
/// </para>
/// <para>
/// A file system at "/" is alone and everything passes as it is. Otherwise a mount point is never inside another mount.
/// link, rename and copy_file_range from one mount to another are EXDEV. ENOSYS, which clients take as "never ask again",
/// is said for one of several mounts in other words.
/// </para>
/// <para>
/// A client that can be notified sees a mount at once, whatever it has cached; another one when its timeouts are over.
/// </para>
/// <para>
/// The mounted file systems are not owned: each is its owner's again when its <see cref="VfsMount.Released"/> completes.
/// </para>
/// </remarks>
[SuppressMessage("Naming", "CA1724", Justification = "The layer has the name of the one type that it is about.")]
public sealed partial class Vfs : IStatefulFileSystem
{
    /// <summary>The largest NodeId that a mounted file system may use: 2^56-1.</summary>
    public static NodeId MaxNodeId => new(MaxNodeIdValue);

    /// <summary>How many mounts there can be.</summary>
    public const int MaxMounts = 255;

    internal const int IndexShift = 56;
    internal const ulong MaxNodeIdValue = (1UL << IndexShift) - 1;

    // Guards all that changes the mounts. No request but INIT and DESTROY takes it.
    private readonly Lock _lock = new();
    private readonly VfsMount?[] _mounts = new VfsMount?[MountSlots.Size];
    private readonly PseudoNumbers _numbers = new();
    private readonly ILogger _logger;
    private int _lastIndex;

    // What the session offers.
    private INotificationSink? _notifications;
    private SessionServices _services;

    // What was negotiated; null where no session is under way.
    private InitFlags? _session;

    // What requests see: they read it once and it never changes.
    private volatile MountSlots _table;

    /// <summary>An empty tree.</summary>
    /// <param name="options">How it behaves; null for the defaults.</param>
    /// <param name="logger">Gets what happens to mounts, or null.</param>
    public Vfs(VfsOptions? options = null, ILogger<Vfs>? logger = null)
    {
        Options = options ?? new VfsOptions();
        _logger = GuardedLogger.Around(logger);
        _table = BuildTable();
    }

    /// <summary>How it behaves.</summary>
    public VfsOptions Options { get; }

    /// <summary>The way to the client, which is told of mounts that come and go; null before a session.</summary>
    private INotificationSink? Notifications => Volatile.Read(ref _notifications);

    /// <summary>What is mounted now, by path.</summary>
    public IReadOnlyList<VfsMount> Mounts
    {
        get
        {
            lock (_lock)
            {
                return [.. LiveMounts().OrderBy(mount => mount.Path, StringComparer.Ordinal)];
            }
        }
    }

    /// <summary>What is mounted at a path.</summary>
    /// <param name="path">As it was mounted.</param>
    /// <param name="mount">The mount, or null.</param>
    /// <returns>False if nothing is mounted exactly there.</returns>
    /// <exception cref="VfsException">No path of a mount point looks like this.</exception>
    public bool TryGet(string path, [NotNullWhen(true)] out VfsMount? mount)
    {
        path = VfsPath.Normalize(path);
        lock (_lock)
        {
            mount = FindLive(path);
            return mount is not null;
        }
    }

    /// <summary>The file system that is mounted at a path, by its type.</summary>
    /// <typeparam name="T">The type it is expected to have.</typeparam>
    /// <param name="path">As it was mounted.</param>
    /// <param name="fileSystem">The file system, or null.</param>
    /// <returns>False if nothing is mounted exactly there, or something of another type.</returns>
    /// <exception cref="VfsException">No path of a mount point looks like this.</exception>
    public bool TryGet<T>(string path, [NotNullWhen(true)] out T? fileSystem)
        where T : class, IBackendFileSystem
    {
        fileSystem = TryGet(path, out VfsMount? mount) ? mount.FileSystem as T : null;
        return fileSystem is not null;
    }

    /// <summary>Begins a request at a node and takes the index off its number.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Request Enter(ref NodeId node)
    {
        RequestThread thread = RequestThread.Current;
        MountSlots table = _table;
        MountSlot slot = table.Slots[node.Value >> IndexShift];
        thread.Enter(slot);
        while (_table != table)
        {
            // A mount came or went between the two looks: see RequestThread.
            thread.Leave();
            table = _table;
            slot = table.Slots[node.Value >> IndexShift];
            thread.Enter(slot);
        }

        node = new NodeId(node.Value & MaxNodeIdValue);
        return new Request(thread, slot);
    }

    /// <summary>Begins a request at two nodes; both must be of one mount.</summary>
    private Request Enter(ref NodeId node, ref NodeId other, out bool isOneMount)
    {
        isOneMount = node.Value >> IndexShift == other.Value >> IndexShift;
        other = new NodeId(other.Value & MaxNodeIdValue);
        return Enter(ref node);
    }

    /// <summary>Makes an entry the client's, or gives it back if its number is too large.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Errno Publish(in RequestContext context, MountSlot slot, ref Entry entry) =>
        slot.TryPublish(ref entry) ? Errno.OK : RefuseNumber(context, slot, ref entry);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private Errno RefuseNumber(in RequestContext context, MountSlot slot, ref Entry entry)
    {
        NodeTooLarge(slot, entry.Node);
        slot.FileSystem.Forget(context, entry.Node, 1);
        entry = default;
        return Errno.EOVERFLOW;
    }

    internal void NodeTooLarge(MountSlot slot, NodeId node)
    {
        if (slot.Mount is { } mount && mount.MayLogNodeTooLarge())
        {
            VfsLog.NodeTooLarge(_logger, mount.Path, node);
        }
    }

    private IEnumerable<VfsMount> LiveMounts() =>
        _mounts.OfType<VfsMount>().Where(mount => mount.State == MountState.Live);

    private VfsMount? FindLive(string path) => LiveMounts().FirstOrDefault(mount => mount.Path == path);
}
