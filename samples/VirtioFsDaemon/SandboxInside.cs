using System;
using System.Globalization;
using Microsoft.Win32.SafeHandles;

namespace PassthroughFs.Samples.VirtioFsDaemon;

/// <summary>
/// The daemon inside <c>--sandbox namespace</c>: started by <see cref="SandboxOutside"/> in namespaces of its own and
/// with few capabilities, it opens what it needs and then asks to be shut in.
/// </summary>
internal sealed unsafe class SandboxInside : IDisposable
{
    /// <summary>The variable that tells this process from the one outside: numbers of two descriptors.</summary>
    public const string Variable = "PTFS_VIRTIOFSD_SANDBOX";

    private readonly SandboxChannel _channel;

    private SandboxInside(SandboxChannel channel, int socketFd)
    {
        _channel = channel;
        SocketFd = socketFd;
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
        if (parts.Length != 2
            || !int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out int channelFd)
            || !int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out int socketFd)
            || Libc.fcntl(channelFd, Libc.F_SETFD, Libc.FD_CLOEXEC) != 0)
        {
            throw new DaemonException($"the variable {Variable} is for the daemon's own use: do not set it");
        }

        // Whatever happens to the one outside, nobody serves behind its back. By this thread, which stays, and changes
        // no user, as that would undo it. It may have ended before: then the channel says so.
        var inside = new SandboxInside(new SandboxChannel(Libc.Own(channelFd)), socketFd);
        _ = Libc.prctl(Libc.PR_SET_PDEATHSIG, Libc.SIGKILL, 0, 0, 0);
        inside.Await();
        return inside;
    }

    /// <summary>Has the shared directory made this process's root, and the rest unmounted.</summary>
    /// <exception cref="DaemonException">That did not happen.</exception>
    public void ShutIn(string shared)
    {
        fixed (byte* path = Libc.CString(shared), root = "/\0"u8, empty = "\0"u8)
        {
            // Sound: pinned, each with a NUL behind it.
            using SafeFileHandle directory = Libc.Own(Libc.open(path, Libc.O_PATH | Libc.O_CLOEXEC));
            _channel.Tell();
            Await();
            if (!Libc.IsSame(Libc.AT_FDCWD, root, Libc.Number(directory), empty))
            {
                throw new DaemonException("--sandbox namespace: the root is not the shared directory");
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
