using System;
using System.Collections.Generic;
using System.IO;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;

namespace PassthroughFs.Core.Passthrough;

/// <remarks>
/// What outlives the process: nodes alone (<see cref="NodeTable"/>), or all of it, for a successor that goes on where
/// this file system is (<see cref="SuccessorState"/>).
/// </remarks>
public sealed unsafe partial class PassthroughFileSystem
{
    private NodeTable NodeTable => new(Config, _logger, _inodes, _mounts, _hostMounts, _shown);

    private SuccessorState SuccessorState =>
        new(Config, _inodes, _mounts, _handles, _kept, _locks, _shown, _links, _hostFileSystems);

    /// <summary>
    /// Writes down which files the NodeIds mean that clients were given, so that another file system on the same
    /// directory, in another process or after a reboot, goes on with them: handles of clients stay good then.
    /// </summary>
    /// <remarks>
    /// Live nodes are saved and as many forgotten ones as are remembered; open files and lookup counts are not. What
    /// clients are given afterwards is not in it, so it belongs behind the last request; at any other time it does no
    /// harm, and takes the store's lock for a copy in memory.
    /// </remarks>
    /// <param name="stream">Gets some 60 bytes a node. Not closed.</param>
    /// <exception cref="InvalidOperationException"><see cref="PassthroughConfig.ExportSupport"/> is off, or the root is
    /// not there.</exception>
    public void SaveNodes(Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        NodeTable.Save(stream);
    }

    /// <summary>
    /// Goes on with the NodeIds that <see cref="SaveNodes"/> has written down. Between <see cref="Import"/> and the
    /// first request.
    /// </summary>
    /// <remarks>
    /// The nodes are remembered then, as forgotten ones are: no file is opened before a client comes back to it. Files
    /// that were deleted meanwhile are stale, and so is everything on a mount below the root that is not there.
    /// </remarks>
    /// <param name="stream">The state, read to its end and no further. Not closed.</param>
    /// <returns>How many nodes are remembered.</returns>
    /// <exception cref="InvalidDataException">It is no such state, damaged or cut off, or of another directory; the
    /// message says what. Nothing was restored.</exception>
    /// <exception cref="InvalidOperationException"><see cref="PassthroughConfig.ExportSupport"/> is off, the root is
    /// not there, or clients have nodes already.</exception>
    public int RestoreNodes(Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        return NodeTable.Restore(stream);
    }

    /// <inheritdoc/>
    /// <remarks>
    /// The descriptors are those of the inodes that have one, of mounts with kernel handles, and of open files: those
    /// keep what has no name any more, and what stands in them (positions, flags, locks).
    /// </remarks>
    public void SaveState(Stream stream, IList<int> keepFds)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(keepFds);
        SuccessorState.Save(stream, keepFds, _negotiated.Accepted, _backed);
    }

    /// <inheritdoc/>
    /// <remarks>
    /// The configuration is this file system's own and may differ, save for <see cref="PassthroughConfig.UseHostIno"/>,
    /// <see cref="PassthroughConfig.EnableMntid"/> and <see cref="PassthroughConfig.ExportSupport"/>, which the numbers
    /// that clients have depend on, and for what the client has agreed to.
    /// </remarks>
    public void RestoreState(Stream stream, KeptFds fds)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(fds);
        SuccessorState successor = SuccessorState;
        FileSystemState state = successor.Read(stream, fds, _services.BackingFiles is not null);

        // From here on nothing is refused.
        LiveInode root = SuccessorState.RootOf(state);
        TakeUmask();
        StatxBuffer stat;
        _ = HostStat.Of(fds.Peek(root.Fd), &stat); // worked just before
        ulong rootMountId = stat.stx_mnt_id;
        bool isAdaptive = Config.InodeFileHandles == InodeFileHandles.Adaptive;
        _keepFds = isAdaptive || Config.InodeFileHandles == InodeFileHandles.Never || root.Handle.IsNone;
        _takeHandles = !root.Handle.IsNone && (_export || !_keepFds);
        successor.Apply(state, fds);
        if (isAdaptive && !root.Handle.IsNone)
        {
            // What is above the budget goes with the next requests.
            _budget.Start(rootMountId);
        }

        Agree(state.Accepted);
        _backed.Restore(state);
    }
}
