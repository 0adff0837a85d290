namespace PassthroughFs.Core.Passthrough;

/// <summary>By what the host tells inodes apart while they live.</summary>
/// <param name="Ino">The host's <c>st_ino</c>.</param>
/// <param name="Dev">The host's <c>st_dev</c>.</param>
/// <param name="Mnt">
/// The mount's id where mounts count (<see cref="PassthroughConfig.EnableMntid"/>), otherwise 0; above its 32 bits the
/// subvolume's id, where the host tells it (btrfs, Linux 6.10 and later).
/// </param>
/// <remarks>
/// btrfs gives the <c>st_dev</c> of a subvolume that was removed to the next one, while files of the old one are still
/// held; ids of subvolumes never come again.
/// </remarks>
public readonly record struct InodeKey(ulong Ino, ulong Dev, ulong Mnt)
{
    private const int Shift = 32;

    /// <summary>The subvolume's id; 0 is none.</summary>
    internal ulong Subvolume => (Mnt & ~LinkIdentity.OfPath) >> Shift;

    /// <summary>The same in a subvolume.</summary>
    internal InodeKey In(ulong subvolume) => this with { Mnt = MountOf(Mnt) | ((subvolume << Shift) & ~LinkIdentity.OfPath) };

    /// <summary>The mount's part of <see cref="Mnt"/>.</summary>
    internal static ulong MountOf(ulong mnt) => mnt & uint.MaxValue;
}
