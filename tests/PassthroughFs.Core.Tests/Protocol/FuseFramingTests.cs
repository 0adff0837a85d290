using System;
using System.Linq;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Protocol;
using Xunit;
using static PassthroughFs.Core.Protocol.FuseOpcode;

namespace PassthroughFs.Core.Tests.Protocol;

public sealed class FuseFramingTests
{
    [Fact]
    public void A_request_shorter_than_a_header_is_dropped_with_an_event()
    {
        byte[] whole = FuseCase.Message(FUSE_STATFS, new Bytes());
        for (int length = 0; length < 40; length++)
        {
            Rig rig = Rig.Started();
            Assert.Null(rig.Send(whole[..length]));
            Assert.Single(rig.Log.Events);
        }
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(39u)]
    [InlineData(41u)]
    [InlineData(uint.MaxValue)]
    public void A_length_that_the_pieces_do_not_have_is_refused(uint length)
    {
        Rig rig = Rig.Started();
        byte[] request = FuseCase.Message(FUSE_STATFS, new Bytes());
        BitConverter.TryWriteBytes(request, length);
        Assert.Equal(Errno.EINVAL, rig.Error(request));
        Assert.Empty(rig.Fs.Calls);
        Assert.Single(rig.Log.Events);
    }

    [Fact]
    public void What_lies_behind_the_headers_length_does_not_count()
    {
        Rig rig = Rig.Started();
        byte[] request = FuseCase.Message(FUSE_LOOKUP, new Bytes().Text("nam").Name("e"));
        BitConverter.TryWriteBytes(request, 43u);
        Assert.Equal(Errno.EINVAL, rig.Error(request));
        Assert.Empty(rig.Fs.Calls);
    }

    [Fact]
    public void Without_room_for_a_header_nothing_happens_but_an_event()
    {
        foreach (FuseCase item in FuseCases.All.Where(c => c.Reply is not null))
        {
            Rig rig = Rig.Started();
            Assert.Null(rig.Send(item.Request(), room: 15));
            Assert.Empty(rig.Fs.Calls);
            Assert.Single(rig.Log.Events);
        }
    }

    [Fact]
    public void Where_no_reply_is_owed_none_needs_room()
    {
        foreach (FuseCase item in FuseCases.All.Where(c => c.Reply is null))
        {
            Rig rig = Rig.Started();
            Assert.Equal(0, rig.Worker.Dispatch(Pieces.Whole(item.Request()).Segments, default));
            Assert.Equal(item.Call, string.Join('\n', rig.Fs.Calls));
        }
    }

    [Fact]
    public void A_body_cut_short_never_reaches_the_file_system_as_a_whole_one()
    {
        foreach (FuseCase item in FuseCases.All.Where(c => c.Errno == Errno.OK))
        {
            if (!FuseOpcodes.TryGet(item.Opcode, out FuseOpcodeInfo info) || item.Opcode == FUSE_TMPFILE)
            {
                continue;
            }

            for (int length = 0; length < item.Body.Length; length++)
            {
                Rig rig = Rig.Started();
                Bytes body = new Bytes().Raw(item.Body.ToArray().AsSpan(0, length));
                byte[]? reply = rig.Send(FuseCase.Message(item.Opcode, body));
                if (length < info.FixedIn || info.Names > 0)
                {
                    Assert.Empty(rig.Fs.Calls);
                    Assert.Single(rig.Log.Events);
                }

                if (info.Reply == FuseReplyKind.None)
                {
                    Assert.Null(reply);
                }
                else if (length < info.FixedIn || info.Names > 0)
                {
                    Assert.Equal((item.Opcode, length, Errno.EINVAL), (item.Opcode, length, Rig.ErrorOf(reply)));
                }
            }
        }
    }

