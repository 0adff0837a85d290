using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Net.Sockets;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Posix;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Vhost;

/// <summary>Messages that make no sense, with descriptors that do not belong there.</summary>
public sealed class MessageFuzzTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Random_messages_neither_end_the_daemon_nor_leave_anything_in_it(int seed)
    {
        Require.Root();
        using var shared = new TempDirectory();
        using var daemon = new DaemonProcess(shared.Path, "--num-request-queues", "2", "--dax-window-size", "1G")
        {
            ExpectFaults = true,
        };
        Serve(daemon);
        daemon.Await(() => daemon.OpenBelow(shared.Path).Length == 0, "files are held");
        int fds = daemon.FdCount;
        var random = new Random(seed);
        for (int round = 0; round < FuzzRounds.Count; round++)
        {
            Converse(daemon, random);
        }

        daemon.Await(() => daemon.FdCount <= fds, "descriptors are left");
        Serve(daemon);
        Assert.DoesNotContain("defect", daemon.Output, StringComparison.Ordinal);
    }

    private static void Serve(DaemonProcess daemon)
    {
        using var posix = new DispatchPosix(new VhostChannel(daemon.SocketPath, bySlots: true));
        posix.WriteFile("f", "x"u8);
    }

    private static void Converse(DaemonProcess daemon, Random random)
    {
        using var memory = new SharedMemory(1 << 20);
        using var queue = new DriverQueue(memory, 16);
        using var frontEnd = new FrontEnd(daemon.SocketPath);
        try
        {
            if (random.Next(2) == 0)
            {
                frontEnd.Negotiate();
                frontEnd.Share(memory);
                frontEnd.Start(random.Next(3), memory, queue);
            }

            for (int i = 0; i < 30; i++)
            {
                byte[] message = Message(random, memory);
                VhostNative.Send(frontEnd.Socket, message, Fds(random, memory, queue));
                if (random.Next(3) == 0)
                {
                    queue.Publish((ushort)random.Next(20), kickAlways: true);
                }
            }
        }
        catch (SocketException)
        {
            // It has had enough: that is an answer, too.
        }

        // Half of them leave what they were told unread.
        if (random.Next(2) == 0)
        {
            frontEnd.Socket.Shutdown(SocketShutdown.Send);
            Assert.True(frontEnd.IsClosed(), daemon.Output);
        }
    }

    private static byte[] Message(Random random, SharedMemory memory)
    {
        uint request = (uint)(random.Next(20) == 0 ? random.Next() : random.Next(45));
        int words = random.Next(10);
        byte[] payload = new byte[(words * 8) + (random.Next(5) == 0 ? random.Next(8) : 0)];
        for (int at = 0; at + 8 <= payload.Length; at += 8)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(payload.AsSpan(at), Number(random, memory));
        }

        byte[] message = FrontEnd.Frame(request, payload, random.Next(2) == 0);
        switch (random.Next(25))
        {
            case 0:
                // A header that lies about the length.
                BinaryPrimitives.WriteUInt32LittleEndian(message.AsSpan(8), (uint)random.Next(random.Next(2) * 5000));
                break;
            case 1:
                BinaryPrimitives.WriteUInt32LittleEndian(message.AsSpan(4), (uint)random.Next());
                break;
            case 2:
                return message[..random.Next(1, message.Length)];
        }

        return message;
    }

    private static ulong Number(Random random, SharedMemory memory) => random.Next(8) switch
    {
        0 => (ulong)random.NextInt64(),
        1 => ulong.MaxValue - (ulong)random.Next(8192),
        2 => memory.User(random.Next((int)memory.Size)),
        3 => SharedMemory.Guest(random.Next((int)memory.Size)),
        4 => (ulong)random.Next(1 << 20),
        5 => (1UL << random.Next(40)) | ((ulong)random.Next(3) << 32),
        _ => (ulong)random.Next(4),
    };

    private static int[] Fds(Random random, SharedMemory memory, DriverQueue queue)
    {
        var fds = new List<int>();
        for (int count = random.Next(3) == 0 ? random.Next(12) : random.Next(2); count > 0; count--)
        {
            fds.Add(random.Next(4) switch { 0 => memory.Fd, 1 => queue.Call, 2 => queue.Kick, _ => 0 });
        }

        return [.. fds];
    }
}
