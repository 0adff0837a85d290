using System;
using System.Threading;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Protocol;

namespace PassthroughFs.Samples.FuseMount;

/// <summary>The way for notifications: the device takes them as it takes replies.</summary>
internal sealed class DeviceTransport : IFuseTransport
{
    private int _fd = -1;

    /// <summary>None: the threads take buffers as large as the session says.</summary>
    public TransportLimits Limits => default;

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
