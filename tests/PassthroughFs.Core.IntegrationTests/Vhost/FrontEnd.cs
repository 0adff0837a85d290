using System;
using System.Buffers.Binary;
using System.IO;
using System.Net.Sockets;

namespace PassthroughFs.Core.IntegrationTests.Vhost;

/// <summary>A VMM's end of the vhost-user socket, with numbers of its own.</summary>
internal sealed class FrontEnd : IDisposable
{
    public const ulong EventIndex = 1UL << 29;
    public const ulong Indirect = 1UL << 28;
    public const ulong Protocol = 1UL << 30;
    public const ulong Version1 = 1UL << 32;
    public const ulong AllFeatures = EventIndex | Indirect | Protocol | Version1;
    public const ulong ReplyAck = 1UL << 3;
    public const ulong MemSlots = 1UL << 15;
    public const ulong BackendReq = 1UL << 5;
    public const ulong BackendSendFd = 1UL << 10;
    public const ulong Shmem = 1UL << 22;

    private const uint VersionFlag = 1;
    private const uint NeedReply = 8;

    public FrontEnd(string socketPath)
    {
        Socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
        {
            ReceiveTimeout = 30_000,
        };
        try
        {
            Socket.Connect(new UnixDomainSocketEndPoint(socketPath));
        }
        catch
        {
            Socket.Dispose();
            throw;
        }
    }

    public Socket Socket { get; }

    /// <summary>Whether the back end's word is asked for at each message.</summary>
    public bool Acknowledge { get; set; }

    /// <summary>Sends a message; gives the back end's word, 0 if it was not asked for.</summary>
    public ulong Send(uint request, ReadOnlySpan<byte> payload, params int[] fds)
    {
        VhostNative.Send(Socket, Frame(request, payload, Acknowledge), fds);
        return Acknowledge ? BinaryPrimitives.ReadUInt64LittleEndian(Receive(request)) : 0;
    }

    public void MustSend(uint request, ReadOnlySpan<byte> payload, params int[] fds)
    {
        ulong answer = Send(request, payload, fds);
        if (answer != 0)
        {
            throw new InvalidDataException($"message {request} was refused: {answer}");
        }
    }

    /// <summary>Sends a message that has an answer of its own.</summary>
    public byte[] Ask(uint request, ReadOnlySpan<byte> payload = default)
    {
        VhostNative.Send(Socket, Frame(request, payload, false), default);
        return Receive(request);
    }

    public ulong AskNumber(uint request) => BinaryPrimitives.ReadUInt64LittleEndian(Ask(request));

    public static byte[] Frame(uint request, ReadOnlySpan<byte> payload, bool needReply)
    {
        byte[] message = new byte[12 + payload.Length];
        BinaryPrimitives.WriteUInt32LittleEndian(message, request);
        BinaryPrimitives.WriteUInt32LittleEndian(message.AsSpan(4), VersionFlag | (needReply ? NeedReply : 0));
        BinaryPrimitives.WriteUInt32LittleEndian(message.AsSpan(8), (uint)payload.Length);
        payload.CopyTo(message.AsSpan(12));
        return message;
    }

    public static byte[] Numbers(params ulong[] numbers)
    {
        byte[] bytes = new byte[numbers.Length * 8];
        Buffer.BlockCopy(numbers, 0, bytes, 0, bytes.Length);
        return bytes;
    }

    public static byte[] State(int index, int number)
    {
        byte[] bytes = new byte[8];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, index);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(4), number);
        return bytes;
    }

    /// <summary>What every VMM does first.</summary>
    public void Negotiate(ulong features = AllFeatures, ulong protocol = ReplyAck)
    {
        MustSend(3, default);
        ulong offered = AskNumber(1);
        if ((offered & features) != features)
        {
            throw new InvalidDataException($"features {offered:x}, {features:x} wanted");
        }

        if ((features & Protocol) != 0)
        {
            _ = AskNumber(15);
            MustSend(16, Numbers(protocol));
            Acknowledge = (protocol & ReplyAck) != 0;
        }

        MustSend(2, Numbers(features));
    }

    /// <summary>Shares memory: as a whole table, or region after region.</summary>
    public void Share(SharedMemory memory, bool bySlots = false)
    {
        var regions = memory.Regions;
        if (bySlots)
        {
            foreach ((ulong guest, ulong length, ulong user, ulong offset) in regions)
            {
                MustSend(37, Numbers(0, guest, length, user, offset), memory.Fd);
            }

            return;
        }

        ulong[] table = new ulong[1 + (regions.Length * 4)];
        int[] fds = new int[regions.Length];
        table[0] = (ulong)regions.Length;
        for (int i = 0; i < regions.Length; i++)
        {
            (table[1 + (i * 4)], table[2 + (i * 4)], table[3 + (i * 4)], table[4 + (i * 4)]) = regions[i];
            fds[i] = memory.Fd;
        }

        MustSend(5, Numbers(table), fds);
    }

    /// <summary>Sets a queue up and starts it.</summary>
    public void Start(int index, SharedMemory memory, DriverQueue queue, bool enable = true, int startAt = 0)
    {
        MustSend(8, State(index, queue.Size));
        MustSend(10, State(index, startAt));
        MustSend(
            9, Numbers((ulong)index, memory.User(queue.Descriptors), memory.User(queue.Used),
                memory.User(queue.Available), 0));
        MustSend(14, Numbers((ulong)index), queue.Error);
        MustSend(13, Numbers((ulong)index), queue.Call);
        MustSend(12, Numbers((ulong)index), queue.Kick);
        if (enable)
        {
            MustSend(18, State(index, 1));
        }
    }

    /// <summary>Stops a queue; gives the index at which it stopped.</summary>
    public int Stop(int index) => BinaryPrimitives.ReadInt32LittleEndian(Ask(11, State(index, 0)).AsSpan(4));

    /// <summary>Whether the back end closes the connection soon.</summary>
    public bool IsClosed(int milliseconds = 30_000)
    {
        Socket.ReceiveTimeout = milliseconds;
        try
        {
            byte[] rest = new byte[4096];
            while (true)
            {
                if (Socket.Receive(rest) == 0)
                {
                    return true;
                }
            }
        }
        catch (SocketException e)
        {
            return e.SocketErrorCode is SocketError.ConnectionReset or SocketError.Shutdown;
        }
    }

    public void Dispose() => Socket.Dispose();

    private byte[] Receive(uint request)
    {
        byte[] header = Exactly(12);
        uint size = BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(8));
        if (BinaryPrimitives.ReadUInt32LittleEndian(header) != request
            || BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(4)) != 5 || size > 4096)
        {
            throw new InvalidDataException($"an odd answer to message {request}: {Convert.ToHexString(header)}");
        }

        return Exactly((int)size);
    }

    private byte[] Exactly(int count)
    {
        byte[] bytes = new byte[count];
        for (int done = 0; done < count;)
        {
            int got = Socket.Receive(bytes, done, count - done, SocketFlags.None);
            done += got > 0 ? got : throw new EndOfStreamException("the back end closed the connection");
        }

        return bytes;
    }
}
