using System;
using PassthroughFs.Core.IntegrationTests.Platform;

namespace PassthroughFs.Core.IntegrationTests.Vhost;

/// <summary>
/// Guest memory as a VMM has it: one memfd, shown to the back end as two regions that follow each other in the guest
/// but not in the VMM, so that data across the border come in two pieces.
/// </summary>
internal sealed unsafe class SharedMemory : IDisposable
{
    public const ulong GuestBase = 0x4000_0000;
    private const ulong UserBase = 0x7000_0000_0000;
    private const ulong UserGap = 0x10_0000_0000;

    private readonly byte* _pointer;
    private long _next;

    public SharedMemory(long size)
    {
        Size = size;
        Border = size / 2;
        Fd = VhostNative.NewMemory(size);
        _pointer = Native.MMap(0, (nuint)size, Native.PROT_READ | Native.PROT_WRITE, Native.MAP_SHARED, Fd, 0);
    }

    public int Fd { get; }

    public long Size { get; }

    /// <summary>Where the second region begins.</summary>
    public long Border { get; }

    /// <summary>The two regions, as the protocol describes them.</summary>
    public (ulong Guest, ulong Length, ulong User, ulong Offset)[] Regions =>
    [
        (GuestBase, (ulong)Border, UserBase, 0),
        (GuestBase + (ulong)Border, (ulong)(Size - Border), UserBase + UserGap, (ulong)Border),
    ];

    public byte* At(long offset) => _pointer + offset;

    public Span<byte> Span(long offset, int length) => new(_pointer + offset, length);

    public static ulong Guest(long offset) => GuestBase + (ulong)offset;

    public ulong User(long offset) => offset < Border
        ? UserBase + (ulong)offset
        : UserBase + UserGap + (ulong)(offset - Border);

    /// <summary>Memory at a page's start; never freed before all of it is.</summary>
    public long Take(long length)
    {
        long at = _next;
        _next += (length + 4095) / 4096 * 4096;
        return _next <= Size ? at : throw new InvalidOperationException("the guest has no more memory");
    }

    public void Dispose()
    {
        _ = Native.MUnmap(_pointer, (nuint)Size);
        _ = Native.Close(Fd);
    }
}
