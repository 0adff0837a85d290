using System;
using System.Buffers.Binary;
using System.Threading;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.IntegrationTests.TwoSides;

/// <remarks>What only one may do at a time.</remarks>
internal sealed partial class Actor
{
    private const int LOCK_EX = 2, LOCK_NB = 4, LOCK_UN = 8;

    private readonly int[,] _lockFds;

    private void MakeAlone(Area area)
    {
        Exclusive exclusive = area.Exclusives[_random.Next(area.Exclusives.Length)];
        string path = At(exclusive.Name);
        long id = Area.NewId();
        string? made = exclusive.Way is 2 or 4 ? Temporary(area) : null;
        if (made is not null)
        {
            MakeFile(made, id);
        }

        Look look = Begin(exclusive.Register);
        Change change = exclusive.Register.Begin(id);
        int result = exclusive.Way switch
        {
            0 => Calls.Open(path, Linux.O_WRONLY | Linux.O_CREAT | Linux.O_EXCL),
            1 => Calls.Mkdir(path),
            2 => Calls.Link(made!, path),
            3 => Calls.Symlink(Target(id), path),
            _ => Calls.Rename(made!, path, Linux.RENAME_NOREPLACE),
        };
        bool isNotThere = exclusive.Way == 4 && result == -(int)Errno.EINVAL;
        if (result == -(int)Errno.EEXIST || isNotThere)
        {
            exclusive.Register.Withdraw(change);
            Judge(isNotThere ? null : exclusive.Register.JudgeSomething(look));
            _ = made is null ? 0 : Ok(Calls.Unlink(made), "unlink");
            return;
        }

        _ = Ok(result, $"make {exclusive.Name}");
        if (exclusive.Enter() != 1)
        {
            throw Violation($"{exclusive.Name} was made twice at once");
        }

        exclusive.Register.End(change);
        if (exclusive.Way == 0)
        {
            Calls.Close(result);
        }
        else if (exclusive.Way == 2)
        {
            _ = Ok(Calls.Unlink(made!), "unlink");
        }

        while (Chance(50))
        {
            _ = Ok(Calls.Stat(path, out _), $"stat of {exclusive.Name}, which this actor has made");
            Thread.Yield();
        }

        exclusive.Leave();
        change = exclusive.Register.Begin(0);
        _ = Ok(exclusive.Way == 1 ? Calls.Rmdir(path) : Calls.Unlink(path), $"remove {exclusive.Name}");
        exclusive.Register.End(change);
    }

    private void LookForExclusive(Area area)
    {
        Exclusive exclusive = area.Exclusives[_random.Next(area.Exclusives.Length)];
        Look look = Begin(exclusive.Register);
        JudgePresence(Calls.Stat(At(exclusive.Name), out _), look, exclusive.Register);
    }

    private void CountLocked(Area area)
    {
        int which = _random.Next(area.Locks.Length);
        LockFile file = area.Locks[which];
        int at = IndexOf(_round.Areas, area);
        if (_round.MayBeStale)
        {
            return;
        }

        if (file.Kind != LockKind.Process)
        {
            Count(file, Kept(ref _lockFds[at, which], file.Name, Linux.O_RDWR, 5));
            return;
        }

        // To the process its actors are one, and whichever closes the file ends the lock: it is kept by the round.
        lock (_round.OwnedLock(_side, area, out int fd))
        {
            Count(file, fd);
        }
    }

    private void Count(LockFile file, int fd)
    {
        bool waits = Chance(60);
        int result = file.Kind == LockKind.Flock
            ? Calls.FLock(fd, LOCK_EX | (waits ? 0 : LOCK_NB))
            : Calls.RecordLock(fd, file.Kind == LockKind.OpenFile, waits);
        if (!waits && result is -(int)Errno.EAGAIN or -(int)Errno.EACCES)
        {
            return;
        }

        _ = Ok(result, $"lock {file.Name}");
        if (file.Enter() != 1)
        {
            throw Violation($"{file.Name} is locked twice at once");
        }

        Span<byte> bytes = stackalloc byte[8];
        int count = Ok(Calls.PRead(fd, bytes, 0), "read");
        long found = count == 8 ? BinaryPrimitives.ReadInt64LittleEndian(bytes) : -1;
        if (found != file.Count)
        {
            throw Violation($"{file.Name} counts {found} under the lock, where {file.Count} were counted");
        }

        BinaryPrimitives.WriteInt64LittleEndian(bytes, ++file.Count);
        if (Ok(Calls.PWrite(fd, bytes, 0), "write") != 8)
        {
            throw Violation("a short write");
        }

        file.Leave();
        _ = Ok(
            file.Kind == LockKind.Flock ? Calls.FLock(fd, LOCK_UN)
                : Calls.RecordLock(fd, file.Kind == LockKind.OpenFile, false, unlock: true),
            "unlock");
    }
}
