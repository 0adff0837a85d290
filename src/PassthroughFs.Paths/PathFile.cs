using System;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Paths;

/// <summary>
/// An open file of a <see cref="PathFileSystem"/>: what <see cref="PathFileSystem.Open"/> or
/// <see cref="PathFileSystem.Create"/> gave, until it is disposed of at RELEASE. It goes on being this file when its
/// path is renamed or removed.
/// </summary>
/// <remarks>Several threads may call it at once. No call follows <see cref="Dispose()"/>, and none is under way
/// then.</remarks>
public abstract class PathFile : IDisposable
{
    /// <summary>
    /// How the client uses the file: <see cref="OpenReplyFlags.FOPEN_DIRECT_IO"/> for content whose size is not known
    /// beforehand, <see cref="OpenReplyFlags.FOPEN_KEEP_CACHE"/> for content that has not changed since the last open.
    /// Asked for once, when the file is opened.
    /// </summary>
    public virtual OpenReplyFlags ReplyFlags => OpenReplyFlags.None;

    /// <summary>Reads.</summary>
    /// <param name="offset">Where, in bytes from the start.</param>
    /// <param name="buffer">Where the bytes go; the client's memory, for the time of the call.</param>
    /// <param name="count">How many bytes there were. Fewer than the buffer has room for are the end of the file to a
    /// client that caches, so an error half-way is an error.</param>
    /// <returns>What went wrong; ENOSYS unless overridden.</returns>
    public virtual Errno Read(long offset, Span<byte> buffer, out int count)
    {
        count = 0;
        return Errno.ENOSYS;
    }

    /// <summary>Writes.</summary>
    /// <param name="offset">Where, in bytes from the start; the client's word for the end, where it appends.</param>
    /// <param name="data">What; the client's memory, for the time of the call.</param>
    /// <param name="count">How many bytes were taken.</param>
    /// <returns>What went wrong; EBADF unless overridden.</returns>
    public virtual Errno Write(long offset, ReadOnlySpan<byte> data, out int count)
    {
        count = 0;
        return Errno.EBADF;
    }

    /// <summary>The file's attributes, which count more than those at its path.</summary>
    /// <param name="attributes">As of <see cref="PathFileSystem.GetAttributes"/>.</param>
    /// <returns>ENOSYS, if not overridden: then the path is asked, as long as there is one.</returns>
    public virtual Errno GetAttributes(out NodeAttributes attributes)
    {
        attributes = default;
        return Errno.ENOSYS;
    }

    /// <summary>Cuts the file, or makes it longer by zeros.</summary>
    /// <param name="size">How long it is then, in bytes.</param>
    /// <returns>ENOSYS, if not overridden: then <see cref="PathFileSystem.SetAttributes"/> is asked.</returns>
    public virtual Errno SetSize(long size) => Errno.ENOSYS;

    /// <summary>
    /// A descriptor of the file was closed; there may be others. What this returns is what close(2) returns: an error
    /// of writes that were taken before is told here.
    /// </summary>
    /// <returns>OK, if not overridden.</returns>
    public virtual Errno Flush() => Errno.OK;

    /// <summary>Everything that was written is to be safe before this returns.</summary>
    /// <param name="dataOnly">Only the data, and what is needed to find them.</param>
    /// <returns>OK, if not overridden.</returns>
    public virtual Errno Synchronize(bool dataOnly) => Errno.OK;

    /// <summary>The last descriptor was closed, or the session has ended.</summary>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Gives back what the file holds.</summary>
    /// <param name="disposing">True, but for a finalizer's call.</param>
    protected virtual void Dispose(bool disposing)
    {
    }
}
