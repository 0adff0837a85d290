using System.Collections.Generic;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Passthrough;

namespace PassthroughFs.Core.Testing;

/// <summary>
/// What an <see cref="InodeStore"/> must hold: plain dictionaries and a list, and the rules in words.
/// </summary>
internal sealed class InodeStoreModel(InodeStoreSetup setup)
{
    private readonly InodeAllocatorModel? _allocator = setup.UseHostIno ? new InodeAllocatorModel() : null;
    private readonly Dictionary<Identity, Live> _live = [];
    private readonly Dictionary<NodeId, Live> _byNode = [];
    private readonly List<(Identity Identity, NodeId Node, ulong Birth, HostFile File)> _remembered = [];
    private ulong _next = 2;

    public IReadOnlyCollection<Live> All => _live.Values;

    public int RememberedCount => _remembered.Count;

    /// <summary>Counts a lookup; returns the live inode, and whether it was not live before.</summary>
    public Live Lookup(HostFile file, in InodeKey key, ulong birth, in KernelHandle handle, out bool isNew)
    {
        var identity = new Identity(key, handle);
        isNew = !_live.TryGetValue(identity, out Live? live);
        if (!isNew)
        {
            live!.Lookups++;
            return live;
        }

        NodeId node = NodeOf(identity, birth);
        return Insert(file, identity, node, 1);
    }

    /// <summary>The file that is remembered to have had a node, if it can be opened by its handle.</summary>
    public HostFile? Remembered(NodeId node) => !setup.Reopens ? null
        : _remembered.Find(item => item.Node == node && !item.Identity.Handle.IsNone).File;

    /// <summary>Another store goes on: what can be opened by handle is remembered, and nothing lives.</summary>
    public void Restart()
    {
        _remembered.RemoveAll(item => item.Identity.Handle.IsNone);
        foreach (Live live in _live.Values)
        {
            if (live.Node != NodeId.Root && !live.Identity.Handle.IsNone)
            {
                _remembered.Add((live.Identity, live.Node, live.Birth, live.File));
            }
        }

        _live.Clear();
        _byNode.Clear();
    }

    public Live AddRoot(HostFile file, in InodeKey key, in KernelHandle handle) =>
        Insert(file, new Identity(key, handle), NodeId.Root, 2);

    public Live? Find(NodeId node) => _byNode.GetValueOrDefault(node);

    /// <summary>Takes lookups back; returns the inode if it goes with them.</summary>
    public Live? Forget(NodeId node, ulong count)
    {
        if (node == NodeId.Root || !_byNode.TryGetValue(node, out Live? live))
        {
            return null;
        }

        live.Lookups -= count < live.Lookups ? count : live.Lookups;
        if (live.Lookups > 0)
        {
            return null;
        }

        _live.Remove(live.Identity);
        _byNode.Remove(node);
        bool comesByItself = setup.UseHostIno && (node.Value & InodeAllocator.VirtualBit) == 0;
        bool canReopen = setup.Reopens && !live.Identity.Handle.IsNone;
        if ((!comesByItself || canReopen) && setup.RetainedMappings > 0)
        {
            if (_remembered.Count == setup.RetainedMappings)
            {
                _remembered.RemoveAt(0);
            }

            _remembered.Add((live.Identity, node, live.Birth, live.File));
        }

        return live;
    }

    public void Clear()
    {
        _live.Clear();
        _byNode.Clear();
        _remembered.Clear();
    }

    private Live Insert(HostFile file, Identity identity, NodeId node, ulong lookups)
    {
        var live = new Live
        {
            File = file,
            Identity = identity,
            Node = node,
            Birth = file.Birth,
            Lookups = lookups,
            Fd = -1,
            Known = setup.CloseDescriptor is null ? identity.Handle : KernelHandle.None,
        };
        _live.Add(identity, live);
        _byNode.Add(node, live);
        return live;
    }

    private NodeId NodeOf(Identity identity, ulong birth)
    {
        int index = _remembered.FindIndex(item => item.Identity == identity);
        if (index >= 0)
        {
            (_, NodeId node, ulong bornThen, _) = _remembered[index];
            _remembered.RemoveAt(index);
            ForgetDeleted(identity);
            if (!identity.Handle.IsNone || birth == 0 || bornThen == 0 || birth == bornThen)
            {
                return node;
            }
        }

        ForgetDeleted(identity);
        if (_allocator is null)
        {
            return new NodeId(_next++);
        }

        NodeId made = _allocator.Allocate(identity.Key, false);
        return _byNode.ContainsKey(made) ? _allocator.Allocate(identity.Key, true) : made;
    }

    /// <summary>A number that shows up with a handle was given away by whatever else had it.</summary>
    private void ForgetDeleted(Identity identity)
    {
        if (!identity.Handle.IsNone)
        {
            _remembered.RemoveAll(item => item.Identity.Key == identity.Key);
        }
    }

    internal readonly record struct Identity(InodeKey Key, KernelHandle Handle);

    internal sealed class Live
    {
        public required HostFile File { get; init; }

        public required Identity Identity { get; init; }

        public required NodeId Node { get; init; }

        public required ulong Birth { get; init; }

        public ulong Lookups { get; set; }

        public int Fd { get; set; }

        /// <summary>The handle the store was told.</summary>
        public KernelHandle Known { get; set; }
    }
}
