using System;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Protocol;

/// <summary>One request on its way through a worker, and the ways to answer it.</summary>
internal ref struct FuseCall
{
    /// <summary>The request's header, copied and checked.</summary>
    public FuseInHeader Header;

    /// <summary>Who asks.</summary>
    public RequestContext Context;

    /// <summary>What was agreed on; null only for INIT.</summary>
    public FuseConnection? Connection;

    /// <summary>The operation's structure and names, in memory that the client cannot change.</summary>
    public ReadOnlySpan<byte> Arguments;

    /// <summary>What of the body lies behind <see cref="Arguments"/>, in place.</summary>
    public SegmentCursor Body;

    /// <summary>Where the reply goes.</summary>
    public ReadOnlySpan<IoSegment> ReplySegments;

    /// <summary>How many bytes may follow the reply's header.</summary>
    public int Room;

    /// <summary>The node the request is about.</summary>
    public readonly NodeId Node => new(Header.NodeId);

    /// <summary>The operation's structure. The dispatcher has checked that it is there.</summary>
    public readonly ref readonly T Structure<T>()
        where T : unmanaged => ref MemoryMarshal.AsRef<T>(Arguments);

    /// <summary>What follows the operation's structure: names.</summary>
    public readonly ReadOnlySpan<byte> Behind<T>()
        where T : unmanaged => Arguments[Unsafe.SizeOf<T>()..];

    /// <summary>Answers with a header: success without a result, or an error.</summary>
    public readonly int Reply(Errno errno)
    {
        // Linux takes error numbers from 1 to 511 and drops any other reply, so that the caller would wait for ever.
        int number = (int)errno is >= 0 and < 512 ? (int)errno : (int)Errno.EIO;
        return Finish(0, number);
    }

    /// <summary>Answers with an error where an answer is owed.</summary>
    public readonly int ReplyTo(in FuseOpcodeInfo info, Errno errno) =>
        info.Reply == FuseReplyKind.None ? 0 : Reply(errno);

    /// <summary>Answers with a structure. The dispatcher has checked that it fits.</summary>
    public readonly unsafe int Reply<T>(in T body)
        where T : unmanaged
    {
        int length = FuseProtocol.ReplyHeaderSize + sizeof(T);
        ref readonly IoSegment first = ref MemoryMarshal.GetReference(ReplySegments);
        if (first.Length >= (nuint)length)
        {
            // Sound: the segment has room for both, and WriteUnaligned asks for no alignment. There is a first segment,
            // as the room was found to be at least a header's.
            Unsafe.WriteUnaligned(first.Pointer + FuseProtocol.ReplyHeaderSize, body);
            return Finish(sizeof(T), 0);
        }

        SegmentCursor cursor = BodyCursor(sizeof(T));
        cursor.Write(MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in body)));
        return Finish(sizeof(T), 0);
    }

    /// <summary>Answers with <paramref name="data"/>, which fit.</summary>
    public readonly int ReplyData(ReadOnlySpan<byte> data)
    {
        SegmentCursor cursor = BodyCursor(data.Length);
        cursor.Write(data);
        return Finish(data.Length, 0);
    }

    /// <summary>Answers with a structure and <paramref name="data"/>, which fit.</summary>
    public readonly int ReplyData<T>(in T body, ReadOnlySpan<byte> data)
        where T : unmanaged
    {
        int length = Unsafe.SizeOf<T>() + data.Length;
        SegmentCursor cursor = BodyCursor(length);
        cursor.Write(MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in body)));
        cursor.Write(data);
        return Finish(length, 0);
    }

    /// <summary>The reply's memory behind the header, <paramref name="limit"/> bytes of it at most.</summary>
    public readonly SegmentCursor BodyCursor(int limit)
    {
        SegmentCursor cursor = new(ReplySegments, FuseProtocol.ReplyHeaderSize + (long)Math.Min(limit, Room));
        cursor.Advance(FuseProtocol.ReplyHeaderSize);
        return cursor;
    }

    /// <summary>Writes the header of a reply whose body is in place.</summary>
    /// <returns>The reply's length.</returns>
    public readonly unsafe int Finish(int bodyLength, int errno)
    {
        FuseOutHeader header;
        header.Len = (uint)(FuseProtocol.ReplyHeaderSize + bodyLength);
        header.Error = -errno;
        header.Unique = Header.Unique;
        ref readonly IoSegment first = ref MemoryMarshal.GetReference(ReplySegments);
        if (first.Length >= FuseProtocol.ReplyHeaderSize)
        {
            // Sound: the segment has room for it; see Reply.
            Unsafe.WriteUnaligned(first.Pointer, header);
        }
        else
        {
            SegmentCursor cursor = new(ReplySegments, FuseProtocol.ReplyHeaderSize);
            cursor.Write(MemoryMarshal.AsBytes(new ReadOnlySpan<FuseOutHeader>(in header)));
        }

        return (int)header.Len;
    }
}
