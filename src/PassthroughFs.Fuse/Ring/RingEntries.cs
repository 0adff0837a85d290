using System;
using System.Runtime.InteropServices;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Protocol;
using static PassthroughFs.Fuse.Ring.RingAbi;

namespace PassthroughFs.Fuse.Ring;

/// <summary>
/// One thread's places for requests: each a page that holds the headers, and pages for data. The kernel puts a request
/// there and takes the reply from the same memory. Taken once; pages that are never used cost nothing.
/// </summary>
internal sealed unsafe class RingEntries : IDisposable
{
    private const int RequestHeader = 40; // fuse_in_header
    private const int ReplyHeader = 16; // fuse_out_header: len, error, unique
    private const int ErrorOffset = 4;
    private const int UniqueOffset = 8;

    private readonly byte* _memory;
    private readonly int _payloadSize;
    private readonly IoSegment* _iovecs;

    /// <summary>Memory for so many requests at once.</summary>
    /// <exception cref="OutOfMemoryException">There is none.</exception>
    public RingEntries(int count, int payloadSize)
    {
        nuint page = (nuint)Environment.SystemPageSize;
        _payloadSize = (int)(((nuint)payloadSize + page - 1) / page * page);
        nuint stride = page + (nuint)_payloadSize;
        nuint iovecs = ((nuint)(count * 2 * sizeof(IoSegment)) + page - 1) / page * page;

        // Sound: freed in Dispose, when the kernel has given every entry back.
        _memory = (byte*)NativeMemory.AlignedAlloc(iovecs + ((nuint)count * stride), page);
        _iovecs = (IoSegment*)_memory;
        for (int i = 0; i < count; i++)
        {
            // Sound: inside the mapping, whose first pages hold two iovecs an entry and the rest one stride each.
            byte* header = _memory + iovecs + ((nuint)i * stride);
            _iovecs[2 * i] = new IoSegment(header, HeaderSize);
            _iovecs[(2 * i) + 1] = new IoSegment(header + page, (nuint)_payloadSize);
        }
    }

    /// <summary>Where an entry's memory is, as the kernel wants to be told.</summary>
    public IoSegment* Iovecs(uint entry) => _iovecs + (2 * entry);

    /// <summary>Has a worker answer the request in an entry.</summary>
    /// <returns>The number by which the kernel knows the answer.</returns>
    public ulong Answer(uint entry, FuseWorker worker)
    {
        byte* header = _iovecs[2 * entry].Pointer;
        byte* payload = _iovecs[(2 * entry) + 1].Pointer;
        ulong commitId = *(ulong*)(header + HeaderCommitId);
        ulong unique = *(ulong*)(header + UniqueOffset);
        uint payloadSize = *(uint*)(header + HeaderPayloadSize);
        long arguments = *(uint*)header - RequestHeader - (long)payloadSize;
        int length = 0;
        if (arguments is >= 0 and <= HeaderArgumentsSize && payloadSize <= (uint)_payloadSize)
        {
            // The same bytes as a read of the device gives, in three places. Sound: all of them inside the entry's
            // memory, and Dispatch copies headers and names before it writes any of the reply.
            ReadOnlySpan<IoSegment> request =
            [
                new IoSegment(header, RequestHeader),
                new IoSegment(header + HeaderArguments, (nuint)arguments),
                new IoSegment(payload, payloadSize),
            ];
            ReadOnlySpan<IoSegment> reply =
            [
                new IoSegment(header, ReplyHeader),
                new IoSegment(payload, (nuint)_payloadSize),
            ];
            length = worker.Dispatch(request, reply);
        }

        if (length < ReplyHeader)
        {
            // What owes no reply does not come this way; an entry must be given back all the same.
            *(int*)header = ReplyHeader;
            *(int*)(header + ErrorOffset) = -(int)Errno.EIO;
            *(ulong*)(header + UniqueOffset) = unique;
            length = ReplyHeader;
        }

        *(uint*)(header + HeaderPayloadSize) = (uint)(length - ReplyHeader);
        return commitId;
    }

    public void Dispose() => NativeMemory.AlignedFree(_memory);
}
