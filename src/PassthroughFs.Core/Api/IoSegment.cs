using System;
using System.Runtime.InteropServices;

namespace PassthroughFs.Core.Api;

/// <summary>
/// A piece of memory, laid out like C's <c>struct iovec</c>. Requests and replies are lists of these: one for a plain
/// buffer, one for each descriptor of a virtio chain.
/// </summary>
/// <remarks>
/// Whoever makes a segment promises that the memory stays mapped and in place (unmanaged, pinned, or guest memory)
/// until the call that got it returns. Its content may change at any moment: guest memory is the guest's.
/// </remarks>
[StructLayout(LayoutKind.Sequential)]
public readonly unsafe struct IoSegment
{
    /// <summary>A segment of <paramref name="length"/> bytes at <paramref name="pointer"/>.</summary>
    public IoSegment(void* pointer, nuint length)
    {
        Pointer = (byte*)pointer;
        Length = length;
    }

    /// <summary>The first byte.</summary>
    public readonly byte* Pointer;

    /// <summary>Length in bytes.</summary>
    public readonly nuint Length;

    /// <summary>The first bytes as a span, at most 2 GiB of them.</summary>
    public Span<byte> AsSpan() => new(Pointer, (int)Math.Min(Length, int.MaxValue));
}