    [Fact]
    public void Names_are_one_to_255_bytes_and_end_in_a_NUL()
    {
        (FuseOpcode Opcode, Bytes Before, Bytes After)[] named =
        [
            (FUSE_LOOKUP, new Bytes(), new Bytes()),
            (FUSE_UNLINK, new Bytes(), new Bytes()),
            (FUSE_RMDIR, new Bytes(), new Bytes()),
            (FUSE_REMOVEXATTR, new Bytes(), new Bytes()),
            (FUSE_SYMLINK, new Bytes(), new Bytes().Name("target")),
            (FUSE_MKNOD, new Bytes().Zeros(16), new Bytes()),
            (FUSE_MKDIR, new Bytes().Zeros(8), new Bytes()),
            (FUSE_CREATE, new Bytes().Zeros(16), new Bytes()),
            (FUSE_LINK, new Bytes().Zeros(8), new Bytes()),
            (FUSE_RENAME, new Bytes().Zeros(8), new Bytes().Name("new")),
            (FUSE_RENAME, new Bytes().Zeros(8).Name("old"), new Bytes()),
            (FUSE_RENAME2, new Bytes().Zeros(16), new Bytes().Name("new")),
            (FUSE_RENAME2, new Bytes().Zeros(16).Name("old"), new Bytes()),
            (FUSE_SETXATTR, new Bytes().Zeros(16), new Bytes()),
            (FUSE_GETXATTR, new Bytes().Zeros(8), new Bytes()),
        ];
        foreach ((FuseOpcode opcode, Bytes before, Bytes after) in named)
        {
            Assert.Equal(Errno.EINVAL, Send(opcode, before, new Bytes().Name(""), after));
            Assert.Equal(Errno.OK, Send(opcode, before, new Bytes().Name(new string('n', 255)), after));
            Assert.Equal(Errno.ENAMETOOLONG, Send(opcode, before, new Bytes().Name(new string('n', 256)), after));
            Assert.Equal(Errno.ENAMETOOLONG, Send(opcode, before, new Bytes().Name(new string('n', 100_000)), after));
            if (after.Length == 0)
            {
                Assert.Equal(Errno.EINVAL, Send(opcode, before, new Bytes().Text("name"), after));
            }
        }

        static Errno Send(FuseOpcode opcode, Bytes before, Bytes name, Bytes after)
        {
            Rig rig = Rig.Started();
            Bytes body = new Bytes().Append(before).Append(name).Append(after);
            byte[] reply = rig.Send(opcode, body)!;
            Errno errno = (Errno)(-BitConverter.ToInt32(reply, 4));
            Assert.Equal(errno == Errno.OK ? 1 : 0, rig.Fs.Calls.Count);
            return errno;
        }
    }

    [Fact]
    public void A_links_target_is_at_most_4095_bytes()
    {
        Rig rig = Rig.Started();
        Assert.Equal(
            Errno.OK,
            (Errno)(-BitConverter.ToInt32(
                rig.Send(FUSE_SYMLINK, new Bytes().Name(new string('n', 255)).Name(new string('t', 4095)))!, 4)));
        Assert.Equal(
            Errno.ENAMETOOLONG, rig.Error(FUSE_SYMLINK, new Bytes().Name("n").Name(new string('t', 4096))));
        Assert.Equal(Errno.EINVAL, rig.Error(FUSE_SYMLINK, new Bytes().Name("n").Text("t")));
        Assert.Single(rig.Fs.Calls);
    }

    [Fact]
    public void An_ioctl_passes_no_more_than_was_sent_and_has_room()
    {
        Rig rig = Rig.Started();
        Assert.Equal(Errno.EINVAL, rig.Error(FUSE_IOCTL, Ioctl(3, 0).Text("in")));
        Assert.Equal(Errno.EINVAL, rig.Error(FUSE_IOCTL, Ioctl(uint.MaxValue, 0).Text("in")));
        Assert.Equal(Errno.EINVAL, rig.Error(FUSE_IOCTL, Ioctl(0, 8192 - 32 + 1)));
        Assert.Equal(Errno.E2BIG, rig.Error(FUSE_IOCTL, Ioctl(65537, 0).Zeros(65537)));
        Assert.Equal(
            Errno.E2BIG, rig.Error(FuseCase.Message(FUSE_IOCTL, Ioctl(0, 65537)), room: 100_000));
        Assert.Empty(rig.Fs.Calls);

        static Bytes Ioctl(uint inSize, uint outSize) =>
            new Bytes().U64(1).U32(0).U32(2).U64(3).U32(inSize).U32(outSize);
    }

    [Fact]
    public void A_flood_of_bad_requests_is_logged_at_a_limited_rate_and_hides_no_failure()
    {
        Rig rig = new(new FuseSessionOptions { MaxEventsPerSecond = 5 });
        rig.Start();
        byte[] bad = FuseCase.Message((FuseOpcode)9999, new Bytes());
        long start = Environment.TickCount64;
        for (int i = 0; i < 10_000; i++)
        {
            rig.Send(bad, room: 16);
        }

        long seconds = ((Environment.TickCount64 - start) / 1000) + 1;
        Assert.InRange(rig.Log.Events.Count, 5, 5 * (seconds + 1));
        rig.Log.Events.Clear();
        rig.Fs.Throws = new InvalidOperationException();
        rig.Send(FUSE_STATFS, new Bytes());
        Assert.Contains(rig.Log.Events, e => e.Exception is not null);
    }

