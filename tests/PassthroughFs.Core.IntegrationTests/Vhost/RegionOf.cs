using PassthroughFs.VhostUser;

namespace PassthroughFs.Core.IntegrationTests.Vhost;

/// <summary>A region of memory that somebody else owns; notes when it is given back.</summary>
internal sealed unsafe class RegionOf(ulong guest, ulong user, byte* pointer, ulong length)
    : GuestRegion(guest, user, pointer, length)
{
    public int Unmapped { get; private set; }

    /// <summary>The regions of shared memory, as a back end would have mapped them.</summary>
    public static GuestMemory MapOf(SharedMemory memory)
    {
        var map = new GuestMemory();
        foreach ((ulong guest, ulong length, ulong user, ulong offset) in memory.Regions)
        {
            map.Add(new RegionOf(guest, user, memory.At((long)offset), length));
        }

        return map;
    }

    protected override void Unmap() => Unmapped++;
}
