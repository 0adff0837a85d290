using System.Collections.Generic;
using PassthroughFs.Shared;

namespace PassthroughFs.Fuse;

/// <summary>A mount point that was looked at before anything is done to it.</summary>
/// <param name="Path">Absolute and without symbolic links.</param>
/// <param name="RootMode">The type of what is mounted, as mount(2) wants it.</param>
internal sealed record MountPlace(string Path, uint RootMode)
{
    /// <exception cref="FuseMountException">Nothing can be mounted there; the message says what to do.</exception>
    public static MountPlace Check(string mountPoint)
    {
        (string real, _) = DirectoryPath.Check(mountPoint, "mount point");
        IReadOnlyList<MountTable.Entry> mounts = MountTable.At(real);
        return mounts.Count > 0 && mounts[^1].IsFuse
            ? throw new FuseMountException(
                $"mount point {mountPoint} is busy: {mounts[^1].Source} ({mounts[^1].Type}) is mounted there, " +
                $"remove it first with `{DirectoryPath.UnmountCommand(real)}`")
            : new MountPlace(real, Libc.S_IFDIR);
    }
}