    [Fact]
    public void Supplementary_groups_are_taken_off_the_end()
    {
        Rig rig = Rig.Started();
        Bytes groups = new Bytes().U32(24).U32(32).U32(3).U32(100).U32(200).U32(300);
        Bytes context = new Bytes().U32(20).U32(1).Zeros(16);
        Assert.Equal(Errno.OK, Code(rig, FUSE_MKDIR, new Bytes().U32(1).U32(2).Name("d"), context, groups));
        Assert.Equal(["Mkdir 42 'd' 1 2"], rig.Fs.Calls);
        Assert.Equal([100u, 200u, 300u], rig.Fs.Groups);

        // The next request must not have the last one's.
        rig.Send(FUSE_STATFS, new Bytes());
        Assert.Empty(rig.Fs.Groups);
    }

    [Fact]
    public void Extensions_do_not_count_as_arguments()
    {
        Rig rig = Rig.Started();
        Bytes groups = new Bytes().U32(16).U32(32).U32(1).U32(0);
        Assert.Equal(Errno.EINVAL, Code(rig, FUSE_LOOKUP, new Bytes().Text("name"), groups));
        Assert.Equal(Errno.EINVAL, Code(rig, FUSE_ACCESS, new Bytes(), groups));
        Assert.Empty(rig.Fs.Calls);
    }

    [Fact]
    public void No_more_than_32_groups_are_kept()
    {
        Rig rig = Rig.Started();
        Bytes groups = new Bytes().U32(12 + (4 * 1001)).U32(32).U32(1001);
        for (uint i = 0; i < 1001; i++)
        {
            groups.U32(i);
        }

        Assert.Equal(Errno.OK, Code(rig, FUSE_MKDIR, new Bytes().Zeros(8).Name("d"), groups));
        Assert.Equal(Enumerable.Range(0, 32).Select(i => (uint)i), rig.Fs.Groups);
    }

    [Fact]
    public void A_single_group_as_Linux_sends_it_is_taken()
    {
        Rig rig = Rig.Started();
        Bytes groups = new Bytes().U32(16).U32(32).U32(1).U32(100);
        Assert.Equal(Errno.OK, Code(rig, FUSE_MKDIR, new Bytes().Zeros(8).Name("d"), groups));
        Assert.Equal([100u], rig.Fs.Groups);
    }

    [Fact]
    public void Groups_count_only_if_agreed_on()
    {
        Rig rig = Rig.Started(~(ulong)InitFlags.FUSE_CREATE_SUPP_GROUP);
        Bytes groups = new Bytes().U32(16).U32(32).U32(1).U32(100);
        Assert.Equal(Errno.OK, Code(rig, FUSE_MKDIR, new Bytes().Zeros(8).Name("d"), groups));
        Assert.Single(rig.Fs.Calls);
        Assert.Empty(rig.Fs.Groups);
    }

    [Fact]
    public void An_older_client_has_no_extensions_whatever_the_padding_holds()
    {
        Rig rig = Rig.Started(minor: 37);
        Assert.Equal(Errno.OK, Code(rig, FUSE_MKDIR, new Bytes().Zeros(8).Name("d"), new Bytes().U64(1)));
        Assert.Equal(["Mkdir 42 'd' 0 0"], rig.Fs.Calls);
    }

    [Fact]
    public void Malformed_extensions_are_refused()
    {
        Bytes[] malformed =
        [
            new Bytes().U32(0).U32(32),
            new Bytes().U32(7).U32(1),
            new Bytes().U32(8).U32(32),
            new Bytes().U32(24).U32(32).U32(1).U32(1),
            new Bytes().U32(16).U32(32).U32(2).U32(1),
            new Bytes().U32(16).U32(32).U32(uint.MaxValue).U32(1),
            new Bytes().U32(uint.MaxValue).U32(1).U64(0),
            new Bytes().U32(16).U32(32).U32(1).U32(1).U32(9).U32(1),
        ];
        foreach (Bytes extension in malformed)
        {
            Rig rig = Rig.Started();
            Assert.Equal(Errno.EINVAL, Code(rig, FUSE_MKDIR, new Bytes().Zeros(8).Name("d"), extension));
            Assert.Empty(rig.Fs.Calls);
            Assert.Single(rig.Log.Events);
        }

        // More units than the whole body has.
        Rig longer = Rig.Started();
        byte[] request = FuseCase.Message(FUSE_MKDIR, new Bytes().Zeros(8).Name("d"), ushort.MaxValue);
        Assert.Equal(Errno.EINVAL, longer.Error(request));
    }

    private static Errno Code(Rig rig, FuseOpcode opcode, Bytes body, params Bytes[] extensions)
    {
        Bytes all = new();
        foreach (Bytes extension in extensions)
        {
            all.Append(extension).Zeros(-extension.Length & 7);
        }

        byte[] request = FuseCase.Message(opcode, body.Append(all), (ushort)(all.Length / 8));
        return (Errno)(-BitConverter.ToInt32(rig.Send(request)!, 4));
    }
}
