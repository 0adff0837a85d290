using System.Linq;
using PassthroughFs.Core.Passthrough;

namespace PassthroughFs.Core.Testing;

/// <remarks>Inodes that lose their descriptor while they live, and get one again.</remarks>
internal sealed partial class InodeStoreRun
{
    /// <summary>Whether an inode that lives by its handle has a number.</summary>
    private bool IsDisputed(InodeKey key) =>
        _setup.CloseDescriptor is not null && _model.All.Any(live => live.Identity.Key == key && live.Fd < 0);

    private string? CloseDescriptor(InodeStoreModel.Live? live)
    {
        if (_setup.CloseDescriptor is null || live is null || live.Fd < 0 || live.Identity.Handle.IsNone)
        {
            return null;
        }

        using (HostInode inUse = _store.Get(live.Node))
        {
            if (_setup.CloseDescriptor(_store, live.Node, live.Identity.Handle))
            {
                return $"the descriptor of node {live.Node} is closed in use";
            }
        }

        if (!_setup.CloseDescriptor(_store, live.Node, live.Identity.Handle))
        {
            return $"the descriptor of node {live.Node} is not closed";
        }

        _ledger.Closed(live.Fd);
        live.Fd = -1;
        live.Known = live.Identity.Handle;
        live.File.Users--;
        live.File.Volume.FreeIfGone(live.File);
        return null;
    }

    private string? KeepDescriptor(InodeStoreModel.Live? live)
    {
        // What is gone cannot be opened.
        if (_setup.KeepDescriptor is null || live is null || live.Fd >= 0 || live.Identity.Handle.IsNone ||
            (live.File.Links == 0 && live.File.Users == 0))
        {
            return null;
        }

        live.Fd = _ledger.Open();
        live.File.Users++;
        return _setup.KeepDescriptor(_store, live.Node, live.Fd) ? null : $"node {live.Node} takes no descriptor";
    }
}
