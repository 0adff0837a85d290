using System;
using System.Collections.Generic;
using System.IO;

namespace PassthroughFs.Core.Api;

/// <summary>
/// A file system whose state can go to another one, in a process that takes the place of this one while the client goes
/// on: a live upgrade.
/// </summary>
/// <remarks>
/// <para>
/// Everything the client may come back to is in the state: nodes with their lookup counts, open files, what was
/// negotiated. The successor neither sees an INIT nor a lookup of what was looked up before.
/// </para>
/// <para>
/// No request may be under way in <see cref="SaveState"/>, and none may come to both file systems afterwards: to this
/// one again if the successor is given up, else to the successor alone. What saves is not changed by it.
/// </para>
/// </remarks>
public interface IStatefulFileSystem : IFileSystem
{
    /// <summary>Writes the state down.</summary>
    /// <param name="stream">Gets the state. Not closed.</param>
    /// <param name="keepFds">
    /// Gets the file descriptors without which the state is nothing, behind those that are there already. Still owned
    /// here: the successor gets duplicates, by inheritance or in messages (SCM_RIGHTS), in this order.
    /// </param>
    /// <exception cref="InvalidOperationException">There is no session.</exception>
    /// <exception cref="NotSupportedException">An inner file system has no state that can be saved.</exception>
    void SaveState(Stream stream, IList<int> keepFds);

    /// <summary>Goes on from a saved state, in place of Import or Mount, and of INIT.</summary>
    /// <param name="stream">The state, read to its end and no further. Not closed.</param>
    /// <param name="fds">The descriptors of the state. What is needed of them is taken, on success alone.</param>
    /// <exception cref="InvalidDataException">
    /// It is no such state, of another version, damaged, cut off, or does not fit this file system or the descriptors; the
    /// message says what. Nothing was restored.
    /// </exception>
    /// <exception cref="InvalidOperationException">This file system serves already.</exception>
    /// <exception cref="NotSupportedException">An inner file system has no state that can be restored.</exception>
    void RestoreState(Stream stream, KeptFds fds);
}
