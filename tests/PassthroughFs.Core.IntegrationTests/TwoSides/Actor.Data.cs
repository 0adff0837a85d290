using System;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.IntegrationTests.Platform;

namespace PassthroughFs.Core.IntegrationTests.TwoSides;

/// <remarks>Writing in place, shortening and reading files, by calls and by mappings.</remarks>
internal sealed unsafe partial class Actor
{
    private const int Size = Content.BlockSize;
    private const int MapSize = DataFile.Blocks * Size;

    private readonly int[,] _dataFds;
    private readonly nint[] _maps;

    private void WriteData(Area area)
    {
        (DataFile file, int fd) = OpenData(area);
        (int from, int to) = Range();
        long value = Area.NewId();
        Span<byte> bytes = _buffer.AsSpan(0, (to - from) * Size);
        for (int i = from; i < to; i++)
        {
            Content.Fill(bytes.Slice((i - from) * Size, Size), new BlockId(file.Id, i, value));
        }

        if (file.IsMapped)
        {
            lock (file.Writing)
            {
                Write(file, from, value, bytes, fd, Mapping(area, file, fd));
            }
        }
        else
        {
            Write(file, from, value, bytes, fd, 0);
        }

        if (Chance(5))
        {
            _ = Ok(Calls.Sync(fd, Chance(50)), "fsync");
        }
    }

    private void Write(DataFile file, int from, long value, Span<byte> bytes, int fd, nint map)
    {
        Change[] changes = BeginAll(file, from, from + (bytes.Length / Size), value);
        if (map != 0 && Chance(50))
        {
            // SAFETY: the mapping has all blocks, and its file is never made shorter.
            bytes.CopyTo(new Span<byte>((byte*)map + (from * Size), bytes.Length));
            if (Chance(10) && Native.MSync((byte*)map, MapSize, Native.MS_SYNC) != 0)
            {
                throw Violation("msync");
            }
        }
        else
        {
            int written = Ok(Calls.PWrite(fd, bytes, from * (long)Size), "write");
            if (written != bytes.Length)
            {
                throw Violation($"write of {bytes.Length} bytes wrote {written}");
            }
        }

        EndAll(file, from, changes);
    }

    private void Shorten(Area area)
    {
        DataFile file = area.Files[0];
        int fd = Kept(ref _dataFds[IndexOf(_round.Areas, area), 0], file.Name, Linux.O_RDWR, 10);
        (int from, int to) = Range();
        switch (_random.Next(4))
        {
            case 0:
                Change[] changes = BeginAll(file, from, DataFile.Blocks, 0);
                _ = Ok(Calls.FTruncate(fd, from * (long)Size), "ftruncate");
                EndAll(file, from, changes);
                break;
            case 1:
                changes = BeginAll(file, from, DataFile.Blocks, 0);
                _ = Ok(Calls.Truncate(At(file.Name), from * (long)Size), "truncate");
                EndAll(file, from, changes);
                break;
            case 2:
                changes = BeginAll(file, 0, DataFile.Blocks, 0);
                Calls.Close(Ok(Calls.Open(At(file.Name), Linux.O_WRONLY | Linux.O_TRUNC), "open with O_TRUNC"));
                EndAll(file, 0, changes);
                break;
            default:
                changes = BeginAll(file, from, to, 0);
                if (Calls.PunchHole(fd, from * (long)Size, (to - from) * Size) is var result &&
                    result == -(int)Errno.EOPNOTSUPP)
                {
                    for (int i = from; i < to; i++)
                    {
                        file.Registers[i].Withdraw(changes[i - from]);
                    }
                }
                else
                {
                    _ = Ok(result, "punch a hole");
                    EndAll(file, from, changes);
                }

                break;
        }
    }

