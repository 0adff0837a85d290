using System;
using System.Collections.Generic;
using System.IO;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Protocol;

/// <remarks>A successor that goes on with the client.</remarks>
public sealed partial class FuseSession
{
    private const uint StateVersion = 1;

    private static ReadOnlySpan<byte> StateMagic => "PTFSFUSE"u8;

    /// <summary>
    /// Writes down what was agreed on with the client and the file system's state, for a session in another process that
    /// goes on in place of this one: a live upgrade.
    /// </summary>
    /// <remarks>
    /// No request may be under way: each that was taken from the client has been answered, save for those that wait for a
    /// lock, which are in the state. Nobody gets a lock from here on; if the successor is given up, this session goes on
    /// after a <see cref="Resume"/>.
    /// </remarks>
    /// <param name="stream">Gets the state. Not closed.</param>
    /// <param name="keepFds">Gets descriptors: see <see cref="IStatefulFileSystem.SaveState"/>.</param>
    /// <exception cref="InvalidOperationException">There was no INIT yet.</exception>
    /// <exception cref="NotSupportedException">The file system is no <see cref="IStatefulFileSystem"/>.</exception>
    public void SaveState(Stream stream, IList<int> keepFds)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(keepFds);
        IStatefulFileSystem fileSystem = StatefulFileSystem;
        FuseConnection connection = _connection
            ?? throw new InvalidOperationException("A session is saved after INIT: there is nothing yet to go on with.");
        try
        {
            Save(connection, fileSystem, stream, keepFds);
        }
        catch
        {
            Resume();
            throw;
        }
    }

    private void Save(
        FuseConnection connection, IStatefulFileSystem fileSystem, Stream stream, IList<int> keepFds)
    {
        var writer = new StateWriter(stream, StateMagic, StateVersion);
        writer.U64((ulong)connection.Flags);
        writer.U32(connection.Minor);
        writer.U32((uint)connection.MaxWrite);
        writer.U32((uint)connection.MaxRead);
        writer.Section("SESS"u8);
        LockWaiters.Save(writer);
        writer.Section("WAIT"u8);
        writer.End();
        fileSystem.SaveState(stream, keepFds);
    }

    /// <summary>
    /// Goes on with a client from what <see cref="SaveState"/> has written. In place of INIT; before the first request
    /// comes <see cref="Resume"/>.
    /// </summary>
    /// <param name="stream">The state, read to its end and no further. Not closed.</param>
    /// <param name="fds">The descriptors: see <see cref="IStatefulFileSystem.RestoreState"/>.</param>
    /// <exception cref="InvalidDataException">
    /// It is no such state, of another version, damaged, cut off, or does not fit this session, its transport, its file
    /// system or the descriptors; the message says what. The session waits for an INIT as before.
    /// </exception>
    /// <exception cref="InvalidOperationException">There was an INIT already.</exception>
    /// <exception cref="NotSupportedException">The file system is no <see cref="IStatefulFileSystem"/>.</exception>
    public void RestoreState(Stream stream, KeptFds fds)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(fds);
        IStatefulFileSystem fileSystem = StatefulFileSystem;
        lock (_initLock)
        {
            if (_connection is not null)
            {
                throw new InvalidOperationException("A session is restored before INIT: this one serves a client.");
            }

            var sections = new StateReader(stream, StateMagic, StateVersion, "saved state of a session");
            SectionReader reader = sections["SESS"];
            var flags = (InitFlags)reader.U64();
            uint minor = reader.U32();
            uint maxWrite = reader.U32();
            uint maxRead = reader.U32();
            CheckFits(flags, minor, maxWrite, maxRead);
            Action restoreWaiters = LockWaiters.Restore(sections["WAIT"]);
            if ((flags & FuseNegotiation.NeedsLateReplies) != 0)
            {
                LockWaiters.Start();
            }

            FileSystem.Attach(Services);
            fileSystem.RestoreState(stream, fds);
            restoreWaiters();
            _connection = new FuseConnection
            {
                Flags = flags,
                Minor = minor,
                MaxWrite = (int)maxWrite,
                MaxRead = (int)maxRead,
            };
        }
    }

    /// <summary>
    /// It is known that this session goes on with the client: as the successor, or because there is none. Requests that
    /// wait for a lock are tried again.
    /// </summary>
    public void Resume() => LockWaiters.Resume();

    private IStatefulFileSystem StatefulFileSystem => FileSystem as IStatefulFileSystem
        ?? throw new NotSupportedException(
            $"{FileSystem.GetType()} has no state that can be saved: it is no {nameof(IStatefulFileSystem)}.");

    private void CheckFits(InitFlags flags, uint minor, uint maxWrite, uint maxRead)
    {
        if (minor is < FuseProtocol.MinimumMinorVersion or > FuseProtocol.MinorVersion)
        {
            throw new InvalidDataException(
                $"its client speaks version 7.{minor}, and this program 7.{FuseProtocol.MinimumMinorVersion} to 7." +
                $"{FuseProtocol.MinorVersion}");
        }

        if (maxWrite is 0 or > int.MaxValue || maxRead is 0 or > int.MaxValue)
        {
            throw StateReader.Damaged();
        }

        if (maxWrite > _maxWrite || maxRead > (uint)_maxPages * FuseProtocol.PageSize)
        {
            throw new InvalidDataException(
                $"its client was promised writes of {maxWrite} bytes and reads of {maxRead}, and here is room for " +
                $"{_maxWrite}: set MaxWrite as it was");
        }

        InitFlags lacking = flags & ((DaxWindow is null ? FuseNegotiation.NeedsWindow : InitFlags.None)
            | (_backingFiles is null ? FuseNegotiation.NeedsBackingFiles : InitFlags.None)
            | (_transport is not { CanReplyLater: true } ? FuseNegotiation.NeedsLateReplies : InitFlags.None)
            | (FuseNegotiation.TransportFlags & ~(_transport?.AcceptedFlags ?? InitFlags.None)));
        if (lacking != InitFlags.None)
        {
            throw new InvalidDataException($"its client was promised {lacking}, which the transport here cannot");
        }
    }
}
