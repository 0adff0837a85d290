using System;
using System.Runtime.InteropServices;
using System.Threading;
using PassthroughFs.Core.Api;

namespace PassthroughFs.VhostUser;

/// <summary>
/// The shared memory region of a virtio-fs device, by SHMEM_MAP and SHMEM_UNMAP. A front end maps nothing over what is
/// mapped, and unmaps only what was mapped, as a whole: so what is mapped is kept in mind here.
/// </summary>
internal sealed class ShmemWindow(BackendChannel channel, ulong length) : IDaxWindow
{
    /// <summary>The number of the region: VIRTIO_FS_SHMCAP_ID_CACHE.</summary>
    public const int RegionId = 0;

    // Linux maps pieces of this size. What it is for a guest that makes smaller ones bounds our memory and the VMM's.
    private const ulong UsualMapping = 2 << 20;
    private const int AtLeast = 1024;

    private readonly Lock _lock = new();
    private readonly MappedRanges _mapped = new();
    private readonly ulong _most = Math.Max(AtLeast, length / UsualMapping);

    public ulong Length => length;

    public bool ReplacesAtOnce => false;

    public Errno Map(int fd, in DaxMapping mapping)
    {
        lock (_lock)
        {
            if (_mapped.AreCutBy(mapping.Range))
            {
                return Errno.EBUSY;
            }

            // Refused: then it was not mapped any more, as after a reset.
            _ = UnmapAll(mapping.Range);
            if ((ulong)_mapped.Count >= _most)
            {
                return Errno.ENOSPC;
            }

            Errno result = Ask(
                BackendRequest.ShmemMap, mapping.FileOffset, mapping.Range,
                mapping.Writable ? ShmemMapping.Writable : 0, fd);
            if (result == Errno.OK)
            {
                _mapped.Add(mapping.Range);
            }

            return result;
        }
    }

    public Errno Unmap(in DaxRange range)
    {
        lock (_lock)
        {
            return _mapped.AreCutBy(range) ? Errno.EBUSY : UnmapAll(range);
        }
    }

    // All of them, whatever the front end says to one; the first error.
    private Errno UnmapAll(in DaxRange range)
    {
        Errno result = Errno.OK;
        while (_mapped.TryFirst(range, out DaxRange first))
        {
            _mapped.Remove(first);
            Errno errno = Ask(BackendRequest.ShmemUnmap, 0, first, 0, -1);
            result = result == Errno.OK ? errno : result;
        }

        return result;
    }

    private Errno Ask(BackendRequest request, ulong fileOffset, in DaxRange range, ulong flags, int fd)
    {
        var message = new ShmemMapping(RegionId, fileOffset, range.Offset, range.Length, flags);
        return channel.Ask(request, MemoryMarshal.AsBytes(new ReadOnlySpan<ShmemMapping>(in message)), fd);
    }
}
