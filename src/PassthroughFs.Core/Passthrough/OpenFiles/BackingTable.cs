using System;
using System.Collections.Generic;
using System.Linq;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Threading;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;

namespace PassthroughFs.Core.Passthrough;

/// <summary>
/// Which open nodes have a backing file in the client, and which may be changed there without the server's knowledge.
/// Safe for any number of threads.
/// </summary>
/// <remarks>
/// <para>
/// The client demands that all opens of a node go one way: by one backing file, or by the server. So a node's way is
/// chosen at its first open and holds until its last release, even if the mode is switched off meanwhile. Nobody waits
/// for a registration: of two first opens at once both register, and the one that comes second takes the number of the
/// first and ends its own.
/// </para>
/// <para>
/// A write through the client's backing file makes the client ask for attributes anew. A write to a shared mapping does
/// not, and a mapping may outlive its open file. So a node that was opened for reading and writing, as a mapping
/// needs, is marked until it is forgotten, which the client does not do while it is mapped: no attributes of it are
/// cached. What was cached before is invalidated once.
/// </para>
/// </remarks>
/// <param name="services">The session's; there are backing files.</param>
/// <param name="inodes">Says whether a node is live.</param>
/// <param name="setIdBitsOf">
/// Where the client leaves the removal of set-id bits to the server: it writes with the rights of the thread that
/// registers, and the host keeps the bits for whoever has CAP_FSETID. Null where the client removes them.
/// </param>
/// <param name="refused">Gets each refusal, and whether none will be registered any more.</param>
internal sealed partial class BackingTable(
    SessionServices services, InodeStore inodes, ProcessIdentity? setIdBitsOf, Action<Errno, bool> refused)
{
    private const int Buckets = 1 << 14;

    private readonly IBackingFiles _files = services.BackingFiles!;
    private readonly Lock _lock = new();
    private readonly Dictionary<ulong, Entry> _entries = [];

    // How many marked nodes share the lowest bits of their numbers: asked with no lock by whatever answers with
    // attributes. A node that only meets a marked one here has its attributes asked for more often, which does no harm.
    private readonly int[] _marked = new int[Buckets];

    private volatile bool _off;

    /// <summary>How many nodes are known, open or marked.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _entries.Count;
            }
        }
    }

    /// <summary>Whether the client must not cache the node's attributes; may be so for others as well.</summary>
    public bool MayChangeUnseen(NodeId node) => Volatile.Read(ref Bucket(node)) != 0;

    /// <summary>Counts an open of a node; <see cref="Release"/> must follow in the end.</summary>
    /// <param name="node">The node, held by the caller.</param>
    /// <param name="fd">A file descriptor of it, open for more than O_PATH. Borrowed.</param>
    /// <param name="canMapToWrite">Whether the client opens it for reading and writing.</param>
    /// <returns>The number of the backing file, or 0: reads and writes come to the server.</returns>
    public int Open(NodeId node, int fd, bool canMapToWrite)
    {
        bool joined = TryJoin(node, canMapToWrite, out int id, out bool tell);
        if (!joined)
        {
            int registered = Register(fd);
            TestPoint("BackingTable.Open: registered");
            id = Join(node, registered, canMapToWrite, out tell);
            if (registered != 0 && registered != id)
            {
                _ = _files.Close(registered);
            }
        }

        if (tell)
        {
            // After the mark, so that attributes which are answered from here on are not cached, and before the client
            // can map. The client drops older answers that are still under way. ENOENT: a file that was just made.
            _ = services.Notifications.InvalidateInode(node, -1, 0);
            SetTold(node);
        }

        return id;
    }

    /// <summary>Takes an open of a node back; the last one ends its backing file. Unknown nodes are ignored.</summary>
    public void Release(NodeId node)
    {
        int id = 0;
        lock (_lock)
        {
            ref Entry entry = ref CollectionsMarshal.GetValueRefOrNullRef(_entries, node.Value);
            if (Unsafe.IsNullRef(ref entry) || entry.Opens == 0)
            {
                return;
            }

            if (--entry.Opens == 0)
            {
                id = entry.Id;
                entry.Id = 0;
                RemoveIfUnused(node, entry);
            }
        }

        if (id != 0)
        {
            _ = _files.Close(id);
        }
    }

    /// <summary>Lookups of a node were taken back: if it is gone, so is its mark.</summary>
    public void Forgotten(NodeId node)
    {
        if (!MayChangeUnseen(node))
        {
            return;
        }

        lock (_lock)
        {
            if (_entries.TryGetValue(node.Value, out Entry entry) && entry.Opens == 0)
            {
                RemoveIfUnused(node, entry);
            }
        }
    }

    /// <summary>All nodes, and whether the client takes no more.</summary>
    public List<BackedNode> Snapshot(out bool isOff)
    {
        lock (_lock)
        {
            isOff = _off;
            return
            [
                .. _entries.Select(pair => new BackedNode(
                    new NodeId(pair.Key), pair.Value.Id, pair.Value.Opens, pair.Value.IsMarked, pair.Value.IsTold)),
            ];
        }
    }

    /// <summary>Goes on from a snapshot: the client knows its backing files by their numbers.</summary>
    public void Restore(List<BackedNode> nodes, bool isOff)
    {
        lock (_lock)
        {
            _off = isOff;
            foreach (BackedNode from in nodes)
            {
                var entry = new Entry
                {
                    Id = from.Id,
                    Opens = from.Opens,
                    IsMarked = from.IsMarked,
                    IsTold = from.IsTold,
                };
                if (_entries.TryAdd(from.Node.Value, entry) && from.IsMarked)
                {
                    Volatile.Write(ref Bucket(from.Node), Bucket(from.Node) + 1);
                }
            }
        }
    }

    /// <summary>Ends everything, as the client has.</summary>
    public void Clear()
    {
        Entry[] left;
        lock (_lock)
        {
            left = [.. _entries.Values];
            _entries.Clear();
            Array.Clear(_marked);
        }

        foreach (Entry entry in left)
        {
            if (entry.Id != 0)
            {
                _ = _files.Close(entry.Id);
            }
        }
    }

    /// <summary>A point at which a test can stop this thread; nothing in a build without them.</summary>
    static partial void TestPoint(string point);

    private int Register(int fd)
    {
        if (_off)
        {
            return 0;
        }

        Errno result;
        int id;
        CapabilityData before = default;
        bool dropped = setIdBitsOf?.DropFsetid(out before) == true;
        try
        {
            result = _files.Open(fd, out id);
        }
        finally
        {
            if (dropped)
            {
                ProcessIdentity.RestoreFsetid(before);
            }
        }

        if (result == Errno.OK && id > 0)
        {
            return id;
        }

        bool forGood = result is Errno.EPERM or Errno.ENOSYS or Errno.ENOTTY or Errno.ELOOP;
        _off |= forGood;
        refused(result, forGood);
        return 0;
    }

    private bool TryJoin(NodeId node, bool canMapToWrite, out int id, out bool tell)
    {
        lock (_lock)
        {
            ref Entry entry = ref CollectionsMarshal.GetValueRefOrNullRef(_entries, node.Value);
            if (Unsafe.IsNullRef(ref entry) || entry.Opens == 0)
            {
                id = 0;
                tell = false;
                return false;
            }

            id = Add(node, ref entry, canMapToWrite, out tell);
            return true;
        }
    }

    /// <summary>As the node's first open, if nobody was faster.</summary>
    private int Join(NodeId node, int registered, bool canMapToWrite, out bool tell)
    {
        lock (_lock)
        {
            ref Entry entry = ref CollectionsMarshal.GetValueRefOrAddDefault(_entries, node.Value, out _);
            if (entry.Opens == 0)
            {
                entry.Id = registered;
            }

            return Add(node, ref entry, canMapToWrite, out tell);
        }
    }

    private int Add(NodeId node, ref Entry entry, bool canMapToWrite, out bool tell)
    {
        entry.Opens++;
        bool marks = canMapToWrite && entry.Id != 0;
        if (marks && !entry.IsMarked)
        {
            entry.IsMarked = true;
            Volatile.Write(ref Bucket(node), Bucket(node) + 1);
        }

        tell = marks && !entry.IsTold;
        return entry.Id;
    }

    private void SetTold(NodeId node)
    {
        lock (_lock)
        {
            ref Entry entry = ref CollectionsMarshal.GetValueRefOrNullRef(_entries, node.Value);
            if (!Unsafe.IsNullRef(ref entry))
            {
                entry.IsTold = true;
            }
        }
    }

    /// <summary>Takes an entry without opens away, unless it is a live node's mark. Under the lock.</summary>
    private void RemoveIfUnused(NodeId node, Entry entry)
    {
        if (!entry.IsMarked)
        {
            _entries.Remove(node.Value);
            return;
        }

        // Whoever marks a node holds it, so a node that is gone now is not being marked.
        using HostInode inode = inodes.Get(node);
        if (inode.IsNone)
        {
            _entries.Remove(node.Value);
            Volatile.Write(ref Bucket(node), Bucket(node) - 1);
        }
    }

    private ref int Bucket(NodeId node) => ref _marked[(int)(node.Value & (Buckets - 1))];

    private struct Entry
    {
        /// <summary>The backing file's number while there are opens; 0 for the way by the server.</summary>
        public int Id;

        public int Opens;

        public bool IsMarked;

        /// <summary>The client was told to drop what it had cached.</summary>
        public bool IsTold;
    }
}
