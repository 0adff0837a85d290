using System;
using System.Runtime.InteropServices;

namespace PassthroughFs.Fuse;

/// <summary>
/// One thread's memory for requests and replies, taken once. Data stands on a page boundary in both, because a copy
/// between whole pages is the cheapest: behind the two headers of a WRITE, and behind the header of a reply.
/// </summary>
internal sealed unsafe class DeviceBuffers : IDisposable
{
    private const int WriteHeaders = 40 + 40; // fuse_in_header, fuse_write_in
    private const int ReplyHeader = 16; // fuse_out_header

    // The kernel wants room for an extended attribute of 64 KiB too, however small writes were asked to be.
    private const int LeastPayload = 128 * 1024;

    private readonly byte* _memory;

    /// <summary>Memory for the largest request and reply there will be.</summary>
    public DeviceBuffers(int requestSize, int replySize)
    {
        int page = Environment.SystemPageSize;
        int requestPayload = WholePages(requestSize - WriteHeaders);
        int replyPayload = WholePages(replySize - ReplyHeader);

        // Sound: both payloads, each with a page in front of it whose last bytes hold the headers; freed in Dispose.
        _memory = (byte*)NativeMemory.AlignedAlloc((nuint)(page + requestPayload + page + replyPayload), (nuint)page);
        Request = _memory + page - WriteHeaders;
        RequestSize = WriteHeaders + requestPayload;
        Reply = _memory + page + requestPayload + page - ReplyHeader;
        ReplySize = ReplyHeader + replyPayload;
    }

    public byte* Request { get; }

    public int RequestSize { get; }

    public byte* Reply { get; }

    public int ReplySize { get; }

    public void Dispose() => NativeMemory.AlignedFree(_memory);

    private static int WholePages(int size)
    {
        int page = Environment.SystemPageSize;
        return (Math.Max(size, LeastPayload) + page - 1) / page * page;
    }
}
