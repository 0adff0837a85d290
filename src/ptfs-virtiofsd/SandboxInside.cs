using System;
using System.Globalization;
using Microsoft.Win32.SafeHandles;
using PassthroughFs.Shared;

namespace PassthroughFs.PtfsVirtiofsd;

/// <summary>
/// The daemon inside <c>--sandbox namespace</c>: started by <see cref="SandboxOutside"/> in namespaces of its own and
/// with few capabilities, it opens what it needs and then asks to be shut in.
/// </summary>
internal sealed unsafe class SandboxInside : IDisposable
{
    /// <summary>The variable that tells this process from the one outside: numbers of three descriptors.</summary>
    public const string Variable = "PTFS_VIRTIOFSD_SANDBOX";

    private readonly SandboxChannel _channel;
    private readonly SafeFileHandle _shared;

    private SandboxInside(SandboxChannel channel, int socketFd, SafeFileHandle shared)
    {
        _channel = channel;
        SocketFd = socketFd;
        _shared = shared;
    }

    /// <summary>The listening socket, which was made outside.</summary>
    public int SocketFd { get; }

    /// <summary>Finds out whether this is the process inside; null if not.</summary>
    /// <exception cref="DaemonException">It is, but the one outside has ended.</exception>
    public static SandboxInside? Find()
    {
        if (Environment.GetEnvironmentVariable(Variable) is not { } numbers)
        {
            return null;
        }

        Environment.SetEnvironmentVariable(Variable, null);
        string[] parts = numbers.Split(',');
        if (parts.Length != 3
            || !int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out int channelFd)
            || !int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out int socketFd)
            || !int.TryParse(parts[2], NumberStyles.None, CultureInfo.InvariantCulture, out int sharedFd)
            || Libc.fcntl(channelFd, Libc.F_SETFD, Libc.FD_CLOEXEC) != 0
            || Libc.fcntl(sharedFd, Libc.F_SETFD, Libc.FD_CLOEXEC) != 0)
        {
            throw new DaemonException($"the variable {Variable} is for the daemon's own use: do not set it");
        }

        // Whatever happens to the one outside, nobody serves behind its back. By this thread, which stays, and changes
        // no user, as that would undo it. It may have ended before: then the channel says so.
        var inside = new SandboxInside(
            new SandboxChannel(Libc.Own(channelFd)), socketFd, Libc.Own(sharedFd));
        _ = Libc.prctl(Libc.PR_SET_PDEATHSIG, Libc.SIGKILL, 0, 0, 0);
        inside.Await();
        return inside;
    }

    /// <summary>The shared directory, a mount of its own that is attached nowhere. The caller's from then on.</summary>
    public SafeFileHandle TakeShared() => _shared;

    /// <summary>Has an empty directory made this process's root, and the host's files unmounted.</summary>
    /// <exception cref="DaemonException">That did not happen.</exception>
    public void ShutIn()
    {
        fixed (byte* root = "/\0"u8, empty = "\0"u8)
        {
            // SAFETY: pinned, each with a NUL behind it.
            using SafeFileHandle before = Libc.Own(Libc.open(root, Libc.O_PATH | Libc.O_CLOEXEC));
            _channel.Tell();
            Await();
            if (Libc.IsSame(Libc.AT_FDCWD, root, Libc.Number(before), empty))
            {
                throw new DaemonException("--sandbox namespace: the root is still the host's");
            }
        }
    }

    public void Dispose() => _channel.Dispose();

    private void Await()
    {
        if (!_channel.Await())
        {
            // It has said why, if it could.
            Libc._exit(DaemonException.Failure);
        }
    }
}
