using System;
using System.Collections.Generic;
using System.IO;
using System.Threading;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Protocol;

/// <remarks>Those who wait go on waiting for a successor.</remarks>
internal sealed unsafe partial class LockWaiters
{
    /// <summary>Writes down who waits. From here until <see cref="Resume"/> nobody gets a lock.</summary>
    public void Save(StateWriter writer)
    {
        lock (_trying)
        {
            lock (_lock)
            {
                _isPaused = true;
                writer.U32((uint)_waiting.Count);
                foreach (Waiter waiter in _waiting)
                {
                    writer.U64(waiter.Context.Id.Value);
                    writer.U32(waiter.Context.Uid);
                    writer.U32(waiter.Context.Gid);
                    writer.U32(waiter.Context.Pid);
                    writer.U64(waiter.Node.Value);
                    writer.U64(waiter.Handle.Value);
                    writer.U64(waiter.Owner.Value);
                    writer.U32((uint)waiter.Flags);
                    writer.U64(waiter.Wanted.Start);
                    writer.U64(waiter.Wanted.End);
                    writer.U32((uint)waiter.Wanted.Type);
                    writer.U32(waiter.Wanted.Pid);
                }

                writer.U32((uint)_interruptions);
                foreach (ulong unique in _interrupted)
                {
                    writer.U64(unique);
                }
            }
        }
    }

    /// <summary>Reads who waits. Nothing has changed if that fails.</summary>
    /// <exception cref="InvalidDataException">It is damaged.</exception>
    public Action Restore(SectionReader reader)
    {
        uint count = reader.U32();
        var waiting = new List<Waiter>();
        for (uint left = count <= MostWaiting ? count : throw StateReader.Damaged(); left > 0; left--)
        {
            waiting.Add(ReadWaiter(ref reader));
        }

        uint interruptions = reader.U32();
        ulong[] interrupted = new ulong[Remembered];
        foreach (ref ulong unique in interrupted.AsSpan())
        {
            unique = reader.U64();
        }

        if (interruptions >= 2 * Remembered)
        {
            throw StateReader.Damaged();
        }

        return () =>
        {
            lock (_lock)
            {
                _isPaused = true;
                waiting.ForEach(waiter => _waiting.AddLast(waiter));
                Volatile.Write(ref _count, _waiting.Count);
                interrupted.CopyTo(_interrupted, 0);
                _interruptions = (int)interruptions;
            }
        };
    }

    /// <summary>Whoever waits is tried again.</summary>
    public void Resume()
    {
        lock (_lock)
        {
            _isPaused = false;
            TellOfChance();
        }
    }

    private static Waiter ReadWaiter(ref SectionReader reader)
    {
        var id = new RequestId(reader.U64());
        var context = new RequestContext { Id = id, Uid = reader.U32(), Gid = reader.U32(), Pid = reader.U32() };
        var node = new NodeId(reader.U64());
        var handle = new Handle(reader.U64());
        var owner = new LockOwner(reader.U64());
        var flags = (LockFlags)reader.U32();
        var wanted = new FileLock
        {
            Start = reader.U64(),
            End = reader.U64(),
            Type = (LockType)reader.U32(),
            Pid = reader.U32(),
        };
        return wanted.Type <= LockType.F_UNLCK && wanted.Start <= wanted.End && wanted.End <= FileLock.ToTheEnd
            ? new Waiter(context, node, handle, owner, wanted, flags)
            : throw StateReader.Damaged();
    }
}
