using System;
using System.Buffers.Binary;
using System.Collections.Concurrent;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Protocol;

namespace PassthroughFs.Core.Fuzz.Targets;

/// <summary>A transport that takes late replies and notifications, and holds both to the protocol's rules.</summary>
internal sealed class FuzzTransport : IFuseTransport, IDaxWindow, IBackingFiles
{
    private const ulong Pages = 16;

    private string? _failure;
    private int _backing;

    public TransportLimits Limits => default;

    public bool HasWindow { get; init; }

    public bool CanReplyLater { get; init; }

    /// <summary>Whether the session was restored, so that there are numbers that were given out elsewhere.</summary>
    public bool IsSuccessor { get; set; }

    public IDaxWindow? DaxWindow => HasWindow ? this : null;

    public ulong Length => Pages * (uint)Environment.SystemPageSize;

    /// <summary>Requests whose answer is still to come.</summary>
    public ConcurrentDictionary<ulong, bool> Waiting { get; } = new();

    public string? TakeFailure()
    {
        string? failure = _failure;
        _failure = null;
        return failure;
    }

    public Errno Map(int fd, in DaxMapping mapping) => Check(mapping.Range, fd);

    public Errno Unmap(in DaxRange range) => Check(range, 0);

    public Errno Open(int fd, out int id)
    {
        id = ++_backing;
        return fd < 0 ? Fail("a backing file without a descriptor") : Errno.OK;
    }

    // A successor closes what its predecessor has opened.
    public Errno Close(int id) =>
        id <= 0 || (id > _backing && !IsSuccessor) ? Fail($"backing file {id} is closed") : Errno.OK;

    public Errno Reply(ReadOnlySpan<IoSegment> message)
    {
        Span<byte> header = stackalloc byte[16];
        if (Gather(message, header) != 16 || BinaryPrimitives.ReadUInt32LittleEndian(header) != 16
            || (int)BinaryPrimitives.ReadUInt32LittleEndian(header[4..]) is > 0 or < -511)
        {
            return Fail($"a late reply that is none: {Convert.ToHexString(header)}");
        }

        // It may come before Dispatch has returned: then it is noted as answered.
        ulong unique = BinaryPrimitives.ReadUInt64LittleEndian(header[8..]);
        if (!Waiting.TryRemove(unique, out _))
        {
            Waiting[unique] = true;
        }

        return Errno.OK;
    }

    public Errno Notify(ReadOnlySpan<IoSegment> message)
    {
        Span<byte> header = stackalloc byte[16];
        int length = Gather(message, header);
        return length < 16 || BinaryPrimitives.ReadUInt32LittleEndian(header) != (uint)length
            || BinaryPrimitives.ReadUInt64LittleEndian(header[8..]) != 0
            ? Fail($"a notification that is none: {Convert.ToHexString(header)}") : Errno.OK;
    }

    private static int Gather(ReadOnlySpan<IoSegment> message, Span<byte> header)
    {
        int total = 0;
        foreach (IoSegment segment in message)
        {
            ReadOnlySpan<byte> bytes = segment.AsSpan();
            if (total < header.Length)
            {
                bytes[..Math.Min(bytes.Length, header.Length - total)].CopyTo(header[total..]);
            }

            total += bytes.Length;
        }

        return total;
    }

    private Errno Check(in DaxRange range, int fd)
    {
        ulong page = (uint)Environment.SystemPageSize - 1;
        return range.Length == 0 || ((range.Offset | range.Length) & page) != 0 || range.Length > Length
            || range.Offset > Length - range.Length || fd < 0
            ? Fail($"a range outside of the window: {range}") : Errno.OK;
    }

    private Errno Fail(string text)
    {
        _failure ??= text;
        return Errno.EIO;
    }
}
