using System;
using System.Collections.Generic;
using System.IO;
using Microsoft.Extensions.Logging;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;

namespace PassthroughFs.Core.Passthrough;

/// <summary>Which files the NodeIds mean that clients were given: saved, and gone on with in another process.</summary>
/// <param name="config">The file system's.</param>
/// <param name="logger">Is told what was lost.</param>
/// <param name="inodes">The nodes.</param>
/// <param name="mounts">What they are opened by.</param>
/// <param name="hostMounts">Finds those again.</param>
/// <param name="shown">The numbers that clients have seen.</param>
internal sealed unsafe class NodeTable(
    PassthroughConfig config, ILogger logger, InodeStore inodes, MountFds mounts, HostMounts hostMounts,
    ShownNumbers shown)
{
    /// <summary>Writes it down; as <see cref="PassthroughFileSystem.SaveNodes"/> says.</summary>
    public void Save(Stream stream)
    {
        using HostInode root = Root();
        hostMounts.Follow();
        List<RememberedInode> known = inodes.Snapshot(out ulong nextNode, out HostMount?[] hosts);
        var state = new NodeState { NextNode = nextNode };
        inodes.Allocator?.Save(state);
        shown.Save(state);
        hosts[root.Mount] = DescribeRoot(root);
        int[] indexes = new int[hosts.Length];
        Array.Fill(indexes, -1);
        SaveMount(root.Mount);
        foreach (RememberedInode inode in known)
        {
            SaveMount(inode.Mount);
            if (indexes[inode.Mount] >= 0)
            {
                state.Inodes.Add(inode with { Mount = indexes[inode.Mount] });
            }
        }

        NodeStateFormat.Write(state, stream);

        void SaveMount(int number)
        {
            if (indexes[number] < 0 && hosts[number] is { Path: not null } host)
            {
                indexes[number] = state.Mounts.Count;
                state.Mounts.Add(new SavedHostMount(host, (ulong)mounts.IdOf(number)));
            }
        }
    }

    /// <summary>Reads it; as <see cref="PassthroughFileSystem.RestoreNodes"/> says.</summary>
    public int Restore(Stream stream)
    {
        using HostInode root = Root();
        NodeState state = NodeStateFormat.Read(stream);
        if (!state.Mounts[0].Host.IsSame(DescribeRoot(root)))
        {
            throw new InvalidDataException($"it was saved for another directory than {config.RootDir}");
        }

        var found = new RestoredMounts(state, mounts, hostMounts, config.EnableMntid, logger);
        try
        {
            List<RememberedInode> known = found.Translate(state.Inodes);
            if (known.Count > config.RetainedMappings)
            {
                PassthroughLog.TooManySaved(logger, known.Count, config.RetainedMappings);
            }

            inodes.Restore(state.NextNode, known);
            inodes.Allocator?.Restore(state, found.Translate);
            shown.Restore(found.Translate(state.Devices));
            return inodes.RememberedCount;
        }
        finally
        {
            found.Release();
        }
    }

    private HostInode Root()
    {
        if (!config.ExportSupport)
        {
            throw new InvalidOperationException("Nodes are saved and restored with ExportSupport alone: switch it on.");
        }

        HostInode root = inodes.Get(NodeId.Root);
        return root.IsNone
            ? throw new InvalidOperationException("Nodes are saved and restored after Import: the root is not there.")
            : root;
    }

    private HostMount DescribeRoot(in HostInode root)
    {
        StatxBuffer stat;
        int status = HostStat.Of(root.Fd, &stat);
        return status == 0 ? hostMounts.Describe(root.Fd, stat, root.Handle)
            : throw new IOException($"The attributes of {config.RootDir} cannot be read: {(Errno)(-status)}.");
    }
}
