using System;
using System.Collections.Generic;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Passthrough;

namespace PassthroughFs.Core.Testing;

/// <summary>One run of an <see cref="InodeStoreSpec"/>: a host, a store, and the model beside it.</summary>
internal sealed partial class InodeStoreRun : IDisposable
{
    private const int NamesPerVolume = 6;

    private readonly InodeStoreSetup _setup;
    private readonly DescriptorLedger _ledger;
    private InodeStore _store;
    private readonly InodeStoreModel _model;
    private readonly HostFile _root;
    private readonly HostVolume[] _volumes;
    private readonly Stack<(HostVolume Volume, ulong Mount)>[] _mountPoints;
    private readonly HashSet<NodeId> _seen = [NodeId.Root];
    private readonly List<NodeId> _given = [];
    private ulong _lastMount = 3;
    private int _opened;

    public InodeStoreRun(InodeStoreSetup setup, IDescriptors? descriptors)
    {
        _setup = setup;
        _ledger = new DescriptorLedger(descriptors);
        _store = setup.CreateStore();
        _model = new InodeStoreModel(setup);
        ulong[] firsts = [100, InodeAllocator.MaxHostIno - 2, 100, InodeAllocator.MaxHostIno + 5];
        _volumes = new HostVolume[firsts.Length];
        for (int i = 0; i < firsts.Length; i++)
        {
            // Where handles are in use, not every file system need have them.
            _volumes[i] = new HostVolume((ulong)i + 1, firsts[i], setup.UseHandles && i != 2, setup.HasBirthTimes);
        }

        _mountPoints = [new([(_volumes[0], 1)]), new([(_volumes[1], 2)]), new([(_volumes[2], 3)])];
        var rootVolume = new HostVolume(99, 2, setup.UseHandles, setup.HasBirthTimes);
        rootVolume.Create(0);
        _root = rootVolume[0]!;
        AddRoot();
    }

    public void Dispose() => _store.Dispose();

    public string? Do(Step<InodeStoreStep> step)
    {
        (HostVolume volume, ulong mount) = _mountPoints[step.A % _mountPoints.Length].Peek();
        int name = step.B % NamesPerVolume;
        switch (step.Kind)
        {
            case InodeStoreStep.Create:
                volume.Create(name);
                return null;
            case InodeStoreStep.Link:
                volume.Link(name, step.C % NamesPerVolume);
                return null;
            case InodeStoreStep.Rename:
                volume.Rename(name, step.C % NamesPerVolume);
                return null;
            case InodeStoreStep.Unlink:
                volume.Unlink(name);
                return null;
            case InodeStoreStep.Mount:
                Mount(step);
                return null;
            case InodeStoreStep.Lookup or InodeStoreStep.Add:
                HostFile? file = step.B == Steps.MaxNumber ? _root : volume[name];
                return file is null
                    ? null : Lookup(file, file == _root ? 0 : mount, step.Kind == InodeStoreStep.Lookup);
            case InodeStoreStep.LookupByNode:
                return LookupByNode(step);
            case InodeStoreStep.CloseDescriptor:
                return CloseDescriptor(Pick(step.A));
            case InodeStoreStep.KeepDescriptor:
                return KeepDescriptor(Pick(step.A));
            case InodeStoreStep.Restart:
                return _setup.Restart is null ? null : Restart(_setup.Restart);
            case InodeStoreStep.Clear:
                return Clear();
            case InodeStoreStep.ForgetOthers:
                return ForgetOthers(step);
            default:
                return Forget(step);
        }
    }

