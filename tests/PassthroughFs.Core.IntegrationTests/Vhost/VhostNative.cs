using System;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using PassthroughFs.Core.IntegrationTests.Platform;

namespace PassthroughFs.Core.IntegrationTests.Vhost;

/// <summary>What a front end needs of libc.</summary>
internal static unsafe partial class VhostNative
{
    private const int Interrupted = 4;
    private const int SolSocket = 1;
    private const int ScmRights = 1;
    private const int MsgNoSignal = 0x4000;
    private const int CloseOnExec = 0x80000;
    private const int NonBlocking = 0x800;
    private const int MsgCloseOnExec = 0x40000000;

    [LibraryImport("libc", EntryPoint = "memfd_create", SetLastError = true)]
    private static partial int MemFdCreate(byte[] name, uint flags);

    [LibraryImport("libc", EntryPoint = "eventfd", SetLastError = true)]
    private static partial int EventFd(uint initial, int flags);

    [LibraryImport("libc", EntryPoint = "sendmsg", SetLastError = true)]
    private static partial nint SendMsg(int socket, MsgHdr* message, int flags);

    [LibraryImport("libc", EntryPoint = "poll", SetLastError = true)]
    private static partial int Poll(PollFd* fds, nuint count, int timeout);

    [LibraryImport("libc", EntryPoint = "socketpair", SetLastError = true)]
    private static partial int SocketPair(int domain, int type, int protocol, int* pair);

    [LibraryImport("libc", EntryPoint = "recvmsg", SetLastError = true)]
    private static partial nint RecvMsg(int socket, MsgHdr* message, int flags);

    [LibraryImport("libc", EntryPoint = "shutdown", SetLastError = true)]
    public static partial int Shutdown(int socket, int how);

    public static (int Mine, int Theirs) NewPair()
    {
        const int unix = 1, stream = 1;
        int* pair = stackalloc int[2];
        return SocketPair(unix, stream | CloseOnExec, 0, pair) == 0
            ? (pair[0], pair[1])
            : throw new InvalidOperationException($"no sockets: {Marshal.GetLastPInvokeErrorMessage()}");
    }

    /// <summary>Receives all of some bytes, and a descriptor if one comes along; false at the end.</summary>
    public static bool Receive(int socket, Span<byte> bytes, ref int fd)
    {
        byte* control = stackalloc byte[24];
        fixed (byte* data = bytes)
        {
            for (int done = 0; done < bytes.Length;)
            {
                var part = new IoVec { Base = data + done, Length = bytes.Length - done };
                var message = new MsgHdr { Parts = &part, PartCount = 1, Control = control, ControlLength = 24 };
                nint count = RecvMsg(socket, &message, MsgCloseOnExec);
                if (count <= 0)
                {
                    return false;
                }

                fd = message.ControlLength >= 20 ? *(int*)(control + 16) : fd;
                done += (int)count;
            }
        }

        return true;
    }

    public static int NewMemory(long size, bool takesSeals = false)
    {
        int fd = MemFdCreate(Bytes.Z("guest"), takesSeals ? 3u : 1u);
        return fd >= 0 && Native.FTruncate(fd, size) == 0
            ? fd
            : throw new InvalidOperationException($"no memfd: {Marshal.GetLastPInvokeErrorMessage()}");
    }

    /// <summary>A blocking eventfd whose counter takes no more.</summary>
    public static int NewFullEvent()
    {
        int fd = EventFd(0, CloseOnExec);
        ulong most = ulong.MaxValue - 1;
        _ = Native.Write(fd, (byte*)&most, 8);
        return fd;
    }

    /// <summary>A descriptor that no front end should send, and another that must stay open as long, or -1.</summary>
    public static int NewOdd(string kind, out int companion)
    {
        companion = -1;
        int* pair = stackalloc int[2];
        switch (kind)
        {
            case "pipe":
                _ = Pipe2(pair, CloseOnExec);
                (int fd, companion) = (pair[0], pair[1]);
                return fd;
            case "socket":
                (companion, fd) = NewPair();
                return fd;
            case "inotify":
                return InotifyInit1(CloseOnExec);
            case "epoll":
                return EpollCreate1(CloseOnExec);
            case "memfd":
                return NewMemory(4096);
            case "terminal":
                return Open(Bytes.Z("/dev/ptmx"), 2 | CloseOnExec);
            case "directory":
                return Open(Bytes.Z("/"), CloseOnExec);
            default:
                return Open(Bytes.Z("/"), 0x200000 | CloseOnExec); // O_PATH
        }
    }

    [LibraryImport("libc", EntryPoint = "pipe2", SetLastError = true)]
    private static partial int Pipe2(int* pair, int flags);

    [LibraryImport("libc", EntryPoint = "inotify_init1", SetLastError = true)]
    private static partial int InotifyInit1(int flags);

    [LibraryImport("libc", EntryPoint = "epoll_create1", SetLastError = true)]
    private static partial int EpollCreate1(int flags);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true)]
    private static partial int Open(byte[] path, int flags);

    public static int NewEvent() => EventFd(0, CloseOnExec | NonBlocking);

    public static void Signal(int eventFd)
    {
        ulong one = 1;
        _ = Native.Write(eventFd, (byte*)&one, 8);
    }

    /// <summary>Waits until an eventfd was signalled and takes that back; false when it took too long.</summary>
    public static bool Await(int eventFd, int milliseconds)
    {
        var fd = new PollFd { Fd = eventFd, Events = 1 };
        long deadline = Environment.TickCount64 + milliseconds;
        int ready;
        do
        {
            // Anew after a signal, as the end of another test's program is to any thread.
            ready = Poll(&fd, 1, (int)Math.Max(0, deadline - Environment.TickCount64));
        }
        while (ready < 0 && Marshal.GetLastPInvokeError() == Interrupted);

        if (ready <= 0)
        {
            return false;
        }

        ulong count;
        _ = Native.Read(eventFd, (byte*)&count, 8);
        return true;
    }

    /// <summary>Sends bytes along with descriptors.</summary>
    public static void Send(Socket socket, ReadOnlySpan<byte> bytes, ReadOnlySpan<int> fds)
    {
        byte* control = stackalloc byte[16 + (fds.Length * 4) + 8];
        fixed (byte* data = bytes)
        {
            *(nint*)control = 16 + (fds.Length * 4);
            *(int*)(control + 8) = SolSocket;
            *(int*)(control + 12) = ScmRights;
            fds.CopyTo(new Span<int>(control + 16, fds.Length));
            var part = new IoVec { Base = data, Length = bytes.Length };
            var message = new MsgHdr
            {
                Parts = &part,
                PartCount = 1,
                Control = fds.IsEmpty ? null : control,
                ControlLength = fds.IsEmpty ? 0 : (16 + (fds.Length * 4) + 7) / 8 * 8,
            };
            if (SendMsg((int)socket.Handle, &message, MsgNoSignal) != bytes.Length)
            {
                throw new SocketException();
            }
        }
    }

    private struct PollFd
    {
        public int Fd;
        public short Events;
        public short Returned;
    }

    private struct IoVec
    {
        public byte* Base;
        public nint Length;
    }

    private struct MsgHdr
    {
        public void* Name;
        public nint NameLength;
        public IoVec* Parts;
        public nint PartCount;
        public byte* Control;
        public nint ControlLength;
        public int Flags;
    }
}
