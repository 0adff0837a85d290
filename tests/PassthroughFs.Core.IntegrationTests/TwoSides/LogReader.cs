using System;
using System.Linq;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.IntegrationTests.TwoSides;

/// <summary>Reads a log from its beginning, and on as it grows: whole records only, each actor's in their order.</summary>
internal sealed class LogReader(Log log, int fd, int actors) : IDisposable
{
    private readonly int[] _last = new int[actors];
    private byte[] _bytes = new byte[1 << 16];
    private int _from, _to;
    private long _offset;

    /// <summary>Reads to the end.</summary>
    /// <param name="buffer">How much a call takes.</param>
    /// <param name="acknowledged">What has to be there; null for nothing.</param>
    /// <param name="isWhole">Whether nobody appends now.</param>
    /// <returns>What is wrong, or null.</returns>
    public string? ReadOn(Span<byte> buffer, int[]? acknowledged, bool isWhole = false)
    {
        while (true)
        {
            int count = Calls.PRead(fd, buffer, _offset + _to - _from);
            if (count < 0)
            {
                return $"{log.Name}: read: {(Errno)(-count)}";
            }

            if (count == 0)
            {
                break;
            }

            Add(buffer[..count]);
            if (Parse() is { } wrong)
            {
                return wrong;
            }
        }

        for (int i = 0; acknowledged is not null && i < actors; i++)
        {
            if (_last[i] < acknowledged[i] || (isWhole && _last[i] != acknowledged[i]))
            {
                return $"{log.Name}: of actor {i} {_last[i]} records, where {acknowledged[i]} were appended " +
                    $"(up to {_offset}, of {string.Join(' ', _last)})";
            }
        }

        return isWhole && _from != _to ? $"{log.Name}: {_to - _from} bytes at {_offset} are no record" : null;
    }

    public void Dispose() => Calls.Close(fd);

    private void Add(ReadOnlySpan<byte> bytes)
    {
        if (_to + bytes.Length > _bytes.Length)
        {
            byte[] larger = new byte[Math.Max(_bytes.Length, 2 * (_to - _from + bytes.Length))];
            _bytes.AsSpan(_from, _to - _from).CopyTo(larger);
            (_bytes, _from, _to) = (larger, 0, _to - _from);
        }

        bytes.CopyTo(_bytes.AsSpan(_to));
        _to += bytes.Length;
    }

    private string? Parse()
    {
        while (true)
        {
            ReadOnlySpan<byte> rest = _bytes.AsSpan(_from, _to - _from);
            int length = Content.ReadRecord(rest, log.Id, out int actor, out int number);
            if (length == 0)
            {
                return null;
            }

            if (length < 0 || actor < 0 || actor >= _last.Length || number != _last[actor] + 1)
            {
                return $"{log.Name}: at {_offset} no record that may follow, but " +
                    $"{Convert.ToHexString(rest[..Math.Min(32, rest.Length)])}: actor {actor} number {number} " +
                    $"after {string.Join(' ', _last.Select((last, i) => $"{i}:{last}"))}";
            }

            _last[actor] = number;
            _offset += length;
            _from += length;
        }
    }
}
