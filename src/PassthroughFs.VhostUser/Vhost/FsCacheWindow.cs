using System;
using System.Runtime.InteropServices;
using PassthroughFs.Core.Api;

namespace PassthroughFs.VhostUser;

/// <summary>The same by FS_MAP and FS_UNMAP, which are mmap(2): any range, over whatever is there.</summary>
/// <param name="channel">By what the front end is asked.</param>
/// <param name="length">What the VMM was told as the cache's size; it refuses what lies outside.</param>
internal sealed class FsCacheWindow(BackendChannel channel, ulong length) : IDaxWindow
{
    private const ulong Everything = ulong.MaxValue;

    // Not every VMM that could be asked has a cache: at its end a session asks nothing of one that never had to map.
    private volatile bool _mayBeMapped;

    public ulong Length => length;

    public Errno Map(int fd, in DaxMapping mapping)
    {
        _mayBeMapped = true;
        ulong flags = FsMappings.Readable | (mapping.Writable ? FsMappings.Writable : 0);
        return Ask(BackendRequest.FsMap, mapping.FileOffset, mapping.Range, flags, fd);
    }

    public Errno Unmap(in DaxRange range)
    {
        if (!_mayBeMapped)
        {
            return Errno.OK;
        }

        // That much is the word for the whole cache, as large as the VMM has it.
        DaxRange asked = range.Length == length ? range with { Length = Everything } : range;
        return Ask(BackendRequest.FsUnmap, 0, asked, 0, -1);
    }

    private Errno Ask(BackendRequest request, ulong fileOffset, in DaxRange range, ulong flags, int fd)
    {
        FsMappings message = default;
        message.FileOffset[0] = fileOffset;
        message.Offset[0] = range.Offset;
        message.Length[0] = range.Length;
        message.Flags[0] = flags;
        return channel.Ask(request, MemoryMarshal.AsBytes(new ReadOnlySpan<FsMappings>(in message)), fd);
    }
}