    private void ReadData(Area area)
    {
        (DataFile file, int fd) = OpenData(area);
        bool isOwn = Chance(30);
        (int from, int to) = Range();
        bool again = true;
        for (int attempt = 0; again && attempt < 50; attempt++)
        {
            var looks = new Look[to - from];
            for (int i = from; i < to; i++)
            {
                looks[i - from] = Begin(file.Registers[i]);
            }

            Span<byte> bytes = _buffer.AsSpan(0, (to - from) * Size);
            if (isOwn)
            {
                int own = Ok(Calls.Open(At(file.Name), Linux.O_RDONLY), "open");
                try
                {
                    Read(own, bytes, from);
                }
                finally
                {
                    Calls.Close(own);
                }
            }
            else if (Mapping(area, file, fd) is var map && map != 0 && Chance(50))
            {
                // SAFETY: as where it is written.
                new Span<byte>((byte*)map + (from * Size), bytes.Length).CopyTo(bytes);
            }
            else
            {
                Read(fd, bytes, from);
            }

            again = JudgeBlocks(file, from, bytes, looks);
        }
    }

    /// <summary>Judges blocks; whether one was being written, so that it is to be read once more.</summary>
    private bool JudgeBlocks(DataFile file, int from, ReadOnlySpan<byte> bytes, Look[] looks)
    {
        bool again = false;
        for (int i = 0; i < looks.Length; i++)
        {
            ReadOnlySpan<byte> block = bytes.Slice(i * Size, Size);
            Register register = file.Registers[from + i];
            if (!Content.TryRead(block, out BlockId id))
            {
                if (register.IsQuiet(looks[i]))
                {
                    throw Violation($"{register.Name}: {Content.Describe(block)}");
                }

                again = true;
            }
            else if (id.Value != 0 && (id.File != file.Id || id.Index != from + i))
            {
                throw Violation($"{register.Name} of file {file.Id:x}: a block of another place, {id}");
            }
            else
            {
                Judge(register.Judge(looks[i], id.Value));
            }
        }

        return again;
    }

    private void Read(int fd, Span<byte> bytes, int from)
    {
        int done = 0;
        while (done < bytes.Length && Ok(Calls.PRead(fd, bytes[done..], (from * (long)Size) + done), "read") is var count &&
            count > 0)
        {
            done += count;
        }

        bytes[done..].Clear();
    }

    private (DataFile File, int Fd) OpenData(Area area)
    {
        int which = _random.Next(2);
        DataFile file = area.Files[which];
        return (file, Kept(ref _dataFds[IndexOf(_round.Areas, area), which], file.Name, Linux.O_RDWR, 5));
    }

    private (int From, int To) Range()
    {
        int from = _random.Next(DataFile.Blocks);
        return (from, Math.Min(DataFile.Blocks, from + 1 + _random.Next(Chance(50) ? 1 : 16)));
    }

    private static Change[] BeginAll(DataFile file, int from, int to, long value)
    {
        var changes = new Change[to - from];
        for (int i = from; i < to; i++)
        {
            changes[i - from] = file.Registers[i].Begin(value);
        }

        return changes;
    }

    private static void EndAll(DataFile file, int from, Change[] changes)
    {
        for (int i = 0; i < changes.Length; i++)
        {
            file.Registers[from + i].End(changes[i]);
        }
    }

    private nint Mapping(Area area, DataFile file, int fd)
    {
        if (!file.IsMapped || !_side.Maps)
        {
            return 0;
        }

        ref nint map = ref _maps[IndexOf(_round.Areas, area)];
        if (map == 0)
        {
            nint made = (nint)Native.MMap(0, MapSize, Native.PROT_READ | Native.PROT_WRITE, Native.MAP_SHARED, fd, 0);
            map = made != -1 ? made : throw Violation("mmap");
        }

        return map;
    }

    private void EndMappings()
    {
        foreach (nint map in _maps)
        {
            if (map != 0)
            {
                _ = Native.MUnmap((byte*)map, MapSize);
            }
        }
    }
}
