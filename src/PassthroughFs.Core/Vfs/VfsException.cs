using System.IO;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Vfs;

/// <summary>A mount or unmount that was refused; the message says why and what helps. Nothing has changed.</summary>
/// <param name="error">The same as a number.</param>
/// <param name="message">For the user.</param>
#pragma warning disable CA1032 // Without its number it would not say what a program needs to know.
public sealed class VfsException(Errno error, string message) : IOException(message)
#pragma warning restore CA1032
{
    /// <summary>
    /// ENOENT: nothing is mounted there. EBUSY: the path is taken. EINVAL: a malformed path. ENOSPC: no index is free.
    /// EOVERFLOW: NodeIds above 56 bits. EOPNOTSUPP: what was negotiated cannot be honoured. Besides, whatever the file
    /// system answers.
    /// </summary>
    public Errno Error { get; } = error;
}
