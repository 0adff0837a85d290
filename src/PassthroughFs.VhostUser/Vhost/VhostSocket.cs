using System;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using PassthroughFs.Core.Api;
using PassthroughFs.Shared;

namespace PassthroughFs.VhostUser;

/// <summary>Messages with descriptors, over a connected unix socket.</summary>
/// <param name="socket">The socket. Not owned.</param>
/// <param name="wait">Waits until the socket can be read; false if it is time to end.</param>
internal sealed unsafe class VhostSocket(SafeFileHandle socket, Func<bool> wait)
{
    /// <summary>The most descriptors of one message: SET_MEM_TABLE with eight regions.</summary>
    public const int MaxFds = 8;

    private const uint ReplyFlags = 1 | 4; // version 1, reply
    private const uint AskFlags = 1 | 8; // version 1, an answer is wanted
    private const int ControlHeaderBytes = 16; // struct cmsghdr
    private const int ControlBytes = ControlHeaderBytes + (MaxFds * sizeof(int));

    /// <summary>Receives the next message, whole.</summary>
    /// <returns>False at the connection's end, or when it is time to end.</returns>
    /// <exception cref="BrokenConnectionException">What came is no message.</exception>
    public bool Receive(VhostMessage message)
    {
        Span<byte> header = stackalloc byte[VhostMessage.HeaderBytes];
        if (!ReceiveAll(header, message, atStart: true))
        {
            return false;
        }

        message.Start(header);
        return ReceiveAll(message.Payload, message, atStart: false);
    }

    /// <summary>Sends an answer.</summary>
    /// <exception cref="BrokenConnectionException">Nobody takes it.</exception>
    public void Reply(VhostRequest request, ReadOnlySpan<byte> payload)
    {
        if (Send((uint)request, ReplyFlags, payload, -1) is { } reason)
        {
            throw new BrokenConnectionException($"the answer to {request} was not taken: {reason}");
        }
    }

    /// <summary>Sends a request to the front end that is to be answered.</summary>
    /// <param name="request">What is asked.</param>
    /// <param name="payload">With what.</param>
    /// <param name="fd">A descriptor to send along, borrowed; -1 for none.</param>
    /// <exception cref="BrokenConnectionException">Nobody takes it.</exception>
    public void Ask(BackendRequest request, ReadOnlySpan<byte> payload, int fd)
    {
        if (Send((uint)request, AskFlags, payload, fd) is { } reason)
        {
            throw new BrokenConnectionException($"it was not taken: {reason}");
        }
    }

    // Why it was not sent; null if it was.
    private string? Send(uint request, uint flags, ReadOnlySpan<byte> payload, int fd)
    {
        Span<byte> bytes = stackalloc byte[VhostMessage.HeaderBytes + payload.Length];
        MemoryMarshal.Write(bytes, request);
        MemoryMarshal.Write(bytes[4..], flags);
        MemoryMarshal.Write(bytes[8..], (uint)payload.Length);
        payload.CopyTo(bytes[VhostMessage.HeaderBytes..]);
        const int fdBytes = ControlHeaderBytes + sizeof(int), fdSpace = ControlHeaderBytes + 8;
        byte* control = stackalloc byte[fdSpace];
        *(nint*)control = fdBytes;
        *(int*)(control + 8) = Libc.SOL_SOCKET;
        *(int*)(control + 12) = Libc.SCM_RIGHTS;
        *(int*)(control + ControlHeaderBytes) = fd;
        fixed (byte* pointer = bytes)
        {
            // SAFETY: pinned for the call, the rest is of this frame, and each is as long as the structure says.
            // Never waits: a front end that does not read what it is sent has given up.
            var part = new IoSegment(pointer, (nuint)bytes.Length);
            var header = new MessageHeader
            {
                Parts = &part,
                PartCount = 1,
                Control = fd < 0 ? null : control,
                ControlLength = fd < 0 ? 0 : fdSpace,
            };
            nint sent = Libc.sendmsg(Libc.Number(socket), &header, Libc.MSG_NOSIGNAL | Libc.MSG_DONTWAIT);
            return sent == bytes.Length ? null : sent < 0 ? Libc.Describe(Libc.LastError) : "the socket is full";
        }
    }

    private bool ReceiveAll(Span<byte> target, VhostMessage message, bool atStart)
    {
        int done = 0;
        while (done < target.Length)
        {
            if (!wait())
            {
                return false;
            }

            nint count = ReceiveSome(target[done..], message);
            if (count == 0)
            {
                return atStart && done == 0
                    ? false
                    : throw new BrokenConnectionException("the connection ended within a message");
            }

            done += Math.Max(0, (int)count);
        }

        return true;
    }

    // How many bytes; negative if there is nothing yet.
    private nint ReceiveSome(Span<byte> target, VhostMessage message)
    {
        byte* control = stackalloc byte[ControlBytes];
        fixed (byte* pointer = target)
        {
            // SAFETY: the target is pinned, the rest is of this frame, and each is as long as the structure says,
            // which is laid out as struct msghdr of a 64-bit system.
            var part = new IoSegment(pointer, (nuint)target.Length);
            var header = new MessageHeader
            {
                Parts = &part,
                PartCount = 1,
                Control = control,
                ControlLength = ControlBytes,
            };
            nint count = Libc.recvmsg(
                Libc.Number(socket), &header, Libc.MSG_DONTWAIT | Libc.MSG_CMSG_CLOEXEC);
            if (count < 0)
            {
                Errno error = Libc.LastError;
                return error switch
                {
                    Errno.EAGAIN or Errno.EINTR => -1,
                    Libc.ECONNRESET => 0,
                    _ => throw new BrokenConnectionException($"receiving failed: {Libc.Describe(error)}"),
                };
            }

            TakeFds(control, (int)header.ControlLength, message);
            return (header.Flags & Libc.MSG_CTRUNC) == 0 && message.FdCount <= MaxFds
                ? count
                : throw new BrokenConnectionException("more descriptors than any message has");
        }
    }

    // First of all into the message, so that they are closed whatever is found wrong with it.
    private static void TakeFds(byte* control, int length, VhostMessage message)
    {
        int at = 0;
        while (at + ControlHeaderBytes <= length)
        {
            // SAFETY: the kernel wrote whole headers, each with its own length, into the space it was given.
            nint itemLength = *(nint*)(control + at);
            int level = *(int*)(control + at + 8);
            int type = *(int*)(control + at + 12);
            if (itemLength < ControlHeaderBytes || itemLength > length - at)
            {
                return;
            }

            if (level == Libc.SOL_SOCKET && type == Libc.SCM_RIGHTS)
            {
                var fds = new ReadOnlySpan<int>(
                    control + at + ControlHeaderBytes, ((int)itemLength - ControlHeaderBytes) / sizeof(int));
                foreach (int fd in fds)
                {
                    message.AddFd(Libc.Own(fd));
                }
            }

            at += ((int)itemLength + 7) & ~7;
        }
    }

    private struct MessageHeader
    {
        public void* Name;
        public nint NameLength;
        public IoSegment* Parts;
        public nint PartCount;
        public byte* Control;
        public nint ControlLength;
        public int Flags;
    }
}
