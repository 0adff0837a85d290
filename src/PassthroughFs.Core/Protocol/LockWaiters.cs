using System;
using System.Collections.Generic;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Threading;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Protocol;

/// <summary>
/// Requests that wait for a lock: none keeps a worker, and each is answered when it has the lock, is interrupted, or
/// can never have it.
/// </summary>
/// <remarks>
/// One thread, which is there from when locks are agreed on, tries again: at once when the client gives a lock back, and
/// from time to time because another program of the host may. Who came first is tried first. A request that has to wait
/// is the one that allocates; there are at most <see cref="MostWaiting"/>.
/// </remarks>
internal sealed unsafe partial class LockWaiters(FuseSession session, IFuseTransport? transport)
{
    /// <summary>More get ENOLCK.</summary>
    public const int MostWaiting = 4096;

    // The kernel may have another thread deliver an interruption before the request it is meant for.
    private const int Remembered = 64;

    // Over all that follows, and what the thread waits on; no call is made under it.
    private readonly Bell _lock = new();
    private readonly LinkedList<Waiter> _waiting = [];
    private readonly List<LinkedListNode<Waiter>> _round = [];
    private readonly ulong[] _interrupted = new ulong[Remembered];
    private int _interruptions;
    private bool _hasThread;
    private bool _isPaused;
    private Waiter? _tried;

    // Over one try and its answer, so that the end of a session is the end of them.
    private readonly Lock _trying = new();
    private int _count;
    private long _refused;

    // A client may go without a word; then nobody but the thread knows of this.
    ~LockWaiters()
    {
        lock (_lock)
        {
            _lock.IsOver = true;
            Monitor.Pulse(_lock);
        }
    }

    /// <summary>Whether nobody is being tried, and nobody will be before a pause ends or there is another chance.</summary>
    internal bool IsIdle
    {
        get
        {
            lock (_trying)
            {
                lock (_lock)
                {
                    return !_lock.IsRung;
                }
            }
        }
    }

    /// <summary>How many were refused because too many wait.</summary>
    public long Refused => Volatile.Read(ref _refused);

    /// <summary>
    /// How long the thread waits between two tries at first and at most, in milliseconds; -1 for ever, so that only what
    /// the client gives back leads to another.
    /// </summary>
    internal (int First, int Longest) Pauses { get; set; } = (1, 64);

    /// <summary>Has a thread for those who will wait. Requests start none.</summary>
    /// <exception cref="OutOfMemoryException">None could be started.</exception>
    public void Start()
    {
        // Called by one thread at a time: by INIT, or before it.
        if (!_hasThread)
        {
            // What the thread needs it has: nobody would answer for want of memory there.
            _round.EnsureCapacity(MostWaiting);
            Bell bell = _lock;
            var self = new WeakReference<LockWaiters>(this);
            new Thread(() => Run(bell, self)) { Name = "ptfs-locks", IsBackground = true }.Start();
            _hasThread = true;
        }
    }

    /// <summary>Lets a request wait that could not have its lock.</summary>
    /// <returns>
    /// OK: it will be answered; EINTR: it was interrupted before it came; ENOLCK: too many wait; ENOSYS: there is no way
    /// to answer later.
    /// </returns>
    public Errno Add(in FuseCall call, Handle handle, LockOwner owner, in FileLock wanted, LockFlags flags)
    {
        if (transport is not { CanReplyLater: true })
        {
            return Errno.ENOSYS;
        }

        // Not the groups: they are the worker's memory.
        RequestContext context = new()
        {
            Uid = call.Context.Uid,
            Gid = call.Context.Gid,
            Pid = call.Context.Pid,
            Id = call.Context.Id,
        };
        var waiter = new Waiter(context, call.Node, handle, owner, wanted, flags);
        lock (_lock)
        {
            // Its session may have ended since it was read, and what ends with a session has been forgotten then.
            if (session.Connection != call.Connection)
            {
                return Errno.EIO;
            }

            if (_interrupted.AsSpan(0, Math.Min(_interruptions, Remembered)).Contains(context.Id.Value))
            {
                return Errno.EINTR;
            }

            if (_waiting.Count == MostWaiting)
            {
                _refused++;
                return Errno.ENOLCK;
            }

            _waiting.AddLast(waiter);
            Volatile.Write(ref _count, _waiting.Count);

            // What was in its way may be gone since: it is tried at once.
            TellOfChance();
        }

        return Errno.OK;
    }

    /// <summary>After a lock may have gone.</summary>
    public void TryAgain()
    {
        if (Volatile.Read(ref _count) > 0)
        {
            lock (_lock)
            {
                TellOfChance();
            }
        }
    }

    /// <summary>Ends the wait of a request with EINTR, unless it gets its lock at this moment.</summary>
    public void Interrupt(ulong unique)
    {
        lock (_lock)
        {
            LinkedListNode<Waiter>? found = Find(unique);
            if (found is null)
            {
                _interrupted[_interruptions % Remembered] = unique;
                _interruptions = _interruptions == (2 * Remembered) - 1 ? Remembered : _interruptions + 1;
                return;
            }

            if (found.Value == _tried)
            {
                found.Value.IsInterrupted = true;
                return;
            }

            Remove(found);
        }

        Answer(unique, Errno.EINTR);
    }

