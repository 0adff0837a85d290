using System;
using System.Linq;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Protocol;
using Xunit;

namespace PassthroughFs.Core.Tests.Protocol;

/// <summary>
/// Requests as FUSE over io_uring has them: header, structure and the rest in three places, and the reply in the memory
/// of the request's header and rest.
/// </summary>
public sealed unsafe class FuseRingLayoutTests
{
    private const int Header = 40;
    private const int Arguments = 128;
    private const int Payload = 288;
    private const int PayloadSize = 128 * 1024;

    public static TheoryData<int> Cases => [.. Enumerable.Range(0, FuseCases.All.Count)];

    [Theory]
    [MemberData(nameof(Cases))]
    public void A_reply_may_take_the_memory_of_its_request(int number)
    {
        FuseCase @case = FuseCases.All[number];
        byte[] request = @case.Request();
        int structure = FuseOpcodes.TryGet(@case.Opcode, out FuseOpcodeInfo info)
            ? Math.Min(info.FixedIn, request.Length - Header)
            : 0;
        byte[] memory = GC.AllocateUninitializedArray<byte>(Payload + PayloadSize, pinned: true);
        request.AsSpan(0, Header).CopyTo(memory);
        request.AsSpan(Header, structure).CopyTo(memory.AsSpan(Arguments));
        request.AsSpan(Header + structure).CopyTo(memory.AsSpan(Payload));
        Rig rig = Rig.Started();
        int length;
        fixed (byte* start = memory)
        {
            IoSegment[] pieces =
            [
                new IoSegment(start, Header),
                new IoSegment(start + Arguments, (nuint)structure),
                new IoSegment(start + Payload, (nuint)(request.Length - Header - structure)),
            ];
            IoSegment[] reply = [new IoSegment(start, 16), new IoSegment(start + Payload, PayloadSize)];
            length = rig.Worker.Dispatch(pieces, reply);
        }

        byte[]? expected = @case.Expected();
        Assert.Equal(expected?.Length ?? 0, length);
        if (expected is not null)
        {
            byte[] answer = [.. memory[..16], .. memory[Payload..(Payload + length - 16)]];
            Assert.Equal(expected, answer);
        }

        Assert.Equal(@case.Call, string.Join('\n', rig.Fs.Calls));
    }
}
