using System.Collections.Generic;
using System.IO;
using Microsoft.Win32.SafeHandles;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Protocol;

namespace PassthroughFs.Fuse;

/// <summary>What a successor has to know of a mount to take it over.</summary>
/// <param name="MountPoint">Where it is, without symbolic links.</param>
/// <param name="Connection">The number of the kernel's connection, or null where it was not seen.</param>
/// <param name="ByHelper">Whether fusermount3 made the mount, and so removes it.</param>
/// <param name="HelperWaits">Whether fusermount3 waits for the end of a socket (<see cref="FuseHandOver.HelperFd"/>).
/// </param>
public sealed record FuseMountIdentity(string MountPoint, uint? Connection, bool ByHelper, bool HelperWaits);

/// <summary>A mount that stands still, for <see cref="FuseMount.TryHandOver"/>: nothing is under way.</summary>
public sealed class FuseHandOver
{
    private readonly FuseSession _session;
    private readonly ServerStatus _status;

    internal FuseHandOver(FuseSession session, ServerStatus status, ActiveMount mount)
    {
        _session = session;
        _status = status;
        DeviceFd = mount.DeviceFd;
        HelperFd = mount.HelperSocket;
    }

    /// <summary>The device's descriptor. Borrowed.</summary>
    public int DeviceFd { get; }

    /// <summary>The socket on whose end fusermount3 waits, or null. Borrowed.</summary>
    public int? HelperFd { get; }

    /// <summary>Whether the mount is to end meanwhile: then it is better not handed over.</summary>
    public bool IsEndWanted => _status.IsEndWanted;

    /// <summary>Writes down what the session and the file system know.</summary>
    /// <param name="state">Gets it.</param>
    /// <param name="fds">Gets the descriptors that belong to it, behind those that are there. Borrowed.</param>
    /// <exception cref="System.NotSupportedException">The file system cannot be handed over, or not now.</exception>
    /// <exception cref="System.InvalidOperationException">As above.</exception>
    public void SaveState(Stream state, IList<int> fds) => _session.SaveState(state, fds);
}

/// <summary>A mount to be taken over, for <see cref="FuseMount.TakeOver"/>.</summary>
public sealed class FuseTakeOver
{
    private readonly FuseSession _session;

    internal FuseTakeOver(FuseSession session) => _session = session;

    internal ActiveMount? Mount { get; private set; }

    /// <summary>Goes on from where the predecessor was.</summary>
    /// <param name="state">What it has written down.</param>
    /// <param name="fds">The descriptors, at their places.</param>
    /// <exception cref="InvalidDataException">The state is none, or of another version.</exception>
    /// <exception cref="System.NotSupportedException">The file system has no state.</exception>
    public void RestoreState(Stream state, KeptFds fds) => _session.RestoreState(state, fds);

    /// <summary>Says which mount it is.</summary>
    /// <param name="identity">What the predecessor says of it.</param>
    /// <param name="deviceFd">The device. The mount takes it over.</param>
    /// <param name="helperFd">The socket on whose end fusermount3 waits, or null. The mount takes it over.</param>
    public void Connect(FuseMountIdentity identity, int deviceFd, int? helperFd) =>
        Mount = identity.ByHelper
            ? new FusermountHelper(
                deviceFd, identity.MountPoint, identity.Connection,
                helperFd is { } fd ? new SafeFileHandle(fd, ownsHandle: true) : null)
            : new KernelMount(deviceFd, identity.MountPoint, identity.Connection);
}