    /// <summary>Forgets all; nobody waits for an answer any more.</summary>
    public void Clear()
    {
        lock (_trying)
        {
            lock (_lock)
            {
                _waiting.Clear();
                _interruptions = 0;
                Volatile.Write(ref _count, 0);
                TellOfChance();
            }
        }
    }

    private void TellOfChance()
    {
        _lock.IsRung = true;
        Monitor.Pulse(_lock);
    }

    private static void Run(Bell bell, WeakReference<LockWaiters> waiters)
    {
        while (bell.Wait())
        {
            Serve(waiters);
        }
    }

    // Not inlined: while nobody waits the thread keeps nothing of a session alive.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Serve(WeakReference<LockWaiters> waiters)
    {
        if (waiters.TryGetTarget(out LockWaiters? target))
        {
            target.Serve();
        }
    }

    /// <summary>Tries until nobody waits.</summary>
    private void Serve()
    {
        int pause = Pauses.First;
        while (true)
        {
            lock (_lock)
            {
                if (_lock.IsRung || Monitor.Wait(_lock, pause))
                {
                    pause = Pauses.First;
                }
                else
                {
                    pause = Math.Min(pause * 2, Pauses.Longest);
                }

                _lock.IsRung = false;
                if (_isPaused || _waiting.Count == 0)
                {
                    return;
                }

                _round.Clear();
                for (LinkedListNode<Waiter>? node = _waiting.First; node is not null; node = node.Next)
                {
                    _round.Add(node);
                }
            }

            foreach (LinkedListNode<Waiter> node in _round)
            {
                lock (_trying)
                {
                    Try(node);
                }
            }
        }
    }

    private void Try(LinkedListNode<Waiter> node)
    {
        Waiter waiter = node.Value;
        lock (_lock)
        {
            if (node.List is null || _isPaused)
            {
                return;
            }

            _tried = waiter;
        }

        Errno errno;
        try
        {
            errno = session.FileSystem.SetLk(
                waiter.Context, waiter.Node, waiter.Handle, waiter.Owner, waiter.Wanted, waiter.Flags);
            if (errno == Errno.EAGAIN && !waiter.IsKnown)
            {
                waiter.IsKnown = true;
                errno = ClosesRing(waiter) ? Errno.EDEADLK : errno;
            }
        }
#pragma warning disable CA1031 // As in Dispatch: whatever a file system throws ends here, and the client gets an answer.
        catch (Exception e)
#pragma warning restore CA1031
        {
            session.Events.Failure(FuseOpcode.FUSE_SETLKW, waiter.Context.Id.Value, e);
            errno = e is OutOfMemoryException ? Errno.ENOMEM : Errno.EIO;
        }

        lock (_lock)
        {
            _tried = null;
            if (errno == Errno.EAGAIN)
            {
                if (!waiter.IsInterrupted)
                {
                    return;
                }

                errno = Errno.EINTR;
            }

            Remove(node);
            if (errno == Errno.OK && waiter.Wanted.Type == LockType.F_RDLCK)
            {
                // It may have taken the place of one for writing.
                TellOfChance();
            }
        }

        Answer(waiter.Context.Id.Value, errno);
    }

    private void Remove(LinkedListNode<Waiter> node)
    {
        _waiting.Remove(node);
        Volatile.Write(ref _count, _waiting.Count);
    }

    private LinkedListNode<Waiter>? Find(ulong unique)
    {
        for (LinkedListNode<Waiter>? node = _waiting.First; node is not null; node = node.Next)
        {
            if (node.Value.Context.Id.Value == unique)
            {
                return node;
            }
        }

        return null;
    }

    private void Answer(ulong unique, Errno errno)
    {
        FuseOutHeader header = new()
        {
            Len = FuseProtocol.ReplyHeaderSize,
            Error = -(int)errno,
            Unique = unique,
        };

        // Sound: the header is of this frame, and borrowed until the call returns.
        var segment = new IoSegment(&header, FuseProtocol.ReplyHeaderSize);
        _ = transport!.Reply(MemoryMarshal.CreateReadOnlySpan(ref segment, 1));
    }

    private sealed class Waiter(
        RequestContext context, NodeId node, Handle handle, LockOwner owner, FileLock wanted, LockFlags flags)
    {
        public RequestContext Context { get; } = context;

        public NodeId Node { get; } = node;

        public Handle Handle { get; } = handle;

        public LockOwner Owner { get; } = owner;

        public FileLock Wanted { get; } = wanted;

        public LockFlags Flags { get; } = flags;

        public bool IsInterrupted { get; set; }

        /// <summary>Whether it has been looked at for whom it waits.</summary>
        public bool IsKnown { get; set; }
    }

    /// <summary>What the thread waits on while nobody else waits.</summary>
    private sealed class Bell
    {
        public bool IsRung { get; set; }

        public bool IsOver { get; set; }

        /// <summary>Waits until there is something to do; false if there will be nothing any more.</summary>
        public bool Wait()
        {
            lock (this)
            {
                while (!IsRung && !IsOver)
                {
                    Monitor.Wait(this);
                }

                return !IsOver;
            }
        }
    }
}
