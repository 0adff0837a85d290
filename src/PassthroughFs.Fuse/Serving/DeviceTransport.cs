using System;
using System.Threading;
using Microsoft.Win32.SafeHandles;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Protocol;
using PassthroughFs.Shared;

namespace PassthroughFs.Fuse;

/// <summary>What the device takes besides replies: notifications, and files that the kernel uses by itself.</summary>
internal sealed class DeviceTransport : IFuseTransport, IBackingFiles
{
    private const uint FUSE_DEV_IOC_BACKING_OPEN = 0x4010e501;
    private const uint FUSE_DEV_IOC_BACKING_CLOSE = 0x4004e502;

    private SafeFileHandle? _device;

    /// <summary>None: the threads take buffers as large as the session says.</summary>
    public TransportLimits Limits => default;

    /// <summary>Whether a ring is ready to take requests.</summary>
    public bool HasRing { get; set; }

    public InitFlags AcceptedFlags => HasRing ? InitFlags.FUSE_OVER_IO_URING : InitFlags.None;

    public bool HasLocalCallers => true;

    /// <summary>From here on there is a client.</summary>
    public void Connect(SafeFileHandle device) => Volatile.Write(ref _device, device);

    /// <summary>A reply can come from any thread, but not to what came over a ring.</summary>
    public bool CanReplyLater => !HasRing;

    public Errno Notify(ReadOnlySpan<IoSegment> message) => Write(message);

    public Errno Reply(ReadOnlySpan<IoSegment> message) => Write(message);

    private unsafe Errno Write(ReadOnlySpan<IoSegment> message)
    {
        if (!TryUse(out SafeFileHandle device))
        {
            return Errno.ENOTCONN;
        }

        // SAFETY: an IoSegment is laid out as struct iovec, and the caller keeps the memory until this returns.
        fixed (IoSegment* segments = message)
        {
            nint sent = Libc.writev(FdOf(device), segments, message.Length);
            Errno error = sent >= 0 ? Errno.OK : Libc.LastError;
            device.DangerousRelease();
            return error;
        }
    }

    // These may come when the mount has ended: they must not go to whatever has the descriptor's number by then.
    private bool TryUse(out SafeFileHandle device)
    {
        device = Volatile.Read(ref _device)!;
        bool isUsed = false;
        try
        {
            device?.DangerousAddRef(ref isUsed);
        }
        catch (ObjectDisposedException)
        {
            // The mount has ended.
        }

        return isUsed;
    }

    private static int FdOf(SafeFileHandle device) => device.DangerousGetHandle().ToInt32();

    public unsafe Errno Open(int fd, out int id)
    {
        id = 0;
        if (!TryUse(out SafeFileHandle device))
        {
            return Errno.ENOTCONN;
        }

        // SAFETY: struct fuse_backing_map is the descriptor, flags, and eight bytes of padding; the kernel reads it
        // before it returns.
        int* map = stackalloc int[4] { fd, 0, 0, 0 };
        id = Libc.ioctl(FdOf(device), FUSE_DEV_IOC_BACKING_OPEN, map);
        Errno error = id > 0 ? Errno.OK : id < 0 ? Libc.LastError : Errno.EIO;
        device.DangerousRelease();
        return error;
    }

    public unsafe Errno Close(int id)
    {
        if (!TryUse(out SafeFileHandle device))
        {
            return Errno.ENOTCONN;
        }

        Errno error = Libc.ioctl(FdOf(device), FUSE_DEV_IOC_BACKING_CLOSE, &id) < 0 ? Libc.LastError : Errno.OK;
        device.DangerousRelease();
        return error;
    }
}
