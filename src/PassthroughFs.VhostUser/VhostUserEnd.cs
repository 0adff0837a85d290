namespace PassthroughFs.VhostUser;

/// <summary>How a <see cref="VhostUserServer"/> has ended.</summary>
public enum VhostUserEnd
{
    /// <summary>Nothing is under way any more. The file system may be disposed of.</summary>
    Quiet,

    /// <summary>
    /// Requests still hang in the file system, longer than <see cref="VhostUserServerOptions.EndTimeout"/>. Their
    /// threads use it until they come back: it must not be disposed of. The end of the process ends them.
    /// </summary>
    StillInUse,
}
