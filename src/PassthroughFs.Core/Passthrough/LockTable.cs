using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;

namespace PassthroughFs.Core.Passthrough;

/// <summary>
/// The open files that hold POSIX locks on the host: one for each node and owner, as the host's locks belong to an open
/// file (F_OFD_SETLK) and the client's to an owner, who may have the file open many times and share an open file with
/// others.
/// </summary>
internal sealed class LockTable : IDisposable
{
    /// <summary>More get ENOLCK. A client can make owners up; each is a file descriptor.</summary>
    public const int MostOwners = 65_536;

    private readonly Lock _lock = new();
    private readonly Dictionary<(ulong Node, ulong Owner), LockFile> _files = [];
    private int _count;

    /// <summary>Whether nobody has a lock. Asked for by each FLUSH.</summary>
    public bool IsEmpty => Count == 0;

    /// <summary>How many files are open here.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>The owner's file, held until <see cref="Leave"/>; null if it has none.</summary>
    public LockFile? Enter(ulong node, ulong owner)
    {
        lock (_lock)
        {
            return _files.TryGetValue((node, owner), out LockFile? file) && file.Pins.TryAdd() ? file : null;
        }
    }

    /// <summary>
    /// Keeps an open file for an owner, held until <see cref="Leave"/>. If the owner got one meanwhile that one counts;
    /// null if there are too many owners. In both cases the file descriptor is closed.
    /// </summary>
    public LockFile? Add(ulong node, ulong owner, int fd)
    {
        LockFile? file;
        lock (_lock)
        {
            if ((!_files.TryGetValue((node, owner), out file) || !file.Pins.TryAdd()) && _files.Count < MostOwners)
            {
                file = new LockFile(fd);
                file.Pins.Start();
                file.Pins.TryAdd();
                _files[(node, owner)] = file;
                Volatile.Write(ref _count, _files.Count);
                return file;
            }
        }

        _ = Sys.Close(fd);
        return file;
    }

    /// <summary>Ends a use. The last one, after the owner is gone, closes.</summary>
    public static void Leave(LockFile file)
    {
        if (file.Pins.Release())
        {
            _ = Sys.Close(file.Fd);
        }
    }

    /// <summary>An owner's locks are gone when this returns, but for those of a request under way.</summary>
    public void End(ulong node, ulong owner)
    {
        LockFile? file;
        lock (_lock)
        {
            if (!_files.Remove((node, owner), out file))
            {
                return;
            }

            Volatile.Write(ref _count, _files.Count);
        }

        Leave(file);
    }

    /// <summary>
    /// The process of another owner of locks on a node about whom <paramref name="holds"/> is true, or 0. Takes the time
    /// of all owners there are.
    /// </summary>
    public uint FindHolder(ulong node, ulong owner, Func<LockFile, bool> holds)
    {
        List<LockFile> others = [];
        lock (_lock)
        {
            foreach (((ulong Node, ulong Owner) key, LockFile file) in _files)
            {
                if (key.Node == node && key.Owner != owner && file.Pins.TryAdd())
                {
                    others.Add(file);
                }
            }
        }

        uint pid = 0;
        foreach (LockFile other in others)
        {
            pid = pid == 0 && holds(other) ? other.Pid : pid;
            Leave(other);
        }

        return pid;
    }

    /// <summary>All owners of locks.</summary>
    public List<KeptLocks> Snapshot()
    {
        lock (_lock)
        {
            return
            [
                .. _files.Select(pair => new KeptLocks(
                    new NodeId(pair.Key.Node), new LockOwner(pair.Key.Owner), pair.Value.Fd, pair.Value.Pid)),
            ];
        }
    }

    /// <summary>Goes on from a snapshot; takes its descriptors over.</summary>
    public void Restore(List<KeptLocks> owners)
    {
        lock (_lock)
        {
            foreach (KeptLocks owner in owners)
            {
                var file = new LockFile(owner.Fd) { Pid = owner.Pid };
                file.Pins.Start();
                _files.Add((owner.Node.Value, owner.Owner.Value), file);
            }

            Volatile.Write(ref _count, _files.Count);
        }
    }

    /// <summary>All locks are gone.</summary>
    public void Clear()
    {
        LockFile[] files;
        lock (_lock)
        {
            files = [.. _files.Values];
            _files.Clear();
            Volatile.Write(ref _count, 0);
        }

        Array.ForEach(files, Leave);
    }

    public void Dispose() => Clear();
}

/// <summary>An open file that holds the locks of one owner.</summary>
internal sealed class LockFile(int fd)
{
    public PinCount Pins;

    public int Fd { get; } = fd;

    /// <summary>The process that set a lock last.</summary>
    public uint Pid { get; set; }
}
