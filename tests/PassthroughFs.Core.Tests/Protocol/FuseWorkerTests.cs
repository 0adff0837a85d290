using System;
using System.Linq;
using FsCheck;
using FsCheck.Fluent;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Protocol;
using Xunit;
using static PassthroughFs.Core.Protocol.FuseOpcode;

namespace PassthroughFs.Core.Tests.Protocol;

public sealed class FuseWorkerTests
{
    [Fact]
    public void Each_request_becomes_its_call_and_its_reply()
    {
        foreach (FuseCase item in FuseCases.All)
        {
            Check(item, Pieces.Whole(item.Request()), Pieces.Whole(8192));
        }
    }

    [Fact]
    public void Each_operation_is_in_the_cases()
    {
        FuseOpcode[] tested = [.. FuseCases.All.Select(c => c.Opcode), FUSE_INIT];
        Assert.Empty(Enum.GetValues<FuseOpcode>().Except(tested));
    }

    [Fact]
    public void Each_request_and_reply_may_come_in_single_bytes()
    {
        foreach (FuseCase item in FuseCases.All)
        {
            byte[] request = item.Request();
            Check(item, Pieces.Single(request.Length).Fill(request), Pieces.Single(8192));
        }
    }

    [Fact]
    public void Each_request_and_reply_may_be_split_anywhere() =>
        Prop.ForAll<int>(seed =>
        {
            Random random = new(seed);
            FuseCase item = FuseCases.All[random.Next(FuseCases.All.Count)];
            byte[] request = item.Request();
            Check(
                item,
                Pieces.Random(request.Length, random).Fill(request),
                Pieces.Random(random.Next(4200, 9000), random));
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(3000));

    [Fact]
    public void Who_asks_is_passed_on_with_the_resend_bit()
    {
        Rig rig = Rig.Started();
        rig.Send(FUSE_SYNCFS, new Bytes().U64(0));
        RequestContext context = rig.Fs.Context;
        Assert.Equal(FuseCase.Uid, context.Uid);
        Assert.Equal(FuseCase.Gid, context.Gid);
        Assert.Equal(FuseCase.Pid, context.Pid);
        Assert.Equal(FuseCase.Unique, context.Id.Value);
        Assert.True(context.Id.IsResend);
        Assert.True(context.SupplementaryGroups.IsEmpty);
    }

    [Fact]
    public void An_error_is_answered_by_a_header_alone()
    {
        foreach (FuseCase item in FuseCases.All.Where(c => c is { Reply: not null, Errno: Errno.OK }))
        {
            if (item.Opcode is FUSE_DESTROY or FUSE_READDIR or FUSE_READDIRPLUS or FUSE_WRITE)
            {
                continue;
            }

            Rig rig = Rig.Started();
            rig.Fs.Result = Errno.EXDEV;
            Assert.Equal((item.Opcode, Errno.EXDEV), (item.Opcode, rig.Error(item.Request())));
        }
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(512)]
    [InlineData(int.MinValue)]
    public void A_number_that_Linux_does_not_take_for_an_error_becomes_EIO(int number)
    {
        Rig rig = Rig.Started();
        rig.Fs.Result = (Errno)number;
        Assert.Equal(Errno.EIO, rig.Error(FUSE_UNLINK, new Bytes().Name("x")));
    }

    [Fact]
    public void A_file_system_that_throws_is_answered_for_with_EIO_and_logged()
    {
        foreach (FuseCase item in FuseCases.All.Where(c => c.Call.Length > 0))
        {
            Rig rig = Rig.Started();
            rig.Fs.Throws = new InvalidOperationException("thrown on purpose");
            byte[]? reply = rig.Send(item.Request());
            Assert.Equal(item.Reply is null, reply is null);
            if (reply is not null)
            {
                Assert.Equal(Errno.EIO, Rig.ErrorOf(reply));
            }

            Assert.Same(rig.Fs.Throws, Assert.Single(rig.Log.Events).Exception);
        }
    }

    [Fact]
    public void Out_of_memory_is_answered_and_not_thrown()
    {
        foreach (FuseCase item in FuseCases.All.Where(c => c.Call.Length > 0))
        {
            Rig rig = Rig.Started();
            rig.Log.Throws = true;
            rig.Fs.Throws = new InsufficientMemoryException("thrown on purpose");
            byte[]? reply = rig.Send(item.Request());
            Assert.Equal(item.Reply is null, reply is null);
            Assert.Equal(reply is null ? Errno.OK : Errno.ENOMEM, reply is null ? Errno.OK : Rig.ErrorOf(reply));
        }
    }

    [Fact]
    public void A_logger_that_throws_costs_no_answer()
    {
        foreach (FuseCase item in FuseCases.All.Where(c => c.Call.Length > 0))
        {
            Rig rig = Rig.Started();
            rig.Log.Throws = true;
            rig.Fs.Throws = new InvalidOperationException("thrown on purpose");
            byte[]? reply = rig.Send(item.Request());
            Assert.Equal(item.Reply is null, reply is null);
            Assert.Equal(reply is null ? Errno.OK : Errno.EIO, reply is null ? Errno.OK : Rig.ErrorOf(reply));
            Assert.Equal(Errno.EINVAL, Rig.ErrorOf(rig.Send([8, 0, 0, 0, 1, 0, 0, 0, .. new byte[32]])!));
        }
    }

    [Fact]
    public void A_count_that_exceeds_what_was_asked_for_becomes_EIO()
    {
        FuseOpcode[] counting =
            [FUSE_READLINK, FUSE_GETXATTR, FUSE_LISTXATTR, FUSE_IOCTL, FUSE_COPY_FILE_RANGE, FUSE_COPY_FILE_RANGE_64];
        foreach (FuseCase item in FuseCases.All.Where(c => counting.Contains(c.Opcode) && c.Errno == Errno.OK))
        {
            if (item.Call.EndsWith("' 0", StringComparison.Ordinal) || item.Call == "ListXattr 42 0")
            {
                continue;
            }

            Rig rig = Rig.Started();
            rig.Fs.Lies = 1;
            Assert.Equal((item.Opcode, Errno.EIO), (item.Opcode, rig.Error(item.Request())));
            Assert.Single(rig.Log.Events);
        }
    }

    [Fact]
    public void A_write_that_failed_after_some_bytes_is_an_error_and_no_short_answer()
    {
        Rig rig = Rig.Started();
        rig.Fs.Result = Errno.ENOSPC;
        rig.Fs.Takes = 3;
        Bytes body = new Bytes().U64(1).U64(2).U32(5).U32(0).U64(0).U32(0).U32(0).Text("hello");
        Assert.Equal(Errno.ENOSPC, rig.Error(FUSE_WRITE, body));
        rig.Fs.Result = Errno.OK;
        Assert.Equal(Reply(new Bytes().U32(3).U32(0)), rig.Send(FUSE_WRITE, body));
    }

    [Fact]
    public void A_read_that_failed_after_some_bytes_is_an_error_and_no_short_answer()
    {
        Rig rig = Rig.Started();
        rig.Fs.Result = Errno.EIO;
        rig.Fs.Lies = 1;
        rig.Fs.Data = "part"u8.ToArray();
        Bytes body = new Bytes().U64(1).U64(0).U32(100).U32(0).U64(0).U32(0).U32(0);

        // What was read stays behind the header, in the client's own memory, and does not count.
        Pieces reply = Pieces.Whole(8192);
        int length = rig.Worker.Dispatch(Pieces.Whole(FuseCase.Message(FUSE_READ, body)).Segments, reply.Segments);
        Assert.Equal(Errno.EIO, Rig.ErrorOf(reply.Content(length)));
        (rig.Fs.Result, rig.Fs.Lies) = (Errno.OK, 0);
        Assert.Equal(Reply(new Bytes().Text("part")), rig.Send(FUSE_READ, body));
    }

    [Fact]
    public void A_read_never_gets_more_room_than_the_reply_has()
    {
        Rig rig = Rig.Started();
        Bytes body = new Bytes().U64(1).U64(0).U32(uint.MaxValue).U32(0).U64(0).U32(0).U32(0);
        byte[]? reply = rig.Send(FuseCase.Message(FUSE_READ, body), room: 16 + 4);
        Assert.Equal(Reply(new Bytes().Text("some")), reply);
        Assert.EndsWith(" 4", Assert.Single(rig.Fs.Calls), StringComparison.Ordinal);
    }

    [Fact]
    public void A_write_of_more_than_sent_or_agreed_on_is_refused()
    {
        Rig rig = Rig.Started(options: new FuseSessionOptions { MaxWrite = 4096 });
        Assert.Equal(Errno.EINVAL, rig.Error(FUSE_WRITE, Write(6, 5)));
        Assert.Equal(Errno.EINVAL, rig.Error(FUSE_WRITE, Write(4097, 4097)));
        Assert.Equal(Errno.EINVAL, rig.Error(FUSE_WRITE, Write(uint.MaxValue, 5)));
        Assert.Empty(rig.Fs.Calls);
        Assert.Equal(Reply(new Bytes().U32(4096).U32(0)), rig.Send(FUSE_WRITE, Write(4096, 4096)));

        static Bytes Write(uint size, int sent) =>
            new Bytes().U64(1).U64(0).U32(size).U32(0).U64(0).U32(0).U32(0).Zeros(sent);
    }

    [Fact]
    public void A_batch_of_forgets_goes_no_further_than_the_request()
    {
        Rig rig = Rig.Started();
        Bytes many = new Bytes().U32(uint.MaxValue).U32(0).U64(3).U64(4).U64(5).U64(6).U64(7);
        Assert.Null(rig.Send(FUSE_BATCH_FORGET, many));
        Assert.Equal(["Forget 3 4", "Forget 5 6"], rig.Fs.Calls);
        rig.Fs.Calls.Clear();
        Assert.Null(rig.Send(FUSE_BATCH_FORGET, new Bytes().U32(1).U32(0).U64(3).U64(4).U64(5).U64(6)));
        Assert.Equal(["Forget 3 4"], rig.Fs.Calls);
    }

    [Fact]
    public void A_large_batch_of_forgets_comes_through_whole()
    {
        Rig rig = Rig.Started();
        Bytes body = new Bytes().U32(1000).U32(0);
        for (ulong i = 0; i < 1000; i++)
        {
            body.U64(i).U64(i + 1);
        }

        Assert.Null(rig.Send(FUSE_BATCH_FORGET, body));
        Assert.Equal(Enumerable.Range(0, 1000).Select(i => $"Forget {i} {i + 1}"), rig.Fs.Calls);
    }

    [Fact]
    public void A_short_setxattr_has_no_flags_of_its_own_without_the_extension()
    {
        Rig rig = Rig.Started(~(ulong)InitFlags.FUSE_SETXATTR_EXT);
        Assert.Equal(Errno.OK, rig.Error(FUSE_SETXATTR, new Bytes().U32(5).U32(2).Name("user.x").Text("value")));
        Assert.Equal(["SetXattr 42 'user.x' 'value' 2 False"], rig.Fs.Calls);
    }

    [Fact]
    public void The_largest_value_of_an_attribute_passes_and_a_larger_one_does_not()
    {
        Rig rig = Rig.Started();
        string name = new('n', 255);
        Assert.Equal(
            Errno.OK,
            rig.Error(FUSE_SETXATTR, new Bytes().U32(65536).U32(0).U32(0).U32(0).Name(name).Zeros(65536)));
        Assert.Equal(
            Errno.E2BIG,
            rig.Error(FUSE_SETXATTR, new Bytes().U32(65537).U32(0).U32(0).U32(0).Name("n").Zeros(65537)));
        Assert.Equal(
            Errno.EINVAL, rig.Error(FUSE_SETXATTR, new Bytes().U32(6).U32(0).U32(0).U32(0).Name("n").Text("value")));
        Assert.Single(rig.Fs.Calls);
    }

    [Fact]
    public void An_attribute_asked_for_with_a_huge_size_gets_the_largest_there_is()
    {
        Rig rig = Rig.Started();
        byte[] request = FuseCase.Message(FUSE_GETXATTR, new Bytes().U32(uint.MaxValue).U32(0).Name("n"));
        Assert.Equal(Reply(new Bytes().Text("the value")), rig.Send(request, room: 16 + 65536));
        Assert.Equal(["GetXattr 42 'n' 65536"], rig.Fs.Calls);
        Assert.Equal(Errno.EINVAL, rig.Error(request, room: 16 + 65535));
    }

    [Fact]
    public void A_reply_without_room_for_its_structure_is_refused_before_anything_happens()
    {
        foreach (FuseCase item in FuseCases.All)
        {
            if (!FuseOpcodes.TryGet(item.Opcode, out FuseOpcodeInfo info) || info.FixedOut == 0)
            {
                continue;
            }

            Rig rig = Rig.Started();
            Assert.Equal(Errno.EINVAL, rig.Error(item.Request(), room: 16 + info.FixedOut - 1));
            Assert.Empty(rig.Fs.Calls);
        }
    }

    [Fact]
    public void The_tables_reply_sizes_are_the_replies()
    {
        foreach (FuseCase item in FuseCases.All.Where(c => c is { Reply: not null, Errno: Errno.OK }))
        {
            Assert.True(FuseOpcodes.TryGet(item.Opcode, out FuseOpcodeInfo info));
            bool data = info.Reply == FuseReplyKind.Data;
            Assert.True(data ? item.Reply!.Length >= info.FixedOut : item.Reply!.Length == info.FixedOut, info.Name);
        }
    }

    [Fact]
    public void A_time_beyond_a_second_is_refused()
    {
        Rig rig = Rig.Started();
        Assert.Equal(Errno.EINVAL, rig.Error(FUSE_SETATTR, Times(1 << 4, 0x3FFFFFFF)));
        Assert.Equal(Errno.EINVAL, rig.Error(FUSE_SETATTR, Times(1 << 5, 1_000_000_000)));
        Assert.Empty(rig.Fs.Calls);
        Assert.Equal(Errno.OK, Rig.ErrorOf(rig.Send(FUSE_SETATTR, Times(1 << 4, 999_999_999))));

        static Bytes Times(uint valid, uint nanoseconds) => new Bytes()
            .U32(valid).U32(0).Zeros(48).U32(nanoseconds).U32(nanoseconds).U32(nanoseconds).Zeros(20);
    }

    [Theory]
    [InlineData(InitFlags.FUSE_SUBMOUNTS, 0)]
    [InlineData(InitFlags.None, 1)]
    public void Attribute_flags_are_told_only_to_who_agreed_to_them(InitFlags missing, uint expected)
    {
        Rig rig = Rig.Started(~(ulong)missing);
        byte[] reply = rig.Send(FUSE_GETATTR, new Bytes().Zeros(16))!;
        Assert.Equal(expected, BitConverter.ToUInt32(reply, reply.Length - 4));
    }

    private static byte[] Reply(Bytes body) =>
        new Bytes().U32((uint)(16 + body.Length)).U32(0).U64(FuseCase.Unique).Append(body).ToArray();

    private static void Check(FuseCase item, Pieces request, Pieces reply)
    {
        Rig rig = Rig.Started();
        byte[]? answer = rig.Send(request, reply);
        Assert.Equal(item.Call, string.Join('\n', rig.Fs.Calls));
        Assert.Equal(item.Expected(), answer);
    }
}
