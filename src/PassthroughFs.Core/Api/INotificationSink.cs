using System;

namespace PassthroughFs.Core.Api;

/// <summary>
/// Tells the client what it could not know: that something changed behind its back. Calls come from any thread.
/// </summary>
/// <remarks>
/// <para>
/// Never call this from inside an operation on the same node or directory: the client may hold a lock for that
/// operation which it needs to take in the notification, and would wait for ever. Only
/// <see cref="InvalidateInode"/> without data (a negative offset) needs no lock of a node's.
/// </para>
/// <para>
/// Besides what is listed for a member: ENOTCONN before the session has begun, EOPNOTSUPP where the transport cannot
/// notify or the client is too old, and whatever the transport answers.
/// </para>
/// </remarks>
public interface INotificationSink
{
    /// <summary>Attributes and cached data of a node are out of date.</summary>
    /// <param name="node">The node.</param>
    /// <param name="offset">The first byte whose cached data go; negative to keep the data.</param>
    /// <param name="length">How many bytes; 0 or less means to the end.</param>
    /// <returns>ENOENT if the client has no such node.</returns>
    Errno InvalidateInode(NodeId node, long offset, long length);

    /// <summary>What a name stands for is out of date.</summary>
    /// <param name="parent">The directory.</param>
    /// <param name="name">The name, 1 to 255 bytes without NUL.</param>
    /// <param name="expireOnly">
    /// Ask anew at the next use, but drop nothing that is in use (needs FUSE_HAS_EXPIRE_ONLY).
    /// </param>
    /// <returns>ENOENT if the client has no such name, EINVAL, ENAMETOOLONG.</returns>
    Errno InvalidateEntry(NodeId parent, ReadOnlySpan<byte> name, bool expireOnly = false);

    /// <summary>A name was removed. Unlike an invalidation this is seen by those who watch the directory.</summary>
    /// <param name="parent">The directory.</param>
    /// <param name="child">The node the name stood for.</param>
    /// <param name="name">The name, 1 to 255 bytes without NUL.</param>
    /// <returns>ENOENT if the client has no such name, ENOTEMPTY, EBUSY, EINVAL, ENAMETOOLONG.</returns>
    Errno Delete(NodeId parent, NodeId child, ReadOnlySpan<byte> name);

    /// <summary>Puts data into the client's cache of a file.</summary>
    /// <param name="node">The node.</param>
    /// <param name="offset">Where the data begin.</param>
    /// <param name="data">The data. Borrowed until the call returns.</param>
    /// <returns>ENOENT if the client has no such node.</returns>
    Errno Store(NodeId node, ulong offset, ReadOnlySpan<byte> data);

    /// <summary>Asks for all requests that were not answered yet, once more (needs FUSE_HAS_RESEND).</summary>
    Errno Resend();

    /// <summary>Asks the client to let go of nodes that nobody uses there (needs version 7.45).</summary>
    /// <param name="nodes">The nodes.</param>
    Errno Prune(ReadOnlySpan<NodeId> nodes);
}
