using PassthroughFs.Core.Interop;

namespace PassthroughFs.Core.Passthrough;

/// <summary>What statx(2) says of a file, and how it is read here.</summary>
internal static unsafe class HostStat
{
    /// <summary>What is asked for wherever an inode may become known, or its attributes are wanted.</summary>
    public const uint Mask = Constants.STATX_BASIC_STATS | Constants.STATX_BTIME | Constants.STATX_MNT_ID |
        Constants.STATX_SUBVOL;

    /// <summary>Asks for all of it, of what a descriptor refers to. Returns 0, or the error negated.</summary>
    public static int Of(int fd, StatxBuffer* stat) => Sys.StatxFd(fd, Mask, stat);

    /// <summary>The host's identity of an inode.</summary>
    /// <param name="stat">What the host says.</param>
    /// <param name="hasMountId">
    /// Whether the mount is a part of it (<see cref="PassthroughConfig.EnableMntid"/>).
    /// </param>
    public static InodeKey KeyOf(in StatxBuffer stat, bool hasMountId)
    {
        var key = new InodeKey(stat.stx_ino, DeviceOf(stat), hasMountId ? stat.stx_mnt_id : 0);
        return (stat.stx_mask & Constants.STATX_SUBVOL) == 0 ? key : key.In(stat.stx_subvol);
    }

    /// <summary>When an inode was made, in nanoseconds; 0 where the host does not know.</summary>
    public static ulong BirthOf(in StatxBuffer stat) => (stat.stx_mask & Constants.STATX_BTIME) == 0
        ? 0
        : ((ulong)stat.stx_btime.tv_sec * 1_000_000_000) + stat.stx_btime.tv_nsec;

    public static ulong DeviceOf(in StatxBuffer stat) => DeviceOf(stat.stx_dev_major, stat.stx_dev_minor);

    /// <summary>C's makedev.</summary>
    public static ulong DeviceOf(uint major, uint minor) =>
        ((ulong)(major & 0xffff_f000) << 32) | ((major & 0xfff) << 8) | ((ulong)(minor & 0xffff_ff00) << 12) |
        (minor & 0xff);
}
