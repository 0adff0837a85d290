using System;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using PassthroughFs.Core.Api;

namespace PassthroughFs.VhostUser;

/// <summary>The messages about memory that the guest shares with us instead: files mapped into it (DAX).</summary>
internal sealed partial class VhostConnection
{
    private const ProtocolFeatures WindowFeatures = ProtocolFeatures.BackendSendFd | ProtocolFeatures.Shmem;

    private bool GetShmemConfig(VhostMessage message)
    {
        ShmemConfig config = default;
        if (_windowLength > 0)
        {
            config.Count = 1;
            config.Size[ShmemWindow.RegionId] = _windowLength;
        }

        _socket.Reply(message.Request, MemoryMarshal.AsBytes(new ReadOnlySpan<ShmemConfig>(in config)));
        return true;
    }

    private void SetBackendRequestFd(VhostMessage message)
    {
        message.ExpectFds(1);
        SafeFileHandle fd = message.TakeFd();
        if (!DescriptorKind.IsSocket(fd))
        {
            fd.Dispose();
            throw new ProtocolException($"{message.Request} with a descriptor that is no socket");
        }

        _backend.Replace(fd);
        OfferWindow();
    }

    // For sessions that begin from now on; one under way keeps what it has.
    private void OfferWindow() => _device.Window = CreateWindow();

    private IDaxWindow? CreateWindow()
    {
        // Without answers nobody could say to the guest that it may go there.
        const ProtocolFeatures needed = ProtocolFeatures.BackendReq | ProtocolFeatures.ReplyAck;
        if (_windowLength == 0 || !_backend.IsOpen || !_protocol.HasFlag(needed))
        {
            return null;
        }

        if (_protocol.HasFlag(ProtocolFeatures.Shmem))
        {
            return new ShmemWindow(_backend, _windowLength);
        }

        return _protocol.HasFlag(ProtocolFeatures.BackendSendFd)
            ? new FsCacheWindow(_backend, _windowLength)
            : null;
    }
}
