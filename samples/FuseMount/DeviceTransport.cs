using System;
using System.Threading;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Protocol;

namespace PassthroughFs.Samples.FuseMount;

/// <summary>What the session may know of the device: how large messages are, and how to send a notification.</summary>
internal sealed class DeviceTransport(int maxWrite) : IFuseTransport
{
    private int _fd = -1;

    public TransportLimits Limits { get; } = new()
    {
        MaxRequestBytes = DeviceBuffers.MaxRequest(maxWrite),
        MaxReplyBytes = DeviceBuffers.MaxReply(maxWrite),
    };

    /// <summary>From here on there is a client.</summary>
    public void Connect(int deviceFd) => Volatile.Write(ref _fd, deviceFd);

    public unsafe Errno Notify(ReadOnlySpan<IoSegment> message)
    {
        int fd = Volatile.Read(ref _fd);
        if (fd < 0)
        {
            return Errno.ENOTCONN;
        }

        // Sound: an IoSegment is laid out as struct iovec, and the caller keeps the memory until this returns.
        fixed (IoSegment* segments = message)
        {
            return Libc.writev(fd, segments, message.Length) >= 0 ? Errno.OK : Libc.LastError;
        }
    }
}
