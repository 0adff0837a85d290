using Microsoft.Win32.SafeHandles;
using PassthroughFs.Shared;

namespace PassthroughFs.VhostUser;

/// <summary>Guest memory that the VMM shares by a descriptor.</summary>
internal sealed unsafe class MappedRegion : GuestRegion
{
    private readonly byte* _mapping;
    private readonly nuint _mappingLength;

    private MappedRegion(in MemoryRegionInfo info, byte* mapping, nuint mappingLength)
        : base(info.GuestAddress, info.UserAddress, mapping + info.Offset, info.Length)
    {
        _mapping = mapping;
        _mappingLength = mappingLength;
    }

    /// <summary>Maps a region.</summary>
    /// <remarks>
    /// The memory has to be there, and to stay: where the kernel can keep a file from getting shorter (a memfd that
    /// takes seals) it does from here on. What goes all the same is answered by <see cref="LostMemory"/>.
    /// </remarks>
    /// <exception cref="ProtocolException">It makes no sense, or the system refuses.</exception>
    public static MappedRegion Map(in MemoryRegionInfo info, SafeFileHandle fd)
    {
        if (info.Length == 0
            || info.GuestAddress + (info.Length - 1) < info.GuestAddress
            || info.UserAddress + (info.Length - 1) < info.UserAddress
            || info.Offset > long.MaxValue
            || info.Length > long.MaxValue - info.Offset)
        {
            throw new ProtocolException(
                $"a memory region of {info.Length:x} bytes at {info.GuestAddress:x}, offset {info.Offset:x}");
        }

        if (!DescriptorKind.IsMemory(fd, out ulong size))
        {
            throw new ProtocolException("a memory region in a descriptor that is no regular file");
        }

        // Before the size is asked for. Refused by every other kind of file, and that is no fault.
        _ = Libc.fcntl(Libc.Number(fd), Libc.F_ADD_SEALS, Libc.F_SEAL_SHRINK);
        _ = DescriptorKind.IsMemory(fd, out size);
        if (size < info.Offset + info.Length)
        {
            throw new ProtocolException(
                $"a memory region up to {info.Offset + info.Length:x} in a file of {size:x} bytes");
        }

        // From the file's beginning: huge pages want offsets that are multiples of theirs. Costs addresses, no memory.
        nuint length = (nuint)(info.Offset + info.Length);
        byte* mapping = Libc.mmap(
            null, length, Libc.PROT_READ | Libc.PROT_WRITE, Libc.MAP_SHARED | Libc.MAP_NORESERVE, Libc.Number(fd), 0);
        if ((nint)mapping == -1)
        {
            throw new ProtocolException($"memory cannot be mapped: {Libc.Describe(Libc.LastError)}");
        }

        if (!LostMemory.TryCover(mapping, length))
        {
            _ = Libc.munmap(mapping, length);
            throw new ProtocolException("a memory region more than can be watched");
        }

        return new MappedRegion(info, mapping, length);
    }

    // SAFETY: the mapping is this object's own, and no map has it any more.
    protected override void Unmap()
    {
        LostMemory.Uncover(_mapping);
        _ = Libc.munmap(_mapping, _mappingLength);
    }
}