    public string? Invariants()
    {
        if (_ledger.Fault is not null)
        {
            return _ledger.Fault;
        }

        if (_store.Count != _model.All.Count)
        {
            return $"{_store.Count} inodes live instead of {_model.All.Count}";
        }

        if (_store.RememberedCount != _model.RememberedCount)
        {
            return $"{_store.RememberedCount} inodes are remembered instead of {_model.RememberedCount}";
        }

        foreach (InodeStoreModel.Live live in _model.All)
        {
            using HostInode inode = _store.Get(live.Node);
            if (inode.IsNone || inode.Node != live.Node || inode.Key != live.Identity.Key ||
                inode.Handle != live.Known)
            {
                return inode.IsNone ? $"node {live.Node} is not found" : $"node {live.Node} is another inode";
            }

            if (inode.LookupCount != live.Lookups)
            {
                return $"node {live.Node} has {inode.LookupCount} lookups instead of {live.Lookups}";
            }

            _ledger.Used(inode.Fd);
        }

        return _ledger.Fault;
    }

    public string? End()
    {
        foreach (NodeId node in _seen)
        {
            if (_model.Find(node) is null && _store.LookupCount(node) != 0)
            {
                return $"node {node} lives after it was forgotten";
            }
        }

        return Clear() ?? Invariants();
    }

    private string? Lookup(HostFile file, ulong mount, bool byIdentityFirst)
    {
        InodeKey key = Key(file, mount);
        InodeStoreModel.Live expected = _model.Lookup(file, key, file.Birth, file.Handle, out bool isNew);
        bool found = false;
        NodeId node = default;
        if (byIdentityFirst)
        {
            // Only one without a descriptor may need its handle: for the others one look at the host is enough.
            InodeMatch match = _store.TryLookup(key, file.Birth, out node);
            bool needsHandle = !isNew && expected.Fd < 0 && !file.Handle.IsNone;
            if (match == InodeMatch.Found == needsHandle && !isNew)
            {
                return $"{key} is known by its number alone: {match}";
            }

            found = match == InodeMatch.Found ||
                (match == InodeMatch.NeedsHandle && _store.TryLookup(key, file.Birth, file.Handle, out node));
            if (found == isNew)
            {
                return isNew ? $"{key} is found as {node}, but does not live" : $"{key} is not found";
            }
        }

        if (!found)
        {
            NewInode inode = New(file, key, out int fd);
            Errno result = _store.Add(inode, out node);
            if (result == Errno.EAGAIN && IsDisputed(key))
            {
                inode.Handle = file.Handle;
                expected.Known = isNew ? file.Handle : expected.Known;
                result = _store.Add(inode, out node);
            }

            if (result != Errno.OK)
            {
                return $"{key} is refused with {result}";
            }

            if (isNew)
            {
                expected.Fd = fd;
                file.Users += IsHeld(expected) ? 1 : 0;
            }
            else
            {
                // It lives already: the store has no use for a second descriptor.
                _ledger.Closed(fd);
            }
        }

        if (_seen.Add(node))
        {
            _given.Add(node);
        }

        return node == expected.Node ? null : $"{key} is node {node} instead of {expected.Node}";
    }

    private string? Forget(Step<InodeStoreStep> step)
    {
        InodeStoreModel.Live? live = Pick(step.A);
        if (live is null)
        {
            return null;
        }

        ulong count = step.Kind switch
        {
            InodeStoreStep.Forget => (ulong)(step.B % 3),
            InodeStoreStep.ForgetTooMany => step.B > 32 ? ulong.MaxValue : live.Lookups + 1 + (ulong)step.B,
            _ => live.Lookups,
        };
        if (step.Kind != InodeStoreStep.ForgetInUse)
        {
            _store.Forget(live.Node, count);
        }
        else
        {
            using HostInode inUse = _store.Get(live.Node);
            _store.Forget(live.Node, count);
            _ledger.Used(live.Fd);
            if (inUse.Node != live.Node || inUse.Fd != live.Fd || inUse.Key != live.Identity.Key)
            {
                return $"node {live.Node} in use became another";
            }
        }

        if (_model.Forget(live.Node, count) is { } gone)
        {
            Gone(gone);
        }

        return null;
    }

    private string? ForgetOthers(Step<InodeStoreStep> step)
    {
        _store.Forget(NodeId.Root, step.B > 32 ? ulong.MaxValue : (ulong)step.B);
        foreach (NodeId node in _seen)
        {
            if (_model.Find(node) is null)
            {
                _store.Forget(node, (ulong)step.B);
            }
        }

        _store.Forget(new NodeId(0x0055_5555_5555_5555), 1);
        return null;
    }

