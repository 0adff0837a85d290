using System;
using System.Runtime.InteropServices;

namespace PassthroughFs.Samples.FuseMount;

/// <summary>
/// One thread's memory for requests and replies, taken once. Data stands on a page boundary in both, because a copy
/// between whole pages is the cheapest: behind the two headers of a WRITE, and behind the header of a reply.
/// </summary>
internal sealed unsafe class DeviceBuffers : IDisposable
{
    private const int WriteHeaders = 40 + 40; // fuse_in_header, fuse_write_in
    private const int ReplyHeader = 16; // fuse_out_header

    // An extended attribute has up to 64 KiB, and a read 128 KiB, however small writes were asked to be.
    private const int LeastPayload = 128 * 1024;

    private readonly byte* _memory;

    public DeviceBuffers(int maxWrite)
    {
        int page = Environment.SystemPageSize;
        int payload = PayloadSize(maxWrite);

        // Sound: two payloads, each with a page in front of it whose last bytes hold the headers; freed in Dispose.
        _memory = (byte*)NativeMemory.AlignedAlloc((nuint)(2 * (page + payload)), (nuint)page);
        Request = _memory + page - WriteHeaders;
        RequestSize = WriteHeaders + payload;
        Reply = _memory + page + payload + page - ReplyHeader;
        ReplySize = ReplyHeader + payload;
    }

    public byte* Request { get; }

    public int RequestSize { get; }

    public byte* Reply { get; }

    public int ReplySize { get; }

    /// <summary>The largest request that fits, for writes of so many bytes at most.</summary>
    public static int MaxRequest(int maxWrite) => WriteHeaders + PayloadSize(maxWrite);

    /// <summary>The largest reply that fits.</summary>
    public static int MaxReply(int maxWrite) => ReplyHeader + PayloadSize(maxWrite);

    public void Dispose() => NativeMemory.AlignedFree(_memory);

    private static int PayloadSize(int maxWrite)
    {
        int page = Environment.SystemPageSize;
        return (Math.Max(maxWrite, LeastPayload) + page - 1) / page * page;
    }
}
