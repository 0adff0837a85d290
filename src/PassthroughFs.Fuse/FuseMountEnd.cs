namespace PassthroughFs.Fuse;

/// <summary>How a mount ended.</summary>
public enum FuseMountEnd
{
    /// <summary>The mount is gone and nothing is under way: the file system can be disposed of.</summary>
    Unmounted,

    /// <summary>
    /// The mount point is free, but somebody has files of the mount open, or requests hang: threads serve them until
    /// <see cref="FuseMount.DisposeAsync"/> or the end of the process. The file system must live on.
    /// </summary>
    StillInUse,

    /// <summary>Another process serves the mount.</summary>
    HandedOver,
}
