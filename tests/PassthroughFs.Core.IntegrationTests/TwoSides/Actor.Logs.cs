using System;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.IntegrationTests.TwoSides;

/// <remarks>Appending, and reading what was appended.</remarks>
internal sealed partial class Actor
{
    private readonly int[,] _logFds;
    private readonly int[,] _written;
    private readonly LogReader?[,] _tails;

    private void Append(Area area)
    {
        int which = _random.Next(2);
        int at = IndexOf(_round.Areas, area);
        Log log = area.Logs[which];
        int fd = Kept(ref _logFds[at, which], log.Name, Linux.O_WRONLY | Linux.O_APPEND, 5);
        int length = _random.Next(100) switch
        {
            < 80 => _random.Next(16, 500),
            < 98 => _random.Next(500, 12_000),
            _ => _random.Next(12_000, 100_000),
        } & ~7;
        Span<byte> record = _buffer.AsSpan(0, Math.Max(16, length));
        Content.FillRecord(record, log.Id, _number, ++_written[at, which]);
        int written = Ok(Calls.Write(fd, record), "append");
        if (written != record.Length)
        {
            throw Violation($"append of {record.Length} bytes wrote {written}");
        }

        log.Acknowledge(_number, record.Length);
        if (Chance(5))
        {
            _ = Ok(Calls.Sync(fd, Chance(50)), "fsync");
        }
    }

    private void ReadLog(Area area)
    {
        Log log = area.Logs[_random.Next(2)];
        long bytes = log.Bytes;
        int[] acknowledged = log.Acknowledged();
        _ = Ok(Calls.Stat(At(log.Name), out Status status), "stat");
        if (status.Size < bytes && !_round.MayBeStale)
        {
            throw Violation($"{log.Name}: size {status.Size}, where {bytes} bytes were appended");
        }

        using var reader = new LogReader(
            log, Ok(Calls.Open(At(log.Name), Linux.O_RDONLY), "open"), acknowledged.Length);
        Judge(reader.ReadOn(_buffer.AsSpan(0, 1 << _random.Next(6, 18)), _round.MayBeStale ? null : acknowledged));
    }

    private void ReadOn(Area area)
    {
        int which = _random.Next(2);
        Log log = area.Logs[which];
        ref LogReader? tail = ref _tails[IndexOf(_round.Areas, area), which];
        int[] acknowledged = log.Acknowledged();
        tail ??= new LogReader(log, Ok(Calls.Open(At(log.Name), Linux.O_RDONLY), "open"), acknowledged.Length);
        Judge(tail.ReadOn(_buffer.AsSpan(0, 1 << _random.Next(6, 18)), _round.MayBeStale ? null : acknowledged));
    }
}
