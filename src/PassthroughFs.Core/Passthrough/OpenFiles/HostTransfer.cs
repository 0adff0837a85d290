using System;
using System.Runtime.CompilerServices;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;

namespace PassthroughFs.Core.Passthrough;

/// <summary>
/// Contents between an open file of the host and the transport's memory, with no copy in between: everything that was
/// asked for, or the reason why not.
/// </summary>
internal static unsafe class HostTransfer
{
    /// <summary>
    /// How many segments one system call gets; more than that take another call. A message of the largest size a Linux
    /// client sends has fewer, so that an append is one call.
    /// </summary>
    private const int MaxSegments = 264;

    private const uint PageMask = 4095;

    /// <summary>Reads until there is no more room, or the host says that the file ends.</summary>
    /// <param name="fd">The file.</param>
    /// <param name="offset">Where to begin, in bytes.</param>
    /// <param name="endsShort">
    /// Whether a read that stops inside a page has met the end, as on a disk: what interrupts one stops between pages.
    /// Elsewhere only 0 bytes say so.
    /// </param>
    /// <param name="mayBePart">
    /// Whether an error after some bytes is the next read's: for a client that gives its program what it gets. One that
    /// fills its cache takes a short answer for the end of the file.
    /// </param>
    /// <param name="sink">Gets the data.</param>
    public static Errno Read(int fd, long offset, bool endsShort, bool mayBePart, ref DataSink sink)
    {
        Unsafe.SkipInit(out SegmentBuffer buffer);
        Span<IoSegment> segments = buffer;
        while (sink.Remaining > 0)
        {
            int count = sink.Peek(segments);
            long wanted = Sum(segments[..count]);

            // SAFETY: the segments' owner keeps them mapped until the request is done, and the buffer is on the stack.
            long status = count == 1
                ? Sys.Pread(fd, segments[0].Pointer, segments[0].Length, offset)
                : Sys.Preadv(fd, Unsafe.AsPointer(ref buffer), count, offset);
            if (status < 0)
            {
                return mayBePart && sink.Written > 0 ? Errno.OK : (Errno)(-status);
            }

            sink.Advance(status);
            offset += status;
            if (status == 0 || (endsShort && status < wanted && (offset & PageMask) != 0))
            {
                break;
            }
        }

        return Errno.OK;
    }

    /// <summary>Writes all there is.</summary>
    /// <param name="fd">The file.</param>
    /// <param name="offset">Where to begin, in bytes; of no meaning for an append.</param>
    /// <param name="how">0, or RWF_APPEND.</param>
    /// <param name="mayBePart">
    /// Whether an error after some bytes is the next write's: for a program's own write. What a client's cache sends is
    /// lost where the answer is shorter.
    /// </param>
    /// <param name="source">The data.</param>
    /// <returns>EOPNOTSUPP or ENOSYS, with nothing written, where the host does not know what <paramref name="how"/>
    /// says.</returns>
    public static Errno Write(int fd, long offset, int how, bool mayBePart, ref DataSource source)
    {
        Unsafe.SkipInit(out SegmentBuffer buffer);
        Span<IoSegment> segments = buffer;
        while (source.Remaining > 0)
        {
            int count = source.Peek(segments);

            // SAFETY: the segments' owner keeps them mapped until the request is done, and the buffer is on the stack.
            long status = how != 0
                ? Sys.Pwritev2(fd, Unsafe.AsPointer(ref buffer), count, offset, how)
                : count == 1
                    ? Sys.Pwrite(fd, segments[0].Pointer, segments[0].Length, offset)
                    : Sys.Pwritev(fd, Unsafe.AsPointer(ref buffer), count, offset);
            if (status <= 0)
            {
                Errno error = status < 0 ? (Errno)(-status) : Errno.EIO;
                return mayBePart && source.Consumed > 0 ? Errno.OK : error;
            }

            source.Advance(status);
            offset += status;
        }

        return Errno.OK;
    }

    private static long Sum(ReadOnlySpan<IoSegment> segments)
    {
        long sum = 0;
        foreach (ref readonly IoSegment segment in segments)
        {
            sum += (long)segment.Length;
        }

        return sum;
    }

    [InlineArray(MaxSegments)]
    private struct SegmentBuffer
    {
        private IoSegment _first;
    }
}