    private string? Clear()
    {
        _store.Clear();
        List<InodeStoreModel.Live> all = [.. _model.All];
        _model.Clear();
        all.ForEach(Gone);
        if (_store.Count != 0 || _store.RememberedCount != 0)
        {
            return $"{_store.Count} inodes live and {_store.RememberedCount} are remembered after a clear";
        }

        AddRoot();
        return null;
    }

    private void Gone(InodeStoreModel.Live gone)
    {
        _ledger.Closed(gone.Fd);
        if (gone.File != _root && IsHeld(gone))
        {
            gone.File.Users--;
            gone.File.Volume.FreeIfGone(gone.File);
        }
    }

    /// <summary>Whether the host keeps the file for it: by descriptor, or as if by one where tests have none.</summary>
    private static bool IsHeld(InodeStoreModel.Live live) => live.Fd >= 0 || live.Identity.Handle.IsNone;

    /// <summary>Names a node that the client was given once by its number.</summary>
    private string? LookupByNode(Step<InodeStoreStep> step)
    {
        if (_given.Count == 0)
        {
            return null;
        }

        NodeId node = _given[((step.A * (Steps.MaxNumber + 1)) + step.B) % _given.Count];
        HostFile? file = _model.Remembered(node);
        bool isRemembered = _store.TryGetRemembered(node, out RememberedInode inode);
        if (isRemembered != file is not null)
        {
            return $"node {node} is {(isRemembered ? "" : "not ")}remembered";
        }

        if (file is null || file.Links == 0)
        {
            return null;
        }

        // Opened by its handle, it is the file that the client means.
        return inode.Node == node && inode.Handle == file.Handle
            ? Lookup(file, inode.Key.Mnt, false) ?? (_model.Find(node) is null ? $"node {node} is another" : null)
            : $"node {node} is remembered as {inode.Node} with another handle";
    }

    private string? Restart(Func<InodeStore, InodeStore> restart)
    {
        InodeStore old = _store;
        _store = restart(old);
        old.Dispose();
        List<InodeStoreModel.Live> all = [.. _model.All];
        _model.Restart();
        all.ForEach(Gone);
        AddRoot();
        return null;
    }

    private void AddRoot()
    {
        InodeKey key = Key(_root, 0);
        _store.AddRoot(New(_root, key, out int fd));
        _model.AddRoot(_root, key, _root.Handle).Fd = fd;
    }

    private void Mount(Step<InodeStoreStep> step)
    {
        Stack<(HostVolume Volume, ulong Mount)> point = _mountPoints[step.A % _mountPoints.Length];
        if (point.Count > 1 && step.C % 2 == 0)
        {
            point.Pop();
        }
        else if (point.Count < 4)
        {
            point.Push((_volumes[step.B % _volumes.Length], ++_lastMount));
        }
    }

    private InodeStoreModel.Live? Pick(int which)
    {
        int left = _model.All.Count == 1 ? 0 : 1 + (which % (_model.All.Count - 1));
        foreach (InodeStoreModel.Live live in _model.All)
        {
            if (left-- == 0)
            {
                return live.Node == NodeId.Root ? null : live;
            }
        }

        return null;
    }

    private InodeKey Key(HostFile file, ulong mount) =>
        new(file.Ino, file.Volume.Dev, _setup.UseMountIds ? mount : 0);

    private NewInode New(HostFile file, in InodeKey key, out int fd)
    {
        // Half of those with a handle have a descriptor as well, where some have.
        fd = _setup.SomeHaveDescriptors && !file.Handle.IsNone && (_opened++ & 1) != 0 ? -1 : _ledger.Open();
        return new NewInode
        {
            Key = key,
            Birth = file.Birth,
            Handle = _setup.CloseDescriptor is null ? file.Handle : KernelHandle.None,
            Fd = fd,
            Mode = Linux.S_IFREG,
        };
    }
}
