using System;
using System.Collections.Generic;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace PassthroughFs.VhostUser;

/// <summary>A message as it came. What is not taken out of its descriptors is closed with it.</summary>
internal sealed class VhostMessage : IDisposable
{
    public const int HeaderBytes = 12;

    /// <summary>More than any message of the specification that is understood here has.</summary>
    public const int MaxPayload = 4096;

    private const uint VersionMask = 3;
    private const uint NeedReplyFlag = 8;

    private readonly byte[] _payload = new byte[MaxPayload];
    private readonly Queue<SafeFileHandle> _fds = [];

    public VhostRequest Request { get; private set; }

    public uint Flags { get; private set; }

    public int Size { get; private set; }

    /// <summary>Whether the front end waits for a word on whether it worked, if that was agreed on.</summary>
    public bool NeedsReply => (Flags & NeedReplyFlag) != 0;

    public Span<byte> Payload => _payload.AsSpan(0, Size);

    /// <summary>How many descriptors came with it and were not taken yet.</summary>
    public int FdCount => _fds.Count;

    /// <summary>Takes over the header.</summary>
    /// <exception cref="BrokenConnectionException">It cannot be one.</exception>
    public void Start(ReadOnlySpan<byte> header)
    {
        Request = (VhostRequest)MemoryMarshal.Read<uint>(header);
        Flags = MemoryMarshal.Read<uint>(header[4..]);
        uint size = MemoryMarshal.Read<uint>(header[8..]);
        Size = 0;
        if ((Flags & VersionMask) != 1)
        {
            throw new BrokenConnectionException($"a message of version {Flags & VersionMask}, where 1 is spoken");
        }

        if (size > MaxPayload)
        {
            throw new BrokenConnectionException($"{Request} of {size} bytes");
        }

        Size = (int)size;
    }

    public void AddFd(SafeFileHandle fd) => _fds.Enqueue(fd);

    /// <summary>The next descriptor; its owner is the caller from now on.</summary>
    public SafeFileHandle TakeFd() => _fds.Dequeue();

    /// <summary>The payload, which has to be just this structure.</summary>
    public T Read<T>()
        where T : unmanaged
    {
        return Size == Unsafe.SizeOf<T>()
            ? MemoryMarshal.Read<T>(Payload)
            : throw new ProtocolException($"{Request} with {Size} bytes, not {Unsafe.SizeOf<T>()}");
    }

    /// <summary>Checks how many descriptors there are.</summary>
    public void ExpectFds(int count)
    {
        if (_fds.Count != count)
        {
            throw new ProtocolException($"{Request} with {_fds.Count} descriptors, not {count}");
        }
    }

    public void Dispose()
    {
        while (_fds.TryDequeue(out SafeFileHandle? fd))
        {
            fd.Dispose();
        }

        Size = 0;
    }
}

/// <summary>A ring's index, and its size, base or switch.</summary>
internal readonly record struct VringState(uint Index, uint Number);

/// <summary>Where a ring is, in the VMM's addresses.</summary>
internal readonly record struct VringAddress(
    uint Index, uint Flags, ulong Descriptors, ulong Used, ulong Available, ulong Log);

/// <summary>A region of guest memory, in the descriptor that comes along.</summary>
internal readonly record struct MemoryRegionInfo(ulong GuestAddress, ulong Length, ulong UserAddress, ulong Offset);

/// <summary>One region, as ADD_MEM_REG and REM_MEM_REG have it.</summary>
internal readonly record struct SingleRegion(ulong Padding, MemoryRegionInfo Region);
