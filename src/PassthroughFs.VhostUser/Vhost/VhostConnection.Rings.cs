using System;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace PassthroughFs.VhostUser;

/// <summary>The messages that set up the queues.</summary>
internal sealed partial class VhostConnection
{
    private bool HandleRing(VhostMessage message)
    {
        switch (message.Request)
        {
            case VhostRequest.SetVringAddr:
                VringAddress address = message.Read<VringAddress>();
                Queue(address.Index).SetAddresses(address);
                Queue(address.Index).StartIfReady(_features);
                return false;
            case VhostRequest.SetVringKick or VhostRequest.SetVringCall or VhostRequest.SetVringErr:
                SetEvent(message);
                return false;
            default:
                return HandleRingState(message);
        }
    }

    private bool HandleRingState(VhostMessage message)
    {
        VringState state = message.Read<VringState>();
        VhostQueue queue = Queue(state.Index);
        switch (message.Request)
        {
            case VhostRequest.SetVringNum:
                queue.SetSize(state.Number);
                break;
            case VhostRequest.SetVringBase:
                queue.SetBase(state.Number);
                break;
            case VhostRequest.GetVringBase:
                state = state with { Number = queue.TakeBase() };
                _socket.Reply(message.Request, MemoryMarshal.AsBytes(new ReadOnlySpan<VringState>(in state)));
                return true;
            default:
                queue.Enable(state.Number switch
                {
                    0 => false,
                    1 => true,
                    _ => throw new ProtocolException($"SetVringEnable with {state.Number}"),
                });
                break;
        }

        queue.StartIfReady(_features);
        return false;
    }

    private void SetEvent(VhostMessage message)
    {
        const ulong indexMask = 0xFF, noFd = 0x100;
        ulong value = message.Read<ulong>();
        VhostQueue queue = Queue((uint)(value & indexMask));
        message.ExpectFds((value & noFd) == 0 ? 1 : 0);
        SafeFileHandle? fd = message.FdCount == 0 ? null : message.TakeFd();
        try
        {
            if (fd is not null && !DescriptorKind.IsEvent(fd))
            {
                throw new ProtocolException($"{message.Request} with a descriptor that is no eventfd");
            }

            switch (message.Request)
            {
                case VhostRequest.SetVringCall:
                    queue.SetCall(fd);
                    break;
                case VhostRequest.SetVringErr:
                    queue.SetError(fd);
                    break;
                default:
                    queue.SetKick(fd ?? throw new ProtocolException(
                        "SetVringKick without an eventfd: the queue would have to be polled all the time"));
                    fd = null;
                    if (!_features.HasFlag(VirtioFeatures.VhostUserProtocolFeatures))
                    {
                        // Such a front end knows no switch: a queue is on once it was started.
                        queue.Enable(true);
                    }

                    queue.StartIfReady(_features);
                    break;
            }

            fd = null; // the queue's from here on
        }
        finally
        {
            fd?.Dispose();
        }
    }

    private VhostQueue Queue(uint index) => index < _queues.Length
        ? _queues[index]
        : throw new ProtocolException($"queue {index} of {_queues.Length}");
}
