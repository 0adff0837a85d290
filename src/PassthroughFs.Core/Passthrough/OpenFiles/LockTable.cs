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
/// <remarks>
/// An owner is a process, whose locks end with its first close (<see cref="End"/>), or an open file of the client's
/// (F_OFD_SETLK there), of whose end only RELEASE tells. So it is known here through which Handles an owner has set
/// locks: with the last of them the owner's file goes (<see cref="Release"/>). A process has closed before that, so
/// nothing of a living one's goes that way; what does is a lock that came to a thread after another had closed the file.
/// </remarks>
internal sealed partial class LockTable : IDisposable
{
    private readonly Lock _lock = new();
    private readonly Dictionary<(ulong Node, ulong Owner), LockFile> _files = [];
    private readonly Dictionary<ulong, HashSet<LockFile>> _byHandle = [];
    private int _count;
    private int _ways;

    /// <summary>Whether nobody has a lock. Asked for by each FLUSH and RELEASE.</summary>
    public bool IsEmpty => Count == 0;

    /// <summary>How many files are open here.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>The owner's file, held until <see cref="Leave"/>; null if it has none.</summary>
    public LockFile? Enter(ulong node, ulong owner)
    {
        lock (_lock)
        {
            return Find(node, owner);
        }
    }

    /// <summary>
    /// The same for who sets a lock by a Handle, with whose <see cref="Release"/> it ends. ENOLCK if there are too many.
    /// </summary>
    public Errno Enter(ulong node, ulong owner, Handle handle, out LockFile? file)
    {
        lock (_lock)
        {
            file = Find(node, owner);
            if (file is null || TryBind(file, handle))
            {
                return Errno.OK;
            }
        }

        Leave(file);
        file = null;
        return Errno.ENOLCK;
    }

    /// <summary>
    /// Keeps an open file for an owner who sets a lock by a Handle, held until <see cref="Leave"/>. If the owner got one
    /// meanwhile that one counts; null if there are too many owners. In both cases the file descriptor is closed.
    /// </summary>
    public LockFile? Add(ulong node, ulong owner, Handle handle, int fd)
    {
        LockFile? file;
        bool isBound;
        lock (_lock)
        {
            file = Find(node, owner);
            if (file is null && (file = TryAdd(node, owner, handle, fd)) is not null)
            {
                return file;
            }

            isBound = file is not null && TryBind(file, handle);
        }

        _ = Sys.Close(fd);
        if (file is not null && !isBound)
        {
            Leave(file);
            return null;
        }

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
            if (!_files.TryGetValue((node, owner), out file))
            {
                return;
            }

            Remove(file);
        }

        Leave(file);
    }

    /// <summary>
    /// A Handle is no more: nor are the locks, as above, of those who have set theirs by it and by no other that is left.
    /// </summary>
    public void Release(Handle handle)
    {
        List<LockFile>? ended = null;
        lock (_lock)
        {
            if (!_byHandle.Remove(handle.Value, out HashSet<LockFile>? files))
            {
                return;
            }

            AddWays(-files.Count);
            foreach (LockFile file in files)
            {
                file.Handles.Remove(handle.Value);
                if (file.Handles.Count == 0)
                {
                    Remove(file);
                    (ended ??= []).Add(file);
                }
            }
        }

        ended?.ForEach(Leave);
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
                    new NodeId(pair.Key.Node), new LockOwner(pair.Key.Owner), pair.Value.Fd, pair.Value.Pid,
                    [.. pair.Value.Handles])),
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
                var file = new LockFile(owner.Node.Value, owner.Owner.Value, owner.Fd) { Pid = owner.Pid };
                file.Pins.Start();
                _files.Add((file.Node, file.Owner), file);
                foreach (ulong handle in owner.Handles)
                {
                    TryBind(file, new Handle(handle));
                }
            }

            ClientMemory.AddLockOwners(owners.Count);
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
            _byHandle.Clear();
            AddWays(-_ways);
            ClientMemory.AddLockOwners(-files.Length);
            Volatile.Write(ref _count, 0);
        }

        Array.ForEach(files, Leave);
    }

    public void Dispose() => Clear();

    /// <summary>A point at which a test can say that memory is out; nothing in a build without them.</summary>
    static partial void TestPoint(string point);

    private LockFile? TryAdd(ulong node, ulong owner, Handle handle, int fd)
    {
        if (!ClientMemory.HasRoomForLockOwner || !ClientMemory.HasRoomForLockWay)
        {
            return null;
        }

        try
        {
            var file = new LockFile(node, owner, fd);
            file.Pins.Start();
            file.Pins.TryAdd();
            TestPoint("LockTable.TryAdd: memory");
            _files.Add((node, owner), file);
            if (TryBind(file, handle))
            {
                ClientMemory.AddLockOwners(1);
                Volatile.Write(ref _count, _files.Count);
                return file;
            }

            _files.Remove((node, owner));
        }
        catch (OutOfMemoryException)
        {
            // It is in no table.
        }

        return null;
    }

    private LockFile? Find(ulong node, ulong owner) =>
        _files.TryGetValue((node, owner), out LockFile? file) && file.Pins.TryAdd() ? file : null;

    private bool TryBind(LockFile file, Handle handle)
    {
        if (file.Handles.Contains(handle.Value))
        {
            return true;
        }

        if (!ClientMemory.HasRoomForLockWay)
        {
            return false;
        }

        HashSet<LockFile>? files = null;
        try
        {
            if (!_byHandle.TryGetValue(handle.Value, out files))
            {
                _byHandle.Add(handle.Value, files = []);
            }

            files.Add(file);
            TestPoint("LockTable.TryBind: memory");
            file.Handles.Add(handle.Value);
            AddWays(1);
            return true;
        }
        catch (OutOfMemoryException)
        {
            // Half a way is none.
            files?.Remove(file);
            if (files is { Count: 0 })
            {
                _byHandle.Remove(handle.Value);
            }

            return false;
        }
    }

    private void AddWays(int count)
    {
        _ways += count;
        ClientMemory.AddLockWays(count);
    }

    private void Remove(LockFile file)
    {
        _files.Remove((file.Node, file.Owner));
        ClientMemory.AddLockOwners(-1);
        Volatile.Write(ref _count, _files.Count);
        foreach (ulong handle in file.Handles)
        {
            HashSet<LockFile> files = _byHandle[handle];
            files.Remove(file);
            if (files.Count == 0)
            {
                _byHandle.Remove(handle);
            }
        }

        AddWays(-file.Handles.Count);
        file.Handles.Clear();
    }
}

/// <summary>An open file that holds the locks of one owner.</summary>
internal sealed class LockFile(ulong node, ulong owner, int fd)
{
    public PinCount Pins;

    public ulong Node { get; } = node;

    public ulong Owner { get; } = owner;

    public int Fd { get; } = fd;

    /// <summary>The process that set a lock last.</summary>
    public uint Pid { get; set; }

    /// <summary>By which Handles the owner has set locks. The table's.</summary>
    public HashSet<ulong> Handles { get; } = [];
}
