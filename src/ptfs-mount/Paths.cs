using System;
using System.Collections.Generic;
using System.Linq;
using PassthroughFs.Fuse;
using PassthroughFs.Shared;

namespace PassthroughFs.PtfsMount;

/// <summary>The two directories of a mount, checked before anything is done to them.</summary>
/// <param name="Source">The directory to serve, absolute and without symbolic links.</param>
/// <param name="SourceMode">Its type, as mount(2) wants it.</param>
/// <param name="MountPoint">Where it will be seen, absolute and without symbolic links.</param>
internal sealed record Paths(string Source, uint SourceMode, string MountPoint)
{
    private const string TreeSource = "ptfs";

    /// <summary>Several directories, absolute; empty for one.</summary>
    public IReadOnlyList<NamedSource> Mounts { get; init; } = [];

    /// <summary>The same as <see cref="Check"/> for several directories under one mount point.</summary>
    public static Paths CheckTree(IReadOnlyList<NamedSource> mounts, string mountPoint)
    {
        string real = FuseMount.CheckMountPoint(mountPoint);
        return new Paths(TreeSource, Libc.S_IFDIR, real)
        {
            Mounts = [.. mounts.Select(mount => mount with { Source = CheckSource(mount.Source, real) })],
        };
    }

    /// <summary>A directory that can be served at a mount point, absolute and without symbolic links.</summary>
    /// <param name="source">The directory.</param>
    /// <param name="realMountPoint">The mount point, without symbolic links.</param>
    public static string CheckSource(string source, string realMountPoint)
    {
        (string real, _) = DirectoryPath.Check(source, "source");
        RefuseOverlap(real, realMountPoint);
        return real;
    }

    /// <summary>Finds out whether the one can be mounted on the other, and says what to do if not.</summary>
    public static Paths Check(string source, string mountPoint)
    {
        (string realSource, uint sourceMode) = DirectoryPath.Check(source, "source");
        string realMountPoint = DirectoryPath.Check(mountPoint, "mount point").Real;
        RefuseOverlap(realSource, realMountPoint);
        return new Paths(realSource, sourceMode, FuseMount.CheckMountPoint(mountPoint));
    }

    // Each of these makes the server wait for itself: what it opens below the source would be its own mount. A mount
    // point inside the source works until someone walks the tree, and then recurses into itself.
    private static void RefuseOverlap(string source, string mountPoint)
    {
        if (source == mountPoint)
        {
            throw new FuseMountException(
                $"source and mount point are the same directory, {source}: the server would wait for itself; " +
                "choose another mount point");
        }

        if (IsBelow(source, mountPoint))
        {
            throw new FuseMountException(
                $"source {source} is inside the mount point {mountPoint}: the mount would hide it and the server " +
                "wait for itself; choose another mount point");
        }

        if (IsBelow(mountPoint, source))
        {
            throw new FuseMountException(
                $"mount point {mountPoint} is inside the source {source}: the mount would contain itself without " +
                "end; choose a mount point outside of the source");
        }
    }

    /// <summary>Whether a path is a directory or leads through it.</summary>
    public static bool IsAtOrBelow(string path, string directory) => path == directory || IsBelow(path, directory);

    private static bool IsBelow(string path, string directory) =>
        path.StartsWith(directory == "/" ? directory : directory + '/', StringComparison.Ordinal);
}
