using System;
using System.Runtime.InteropServices;
using System.Threading;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Shared;

/// <summary>Descriptors that go from process to process beside the bytes of a local socket (SCM_RIGHTS).</summary>
internal static unsafe class FdSocket
{
    /// <summary>As many as the kernel takes at a time.</summary>
    public const int MaxFds = 253;

    private const Errno ETOOMANYREFS = (Errno)109;
    private const int MSG_CTRUNC = 8;
    private const int MaxTries = 1000;

    // struct cmsghdr on 64 bits: length, level, type, and the descriptors. musl's length is narrower, with padding that
    // is 0: the same bytes.
    private const int ControlHeader = 16;
    private const int ControlSize = ControlHeader + (((MaxFds * sizeof(int)) + 7) / 8 * 8);

    /// <summary>Sends bytes, at least one, with descriptors beside the first.</summary>
    public static Errno Send(int socket, ReadOnlySpan<byte> data, ReadOnlySpan<int> fds)
    {
        byte* control = stackalloc byte[ControlSize];
        new Span<byte>(control, ControlSize).Clear();
        *(nuint*)control = (nuint)(ControlHeader + (fds.Length * sizeof(int)));
        *(int*)(control + 8) = Libc.SOL_SOCKET;
        *(int*)(control + 12) = Libc.SCM_RIGHTS;

        // Sound: at most MaxFds, for which there is room.
        fds.CopyTo(new Span<int>(control + ControlHeader, MaxFds));
        fixed (byte* bytes = data)
        {
            for (int done = 0, tries = 0; done < data.Length;)
            {
                // Sound: everything the header points to lives until the call returns, with its true length.
                var segment = new IoSegment(bytes + done, (nuint)(data.Length - done));
                bool carries = done == 0 && fds.Length > 0;
                var message = new MessageHeader
                {
                    Segments = &segment,
                    SegmentCount = 1,
                    Control = carries ? control : null,
                    ControlLength = carries ? (nuint)((ControlHeader + (fds.Length * sizeof(int)) + 7) / 8 * 8) : 0,
                };
                nint sent = Libc.sendmsg(socket, &message, Libc.MSG_NOSIGNAL);
                if (sent >= 0)
                {
                    done += (int)sent;
                    continue;
                }

                Errno error = Libc.LastError;
                if (error == ETOOMANYREFS && ++tries < MaxTries)
                {
                    // The other side has yet to take those that are under way.
                    Thread.Sleep(1);
                }
                else if (error != Errno.EINTR)
                {
                    return error;
                }
            }
        }

        return Errno.OK;
    }

    /// <summary>Receives bytes, and the descriptors beside them, which are the caller's.</summary>
    /// <param name="socket">The socket.</param>
    /// <param name="data">Gets what is there; nothing else is waited for than its first byte.</param>
    /// <param name="fds">Gets the descriptors; room for <see cref="MaxFds"/> is enough.</param>
    /// <param name="length">How many bytes came; 0 if the other side has ended.</param>
    /// <param name="count">How many descriptors came.</param>
    /// <returns>EMFILE if some were lost because this process may not have so many.</returns>
    public static Errno Receive(int socket, Span<byte> data, Span<int> fds, out int length, out int count)
    {
        byte* control = stackalloc byte[ControlSize];
        count = 0;
        length = 0;
        fixed (byte* bytes = data)
        {
            var segment = new IoSegment(bytes, (nuint)data.Length);
            MessageHeader message;
            nint received;
            do
            {
                message = new MessageHeader
                {
                    Segments = &segment,
                    SegmentCount = 1,
                    Control = control,
                    ControlLength = ControlSize,
                };

                // Sound: as above.
                received = Libc.recvmsg(socket, &message, Libc.MSG_CMSG_CLOEXEC);
            }
            while (received < 0 && Libc.LastError == Errno.EINTR);

            if (received < 0)
            {
                return Libc.LastError;
            }

            length = (int)received;
            bool isLost = (message.Flags & MSG_CTRUNC) != 0;
            if (message.ControlLength >= ControlHeader && *(int*)(control + 8) == Libc.SOL_SOCKET &&
                *(int*)(control + 12) == Libc.SCM_RIGHTS)
            {
                // Sound: the kernel says how much it has written, which is no more than there is room for.
                int bytesOfFds = (int)Math.Min(*(nuint*)control, message.ControlLength) - ControlHeader;
                var received2 = new ReadOnlySpan<int>(control + ControlHeader, bytesOfFds / sizeof(int));
                foreach (int fd in received2)
                {
                    if (count < fds.Length)
                    {
                        fds[count++] = fd;
                    }
                    else
                    {
                        _ = Libc.close(fd);
                        isLost = true;
                    }
                }
            }

            return isLost ? Errno.EMFILE : Errno.OK;
        }
    }

    // struct msghdr on 64 bits. musl's lengths are narrower, with padding that is 0: the same bytes.
    [StructLayout(LayoutKind.Sequential)]
    private struct MessageHeader
    {
        public void* Name;
        public nuint NameLength;
        public IoSegment* Segments;
        public nuint SegmentCount;
        public void* Control;
        public nuint ControlLength;
        public int Flags;
    }
}
