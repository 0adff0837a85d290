using System.Runtime.CompilerServices;

namespace PassthroughFs.VhostUser;

/// <summary>
/// What a back end asks of the front end. Two dialects for the same. SHMEM_*: QEMU's docs/interop/vhost-user.rst. FS_*:
/// the virtio-fs patches for QEMU before that, in the layout that was used by QEMU for Kata Containers, by
/// cloud-hypervisor as long as it had DAX, and by rust-vmm's vhost crate until it dropped them.
/// </summary>
internal enum BackendRequest : uint
{
    FsMap = 6,
    FsUnmap = 7,
    ShmemMap = 9,
    ShmemUnmap = 10,
}

/// <summary>struct VhostUserMMap: of SHMEM_MAP, with the file's descriptor, and of SHMEM_UNMAP.</summary>
/// <param name="Id">The region's number in the lowest byte; the rest is padding.</param>
/// <param name="FileOffset">Where the mapping begins in the file.</param>
/// <param name="Offset">Where it begins in the region.</param>
/// <param name="Length">How long it is.</param>
/// <param name="Flags">Bit 0: the guest may write.</param>
internal readonly record struct ShmemMapping(ulong Id, ulong FileOffset, ulong Offset, ulong Length, ulong Flags)
{
    public const ulong Writable = 1;
}

/// <summary>struct VhostUserFSSlaveMsg: eight mappings field by field; those of no length are none.</summary>
internal struct FsMappings
{
    public const ulong Readable = 1;
    public const ulong Writable = 2;

    public Eight FileOffset;
    public Eight Offset;
    public Eight Length;
    public Eight Flags;

    [InlineArray(8)]
    public struct Eight
    {
        private ulong _first;
    }
}

/// <summary>struct VhostUserShMemConfig: the answer to GET_SHMEM_CONFIG.</summary>
internal struct ShmemConfig
{
    /// <summary>How many regions have a size; not how far the sizes reach. 32 bits, and as many of padding.</summary>
    public ulong Count;

    /// <summary>By the regions' numbers.</summary>
    public Sizes Size;

    [InlineArray(256)]
    public struct Sizes
    {
        private ulong _first;
    }
}
