using System.Threading;
using Microsoft.Extensions.Logging;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Passthrough;

/// <summary>
/// Files that the client reads and writes by itself: whether a session has them, and which files cannot be such.
/// </summary>
/// <param name="config">Whether they are wanted.</param>
/// <param name="logger">Is told where there are none.</param>
/// <param name="inodes">Says whether a node is live.</param>
/// <param name="identity">Registers without the right to keep set-id bits.</param>
internal sealed class BackedFiles(
    PassthroughConfig config, ILogger logger, InodeStore inodes, ProcessIdentity identity)
{
    // Null where they were not agreed on.
    private volatile BackingTable? _table;
    private int _loggedEnd;
    private int _loggedRefusal;
    private int _loggedVanishing;

    /// <summary>Begins a session.</summary>
    /// <param name="accepted">What the client acts on.</param>
    /// <param name="services">What the transport has.</param>
    public void Start(InitFlags accepted, in SessionServices services)
    {
        Clear();
        _table = null;
        _loggedEnd = 0;
        _loggedVanishing = 0;
        if (accepted.HasFlag(InitFlags.FUSE_PASSTHROUGH))
        {
            ProcessIdentity? removesSetIdBits =
                accepted.HasFlag(InitFlags.FUSE_HANDLE_KILLPRIV_V2) ? identity : null;
            _table = new BackingTable(services, inodes, removesSetIdBits, NoteRefused);
        }
        else if (config.BackingFiles)
        {
            PassthroughLog.NoBackingFiles(logger);
            NoteNoMappings();
        }
    }

    /// <summary>Where a file that is being opened can have a backing file; null if it can have none.</summary>
    /// <param name="kind">The file system that it is on.</param>
    public BackingTable? TableFor(HostFileSystemKind kind) => MayVanish(kind) ? null : _table;

    /// <summary>Whether a node may change without the server's knowledge, so that the client must not cache.</summary>
    public bool MayChangeUnseen(NodeId node) => _table?.MayChangeUnseen(node) == true;

    /// <summary>An open file of a node was released.</summary>
    public void Release(NodeId node) => _table?.Release(node);

    /// <summary>A node may have been forgotten.</summary>
    public void Forgotten(NodeId node) => _table?.Forgotten(node);

    /// <summary>Ends all backing files.</summary>
    public void Clear() => _table?.Clear();

    public void Save(FileSystemState state)
    {
        if (_table is { } table)
        {
            state.Backed = table.Snapshot(out bool isOff);
            state.BackingIsOff = isOff;
        }
    }

    /// <summary>After <see cref="Start"/>.</summary>
    public void Restore(FileSystemState state) => _table?.Restore(state.Backed, state.BackingIsOff);

    /// <summary>
    /// Whether an open file may be one that others have removed, which its file system does not open once more. The
    /// client does that for a backing file at each open, and makes EIO of an error. It matters where others are said
    /// to change the directory.
    /// </summary>
    private bool MayVanish(HostFileSystemKind kind)
    {
        if (kind is not (HostFileSystemKind.Foreign or HostFileSystemKind.Remote) || _table is null ||
            config.CachePolicy != CachePolicy.Never)
        {
            return false;
        }

        if (Interlocked.Exchange(ref _loggedVanishing, 1) == 0)
        {
            PassthroughLog.NoRemoteBackingFiles(logger);
            NoteNoMappings();
        }

        return true;
    }

    private void NoteRefused(Errno error, bool forGood)
    {
        if (Interlocked.Exchange(ref forGood ? ref _loggedEnd : ref _loggedRefusal, 1) != 0)
        {
            return;
        }

        if (forGood)
        {
            PassthroughLog.BackingFilesSwitchedOff(logger, error);
            NoteNoMappings();
        }
        else
        {
            PassthroughLog.BackingFileRefused(logger, error);
        }
    }

    private void NoteNoMappings()
    {
        if (!config.DirectMappings && config.CachePolicy is CachePolicy.Never or CachePolicy.Metadata)
        {
            PassthroughLog.NoMappings(logger);
        }
    }
}
