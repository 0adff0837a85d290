using System;
using System.IO;
using System.Runtime.InteropServices;
using System.Threading;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Protocol;

namespace PassthroughFs.Core.FailingSource;

/// <summary>A mount of a session's file system: root's way, with enough threads for many calls that hang.</summary>
internal sealed unsafe partial class Device
{
    private const int Threads = 64;
    private const uint FUSE_INTERRUPT = 36;

    private readonly FuseSession _session;
    private readonly Faults _faults;
    private readonly int _fd;
    private readonly string _mountPoint;

    private Device(FuseSession session, Faults faults, int fd, string mountPoint)
    {
        _session = session;
        _faults = faults;
        _fd = fd;
        _mountPoint = mountPoint;
    }

    public static Device Mount(FuseSession session, Faults faults, string mountPoint)
    {
        int fd = open(Z("/dev/fuse"), 0x80002);
        string options = $"fd={fd},rootmode=40000,user_id=0,group_id=0,allow_other";
        if (fd < 0 || mount(Z("failing"), Z(mountPoint), Z("fuse.failing"), 0, Z(options)) != 0)
        {
            throw new IOException($"cannot mount at {mountPoint}: {Marshal.GetLastSystemError()}");
        }

        var device = new Device(session, faults, fd, mountPoint);
        for (int i = 0; i < Threads; i++)
        {
            new Thread(device.Serve) { IsBackground = true }.Start();
        }

        return device;
    }

    /// <summary>Takes the mount away; who is inside meets ENOTCONN when this process ends.</summary>
    public void Remove() => _ = umount2(Z(_mountPoint), 2);

    private void Serve()
    {
        FuseWorker worker = _session.CreateWorker();
        byte[] request = GC.AllocateUninitializedArray<byte>(_session.RequestBufferSize, pinned: true);
        byte[] reply = GC.AllocateUninitializedArray<byte>(_session.ReplyBufferSize, pinned: true);

        // SAFETY: both arrays are pinned for good, and only this thread uses them.
        fixed (byte* from = request, to = reply)
        {
            while (true)
            {
                nint length = read(_fd, from, (nuint)request.Length);
                if (length < 0)
                {
                    if (Marshal.GetLastSystemError() is (int)Errno.EINTR or (int)Errno.EAGAIN or (int)Errno.ENOENT)
                    {
                        continue;
                    }

                    return;
                }

                // Behind len, which all requests have: opcode, unique; and which request is interrupted, behind the header.
                Faults.Begin(*(ulong*)(from + 8));
                if (*(uint*)(from + 4) == FUSE_INTERRUPT)
                {
                    _faults.Interrupt(*(ulong*)(from + 40));
                    continue;
                }

                var input = new IoSegment(from, (nuint)length);
                var output = new IoSegment(to, (nuint)reply.Length);
                int answered = worker.Dispatch(new(in input), new(in output));
                _ = answered > 0 ? write(_fd, to, (nuint)answered) : 0;
            }
        }
    }

    // A handful, kept for as long as the process lives.
    private static byte* Z(string text) => (byte*)Marshal.StringToCoTaskMemUTF8(text);

    // Errors of these are read at once, before anything of the runtime's own can follow.
    [LibraryImport("libc")]
    private static partial int open(byte* path, int flags);

    [LibraryImport("libc")]
    private static partial nint read(int fd, byte* buffer, nuint count);

    [LibraryImport("libc")]
    private static partial nint write(int fd, byte* buffer, nuint count);

    [LibraryImport("libc")]
    private static partial int mount(byte* source, byte* target, byte* type, nuint flags, byte* data);

    [LibraryImport("libc")]
    private static partial int umount2(byte* target, int flags);
}
