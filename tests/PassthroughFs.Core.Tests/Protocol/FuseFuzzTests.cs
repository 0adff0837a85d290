using System;
using FsCheck;
using FsCheck.Fluent;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Protocol;
using Xunit;

namespace PassthroughFs.Core.Tests.Protocol;

public sealed class FuseFuzzTests
{
    [Fact]
    public void Whatever_is_sent_the_reply_is_sound_and_nothing_else_changes() =>
        Prop.ForAll<int>(seed =>
        {
            Random random = new(seed);
            Rig rig = random.Next(20) == 0 ? new Rig() : Rig.Started(
                random.Next(4) == 0 ? (ulong)random.NextInt64() : ulong.MaxValue, (uint)random.Next(27, 50),
                transport: new RecordingTransport { DaxWindow = random.Next(2) == 0 ? new RecordingWindow() : null });
            rig.Fs.Result = random.Next(3) == 0 ? (Errno)random.Next(-2, 600) : Errno.OK;
            rig.Fs.Lies = random.Next(8) == 0 ? random.Next(-100_000, 100_000) : 0;
            if (random.Next(20) == 0)
            {
                rig.Fs.Throws = new InvalidOperationException();
            }

            for (int i = 0; i < 20; i++)
            {
                byte[] request = Mutate(random);
                int room = random.Next(5) == 0 ? random.Next(0, 200) : random.Next(4096, 9000);
                Pieces reply = Pieces.Random(room, random);
                int length = rig.Worker.Dispatch(
                    Pieces.Random(request.Length, random).Fill(request).Segments, reply.Segments);
                Assert.InRange(length, 0, room);
                CheckReply(request, reply, room, length);
            }
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(2000));

    private static void CheckReply(byte[] request, Pieces reply, int room, int length)
    {
        if (length > 0)
        {
            byte[] content = reply.Content(length);
            Assert.True(length >= 16);
            Assert.Equal(length, BitConverter.ToInt32(content));
            int error = BitConverter.ToInt32(content, 4);
            Assert.InRange(error, -511, 0);
            Assert.True(error == 0 || length == 16);
            Assert.Equal(BitConverter.ToUInt64(request, 8), BitConverter.ToUInt64(content, 8));
        }
        else if (request.Length >= 40 && room >= 16)
        {
            // Only these may go without an answer: the client waits for all others.
            Assert.True(FuseOpcodes.TryGet((FuseOpcode)BitConverter.ToUInt32(request, 4), out FuseOpcodeInfo info));
            Assert.Equal(FuseReplyKind.None, info.Reply);
        }

        // A read or listing that failed half-way may have left data behind the reply's end, but not behind its room.
        reply.AssertUntouchedBehind(room);
    }

    private static byte[] Mutate(Random random)
    {
        byte[] request = random.Next(30) == 0
            ? FuseCase.Message(FuseOpcode.FUSE_INIT, FuseCases.Init(
                (uint)random.Next(6, 9), (uint)random.Next(0, 60), flags: (ulong)random.NextInt64()))
            : FuseCases.All[random.Next(FuseCases.All.Count)].Request();
        switch (random.Next(6))
        {
            case 0:
                random.NextBytes(request);
                break;
            case 1:
                request = request[..random.Next(request.Length + 1)];
                break;
            case 2:
                request = request[..random.Next(Math.Min(40, request.Length), request.Length + 1)];
                FixLength(request);
                break;
            case 3:
                request = [.. request, .. new byte[random.Next(2000)]];
                FixLength(request);
                break;
        }

        for (int flips = random.Next(6); flips > 0 && request.Length > 0; flips--)
        {
            // Mostly behind the header, where a change is not found out at once.
            int at = request.Length > 36 && random.Next(4) != 0
                ? random.Next(36, request.Length) : random.Next(request.Length);
            request[at] = random.Next(3) switch
            {
                0 => 0,
                1 => 0xFF,
                _ => (byte)random.Next(256),
            };
        }

        if (random.Next(6) == 0 && request.Length >= 40)
        {
            BitConverter.TryWriteBytes(request.AsSpan(4), (uint)random.Next(60));
        }

        if (random.Next(2) == 0)
        {
            FixLength(request);
        }

        return request;
    }

    private static void FixLength(byte[] request)
    {
        if (request.Length >= 4)
        {
            BitConverter.TryWriteBytes(request, (uint)request.Length);
        }
    }
}
