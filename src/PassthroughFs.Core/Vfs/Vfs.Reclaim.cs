using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Vfs;

/// <summary>
/// A client keeps the nodes of what was unmounted in its cache, and an index rests as long. So it is asked to let go of
/// those that nobody uses there (<see cref="INotificationSink.Prune"/>).
/// </summary>
public sealed partial class Vfs
{
    private const int PruneChunk = 512;
    private const int MostLeftover = 65_536;
    private const int MostPasses = 8;

    // As long as a client is at it, and for one that lets go a little after it was asked; in no case for ever.
    private static readonly TimeSpan s_roomPatience = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_mostRoomPatience = TimeSpan.FromSeconds(10);

    /// <summary>Something that was open is not any more.</summary>
    private void ReclaimAfterRelease(MountSlot slot)
    {
        if (slot.Mount is { State: not MountState.Live } mount && Notifications is not null)
        {
            _ = Reclaim(mount);
        }
    }

    private async Task Reclaim(VfsMount mount)
    {
        if (Notifications is not { } sink || !mount.TryBeginReclaim())
        {
            return;
        }

        // Not in the request that asked for it: the client may wait for its answer before it lets go.
        await Task.Yield();
        do
        {
            try
            {
                await PruneWhileItHelps(mount, sink).ConfigureAwait(false);
            }
#pragma warning disable CA1031 // A transport's or file system's: nobody awaits this, and the next try must be possible.
            catch (Exception e)
#pragma warning restore CA1031
            {
                VfsLog.ReclaimFailed(_logger, mount.Path, e);
            }
        }
        while (!mount.TryEndReclaim());

        long held = mount.Slot.Holds.Value;
        if (held != 0)
        {
            VfsLog.StillHeld(_logger, mount.Path, mount.Index, held);
        }
    }

    private static async Task PruneWhileItHelps(VfsMount mount, INotificationSink sink)
    {
        for (int pass = 0; pass < MostPasses && !mount.Slot.Holds.IsZero; pass++)
        {
            // A directory is only let go of after what is in it.
            long before = mount.Slot.Holds.Value;
            if (!Prune(mount, sink))
            {
                return;
            }

            await Task.Delay(1 << pass).ConfigureAwait(false);
            if (pass > 2 && mount.Slot.Holds.Value == before)
            {
                return;
            }
        }
    }

    private static bool Prune(VfsMount mount, INotificationSink sink)
    {
        if (mount.State >= MountState.Revoked)
        {
            foreach (NodeId[] chunk in mount.Leftover.Chunk(PruneChunk))
            {
                if (sink.Prune(chunk) != Errno.OK)
                {
                    return false;
                }
            }

            return mount.Leftover.Length > 0;
        }

        NodeId[] nodes = new NodeId[PruneChunk];
        ulong position = 0;
        for (int count; (count = ListNodes(mount, ref position, nodes)) > 0;)
        {
            if (sink.Prune(nodes.AsSpan(0, count)) != Errno.OK)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Lists nodes as the client knows them.</summary>
    private static int ListNodes(VfsMount mount, ref ulong position, Span<NodeId> nodes)
    {
        int count = mount.FileSystem.ListNodes(position, nodes, out position);
        foreach (ref NodeId node in nodes[..count])
        {
            node = new NodeId(mount.Slot.Prefix | node.Value);
        }

        return count;
    }

    /// <summary>Keeps in mind what the client holds, before the file system forgets it.</summary>
    private void NoteLeftover(VfsMount mount)
    {
        if (Notifications is null || mount.Slot.Holds.IsZero)
        {
            return;
        }

        var leftover = new List<NodeId>();
        NodeId[] nodes = new NodeId[PruneChunk];
        ulong position = 0;
        for (int count; leftover.Count < MostLeftover && (count = ListNodes(mount, ref position, nodes)) > 0;)
        {
            leftover.AddRange(nodes.AsSpan(0, count));
        }

        mount.Leftover = [.. leftover];
    }

    /// <summary>If no index is free, waits a little for the client to let go of what it does not use.</summary>
    private void MakeRoom()
    {
        long start = Stopwatch.GetTimestamp();
        Task? reclaims = null;
        while (true)
        {
            VfsMount[] gone;
            lock (_lock)
            {
                bool isFree = _mounts.Skip(1).Any(mount => mount is null or { IsOver: true });
                gone = isFree ? [] : [.. _mounts.OfType<VfsMount>().Where(mount => mount.State != MountState.Live)];
            }

            if (gone.Length == 0 || Notifications is null)
            {
                return;
            }

            reclaims ??= Task.WhenAll(gone.Select(Reclaim));
            if (Stopwatch.GetElapsedTime(start) > (reclaims.IsCompleted ? s_roomPatience : s_mostRoomPatience))
            {
                return;
            }

            Thread.Sleep(10);
        }
    }
}
