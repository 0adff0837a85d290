using System;
using Microsoft.Win32.SafeHandles;
using PassthroughFs.Core.Api;
using PassthroughFs.Shared;

namespace PassthroughFs.PtfsVirtiofsd;

/// <summary>
/// How the two processes of <c>--sandbox namespace</c> wait for each other: single bytes over a pair of sockets. The
/// end of one of them ends the other's wait.
/// </summary>
internal sealed unsafe class SandboxChannel(SafeFileHandle socket) : IDisposable
{
    public int Fd => Libc.Number(socket);

    /// <summary>Two ends.</summary>
    /// <exception cref="DaemonException">The system has none.</exception>
    public static (SandboxChannel Outside, SandboxChannel Inside) Create()
    {
        int* pair = stackalloc int[2]; // Sound: socketpair writes two ints.
        return Libc.socketpair(Libc.AF_UNIX, Libc.SOCK_STREAM | Libc.SOCK_CLOEXEC, 0, pair) == 0
            ? (new SandboxChannel(Libc.Own(pair[0])), new SandboxChannel(Libc.Own(pair[1])))
            : throw new DaemonException($"no sockets can be made: {Libc.Describe(Libc.LastError)}");
    }

    /// <summary>Tells the other one to go on.</summary>
    public void Tell()
    {
        byte word = 1;
        _ = Libc.send(Fd, &word, 1, Libc.MSG_NOSIGNAL); // Sound: one byte of this frame. Who has ended needs no word.
    }

    /// <summary>Waits until the other one tells so.</summary>
    /// <returns>False if it has ended, or gave up.</returns>
    public bool Await()
    {
        byte word;
        nint count;
        while ((count = Libc.recv(Fd, &word, 1, 0)) < 0 && Libc.LastError == Errno.EINTR)
        {
            // Sound: one byte of this frame.
        }

        return count == 1;
    }

    public void Dispose() => socket.Dispose();
}
