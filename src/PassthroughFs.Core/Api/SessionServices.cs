namespace PassthroughFs.Core.Api;

/// <summary>What a session offers its file system besides requests.</summary>
public readonly record struct SessionServices
{
    /// <summary>Tells the client of changes behind its back. Never null in <see cref="IFileSystem.Attach"/>.</summary>
    public INotificationSink Notifications { get; init; }

    /// <summary>
    /// Makes files known to the client; null where the transport has no way to do so, or none for notifications.
    /// </summary>
    public IBackingFiles? BackingFiles { get; init; }

    /// <summary>
    /// Whether <see cref="RequestContext.Pid"/> is a process of this host, whose ids are those of the request: its
    /// supplementary groups can be read here.
    /// </summary>
    public bool HasLocalCallers { get; init; }
}
