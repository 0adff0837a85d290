using System;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Protocol;

/// <summary>
/// What a session needs to know of the transport, and the way to send what no request asked for. A transport without
/// either needs none.
/// </summary>
public interface IFuseTransport
{
    /// <summary>How large its messages may be. Asked for once, when the session is made.</summary>
    TransportLimits Limits { get; }

    /// <summary>
    /// Whether there is a way to the client for notifications; without one none is agreed on. Asked for once, when the
    /// session is made.
    /// </summary>
    bool CanNotify => true;

    /// <summary>
    /// The memory into which the client may have files mapped (DAX); null without one, as there is none behind a
    /// <c>/dev/fuse</c>. Asked for once, when the session is made.
    /// </summary>
    IDaxWindow? DaxWindow => null;

    /// <summary>
    /// What of INIT takes effect in the transport itself and is ready: <see cref="InitFlags.FUSE_OVER_IO_URING"/>
    /// counts, anything else is ignored. Asked for at each INIT; what came of it is in
    /// <see cref="FuseSession.NegotiatedFlags"/>.
    /// </summary>
    InitFlags AcceptedFlags => InitFlags.None;

    /// <summary>
    /// Whether requests come from processes of this host, as through <c>/dev/fuse</c>, and not from another system.
    /// </summary>
    bool HasLocalCallers => false;

    /// <summary>
    /// Whether <see cref="Reply"/> works; without it no locks are agreed on, and the client keeps its locks to itself.
    /// Asked for at each INIT.
    /// </summary>
    bool CanReplyLater => false;

    /// <summary>
    /// Sends the reply to a request for which <see cref="FuseWorker.Dispatch"/> returned 0, as for a lock that is waited
    /// for: a complete message, header included, that says in <c>unique</c> which request it answers.
    /// </summary>
    /// <remarks>
    /// Called by any thread, even before that <see cref="FuseWorker.Dispatch"/> has returned. The segments are borrowed:
    /// valid until the call returns.
    /// </remarks>
    /// <returns>ENOENT if the client does not wait for it any more, …</returns>
    Errno Reply(ReadOnlySpan<IoSegment> message) => Errno.ENOSYS;

    /// <summary>Sends a notification: a complete message, header included.</summary>
    /// <remarks>Called by any thread. The segments are borrowed: valid until the call returns.</remarks>
    /// <returns>ENOENT if the client does not know the node or name, ENOTCONN if there is no client, …</returns>
    Errno Notify(ReadOnlySpan<IoSegment> message);
}

/// <summary>How large a transport's messages may be.</summary>
public readonly record struct TransportLimits
{
    /// <summary>The largest request in bytes, header included; 0 for no limit.</summary>
    public int MaxRequestBytes { get; init; }

    /// <summary>The largest reply in bytes, header included; 0 for no limit.</summary>
    public int MaxReplyBytes { get; init; }
}
