using System;
using System.Threading;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Protocol;

namespace PassthroughFs.Samples.FuseMount;

/// <summary>What the device takes besides replies: notifications, and files that the kernel uses by itself.</summary>
internal sealed class DeviceTransport : IFuseTransport, IBackingFiles
{
    private const uint FUSE_DEV_IOC_BACKING_OPEN = 0x4010e501;
    private const uint FUSE_DEV_IOC_BACKING_CLOSE = 0x4004e502;

    private int _fd = -1;

    /// <summary>None: the threads take buffers as large as the session says.</summary>
    public TransportLimits Limits => default;

    /// <summary>Whether a ring is ready to take requests.</summary>
    public bool HasRing { get; set; }

    public InitFlags AcceptedFlags => HasRing ? InitFlags.FUSE_OVER_IO_URING : InitFlags.None;

    public bool HasLocalCallers => true;

    /// <summary>From here on there is a client.</summary>
    public void Connect(int deviceFd) => Volatile.Write(ref _fd, deviceFd);

    /// <summary>A reply can come from any thread, but not to what came over a ring.</summary>
    public bool CanReplyLater => !HasRing;

    public Errno Notify(ReadOnlySpan<IoSegment> message) => Write(message);

    public Errno Reply(ReadOnlySpan<IoSegment> message) => Write(message);

    private unsafe Errno Write(ReadOnlySpan<IoSegment> message)
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

    public unsafe Errno Open(int fd, out int id)
    {
        // Sound: struct fuse_backing_map is the descriptor, flags, and eight bytes of padding; the kernel reads it
        // before it returns.
        int* map = stackalloc int[4] { fd, 0, 0, 0 };
        id = Libc.ioctl(Volatile.Read(ref _fd), FUSE_DEV_IOC_BACKING_OPEN, map);
        return id > 0 ? Errno.OK : id < 0 ? Libc.LastError : Errno.EIO;
    }

    public unsafe Errno Close(int id) =>
        Libc.ioctl(Volatile.Read(ref _fd), FUSE_DEV_IOC_BACKING_CLOSE, &id) < 0 ? Libc.LastError : Errno.OK;
}
