using System;
using System.Linq;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;

namespace PassthroughFs.VhostUser;

/// <summary>
/// One front end from its connection to its end: what it has agreed on, its memory, its queues. Messages are handled
/// one after another by the thread that calls <see cref="Serve"/>.
/// </summary>
internal sealed partial class VhostConnection : IDisposable
{
    private readonly VhostSocket _socket;
    private readonly FsDevice _device;
    private readonly ulong _windowLength;
    private readonly ILogger _logger;
    private readonly GuestMemory _memory = new();
    private readonly VhostQueue[] _queues;
    private VirtioFeatures _features;
    private ProtocolFeatures _protocol;
    private readonly BackendChannel _backend;

    /// <param name="socket">The conversation. Not owned.</param>
    /// <param name="device">What is behind the queues.</param>
    /// <param name="options">How it is served.</param>
    /// <param name="standby">Where threads wait that serve while others hang.</param>
    /// <param name="patience">How long a queue that stops is waited for.</param>
    /// <param name="logger">Gets what happens.</param>
    public VhostConnection(
        VhostSocket socket, FsDevice device, VhostUserServerOptions options, Standby standby, Patience patience,
        ILogger logger)
    {
        _socket = socket;
        _device = device;
        _logger = logger;
        _windowLength = (ulong)options.DaxWindowSize;
        _backend = new BackendChannel(options.FrontEndTimeout, logger);
        _queues =
        [
            .. Enumerable.Range(0, device.QueueCount)
                .Select(i => new VhostQueue(i, _memory, device, options, standby, patience, logger)),
        ];
    }

    private ProtocolFeatures OfferedProtocol =>
        ProtocolFeatures.Mq | ProtocolFeatures.ReplyAck | ProtocolFeatures.BackendReq | ProtocolFeatures.ResetDevice
        | ProtocolFeatures.ConfigureMemSlots
        | (_windowLength > 0 ? WindowFeatures : ProtocolFeatures.None)
        | (_device.Configuration.IsEmpty ? ProtocolFeatures.None : ProtocolFeatures.Config);

    /// <summary>Handles messages until the front end is gone, or it is time to end.</summary>
    /// <exception cref="ProtocolException">
    /// A message cannot be obeyed, and the front end asked for no answer.
    /// </exception>
    public void Serve()
    {
        using var message = new VhostMessage();
        while (_socket.Receive(message))
        {
            bool acknowledge = message.NeedsReply && _protocol.HasFlag(ProtocolFeatures.ReplyAck);
            try
            {
                if (!Handle(message) && acknowledge)
                {
                    Reply(message.Request, 0);
                }
            }
            catch (ProtocolException e) when (acknowledge && e is not BrokenConnectionException)
            {
                Log.Refused(_logger, e.Message);
                Reply(message.Request, 1);
            }

            message.Dispose();
        }
    }

    /// <summary>Stops the queues, drops the memory, and brings the device back to its beginning.</summary>
    public void Dispose()
    {
        foreach (VhostQueue queue in _queues)
        {
            queue.Dispose();
        }

        _memory.Dispose();
        _device.Reset();
        _device.Window = null;
        _backend.Dispose();
    }

    // True if the message has been answered.
    private bool Handle(VhostMessage message)
    {
        switch (message.Request)
        {
            case VhostRequest.GetFeatures:
                return Reply(message.Request, (ulong)VirtioFeatures.Offered);
            case VhostRequest.SetFeatures:
                SetFeatures((VirtioFeatures)message.Read<ulong>());
                return false;
            case VhostRequest.GetProtocolFeatures:
                return Reply(message.Request, (ulong)OfferedProtocol);
            case VhostRequest.SetProtocolFeatures:
                SetProtocolFeatures((ProtocolFeatures)message.Read<ulong>());
                return false;
            case VhostRequest.GetQueueNum:
                return Reply(message.Request, (ulong)_queues.Length);
            case VhostRequest.SetOwner:
                return false; // there is one owner a connection anyway
            case VhostRequest.ResetOwner:
            case VhostRequest.ResetDevice:
                ResetDevice();
                return false;
            case VhostRequest.GetConfig:
                return GetConfig(message);
            case VhostRequest.SetConfig:
                throw new ProtocolException("SetConfig: the configuration of a virtio-fs device cannot be written");
            case VhostRequest.SetBackendReqFd:
                SetBackendRequestFd(message);
                return false;
            case VhostRequest.GetShmemConfig:
                return GetShmemConfig(message);
            case VhostRequest.SetMemTable or VhostRequest.GetMaxMemSlots or VhostRequest.AddMemReg
                or VhostRequest.RemMemReg:
                return HandleMemory(message);
            case VhostRequest.SetVringNum or VhostRequest.SetVringAddr or VhostRequest.SetVringBase
                or VhostRequest.GetVringBase or VhostRequest.SetVringEnable or VhostRequest.SetVringKick
                or VhostRequest.SetVringCall or VhostRequest.SetVringErr:
                return HandleRing(message);
            default:
                throw new ProtocolException($"message {(uint)message.Request} is not known");
        }
    }

    private bool Reply(VhostRequest request, ulong value)
    {
        _socket.Reply(request, MemoryMarshal.AsBytes(new ReadOnlySpan<ulong>(in value)));
        return true;
    }

    private void SetFeatures(VirtioFeatures features)
    {
        if ((features & ~VirtioFeatures.Offered) != 0)
        {
            throw new ProtocolException($"features {(ulong)(features & ~VirtioFeatures.Offered):x} were not offered");
        }

        const VirtioFeatures ring = VirtioFeatures.RingEventIdx | VirtioFeatures.RingIndirectDesc;
        if (((features ^ _features) & ring) != 0 && _queues.Any(queue => queue.IsRunning))
        {
            throw new ProtocolException("other ring features while queues are running");
        }

        _features = features;
    }

    private void SetProtocolFeatures(ProtocolFeatures features)
    {
        if ((features & ~OfferedProtocol) != 0)
        {
            throw new ProtocolException(
                $"protocol features {(ulong)(features & ~OfferedProtocol):x} were not offered");
        }

        _protocol = features;
        OfferWindow();
    }

    private void ResetDevice()
    {
        foreach (VhostQueue queue in _queues)
        {
            queue.Reset();
        }

        // The VMM has nothing mapped any more either.
        _device.Reset();
        OfferWindow();
    }

    // An empty answer says that it does not work.
    private bool GetConfig(VhostMessage message)
    {
        const int headerBytes = 12; // offset, size, flags
        Span<byte> payload = message.Payload;
        if (payload.Length < headerBytes)
        {
            throw new ProtocolException($"GetConfig with {payload.Length} bytes");
        }

        uint offset = MemoryMarshal.Read<uint>(payload);
        uint size = MemoryMarshal.Read<uint>(payload[4..]);
        ReadOnlySpan<byte> configuration = _device.Configuration;
        if (size != payload.Length - headerBytes || offset > configuration.Length)
        {
            _socket.Reply(message.Request, default);
            return true;
        }

        // What the device does not have reads as 0.
        Span<byte> data = payload[headerBytes..];
        data.Clear();
        ReadOnlySpan<byte> rest = configuration[(int)offset..];
        rest[..Math.Min(rest.Length, data.Length)].CopyTo(data);
        _socket.Reply(message.Request, payload);
        return true;
    }
}
