using System;
using System.Linq;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Protocol;
using Xunit;
using static PassthroughFs.Core.Api.InitFlags;
using static PassthroughFs.Core.Protocol.FuseOpcode;

namespace PassthroughFs.Core.Tests.Protocol;

public sealed class FuseNegotiationTests
{
    private const InitFlags NobodyActsOn =
        FUSE_FILE_OPS | FUSE_SPLICE_MOVE | FUSE_SPLICE_READ | FUSE_SPLICE_WRITE | FUSE_SECURITY_CTX
        | FUSE_REQUEST_TIMEOUT | FUSE_INIT_RESERVED;

    [Fact]
    public void A_full_INIT_is_answered_field_by_field()
    {
        Rig rig = new(new FuseSessionOptions
        {
            MaxWrite = 256 * 1024,
            MaxReadahead = 65536,
            MaxBackground = 20,
            CongestionThreshold = 7,
            TimeGranularityNanoseconds = 100,
        });
        rig.Fs.Accepts = FUSE_ASYNC_READ | FUSE_CREATE_SUPP_GROUP;
        byte[]? reply = rig.Send(FUSE_INIT, FuseCases.Init());
        InitFlags flags = FUSE_ASYNC_READ | FUSE_CREATE_SUPP_GROUP | FUSE_BIG_WRITES | FUSE_MAX_PAGES
            | FUSE_SETXATTR_EXT | FUSE_INIT_EXT;
        byte[] expected = new Bytes().U32(80).U32(0).U64(FuseCase.Unique)
            .U32(7).U32(45).U32(65536).U32((uint)flags).U16(20).U16(7).U32(256 * 1024).U32(100).U16(64).U16(0)
            .U32((uint)((ulong)flags >> 32)).Zeros(28).ToArray();
        Assert.Equal(expected, reply);
        Assert.True(rig.Session.IsInitialized);
        Assert.Equal(45, rig.Session.ProtocolMinor);
        Assert.Equal(flags, rig.Session.NegotiatedFlags);
        Assert.Equal(256 * 1024, rig.Session.MaxWrite);
        Assert.Equal(
            ~(FuseNegotiation.NeedsWindow | FuseNegotiation.NeedsBackingFiles | FuseNegotiation.NeedsLateReplies),
            rig.Fs.Offered);
    }

    [Fact]
    public void Each_offered_bit_comes_back_only_if_somebody_acts_on_it()
    {
        for (int bit = 0; bit < 64; bit++)
        {
            RecordingTransport silent = new() { CanNotify = false };
            RecordingTransport wide = new() { DaxWindow = new RecordingWindow() };
            RecordingTransport ring = new() { AcceptedFlags = (InitFlags)ulong.MaxValue };
            RecordingTransport late = new() { CanReplyLater = true };
            BackingTransport backing = new();
            IFuseTransport?[] transports =
            [
                null, silent, new RecordingTransport(), wide, ring, late, backing,
                new BackingTransport { CanNotify = false },
            ];
            foreach (IFuseTransport? transport in transports)
            {
                // The second word needs its own flag to count.
                InitFlags offered = (InitFlags)(1UL << bit) | (bit >= 32 ? FUSE_INIT_EXT : None);
                InitFlags known = FuseNegotiation.FileSystemFlags | FuseNegotiation.SessionFlags
                    | (transport is { CanNotify: true } ? FuseNegotiation.NotificationFlags : None)
                    | (transport == ring ? FuseNegotiation.TransportFlags : None) | FuseNegotiation.WindowFlags;
                InitFlags impossible = (transport == wide ? None : FuseNegotiation.NeedsWindow)
                    | (transport == late ? None : FuseNegotiation.NeedsLateReplies)
                    | (transport == backing ? None : FuseNegotiation.NeedsBackingFiles);
                Rig rig = new(transport: transport);
                rig.Start((ulong)offered);
                Assert.Equal(offered & known & ~impossible, rig.Session.NegotiatedFlags);
                Assert.Equal(offered & ~impossible, rig.Fs.Offered);
                Assert.Equal(None, rig.Session.NegotiatedFlags & NobodyActsOn);
                Assert.Equal(0UL, (ulong)rig.Session.NegotiatedFlags >> 43);
            }
        }
    }

    [Fact]
    public void Each_named_bit_has_one_owner_or_none()
    {
        InitFlags[] owners =
        [
            FuseNegotiation.FileSystemFlags, FuseNegotiation.SessionFlags, FuseNegotiation.NotificationFlags,
            FuseNegotiation.WindowFlags, FuseNegotiation.TransportFlags, NobodyActsOn,
        ];
        foreach (InitFlags flag in Enum.GetValues<InitFlags>().Where(f => f != None))
        {
            Assert.True(owners.Count(o => (o & flag) != 0) == 1, flag.ToString());
        }
    }

    [Fact]
    public void What_was_not_offered_is_not_agreed_on()
    {
        Rig rig = Rig.Started(flags: 0);
        Assert.Equal(None, rig.Session.NegotiatedFlags);
        rig = Rig.Started((ulong)FUSE_ASYNC_READ);
        Assert.Equal(FUSE_ASYNC_READ, rig.Session.NegotiatedFlags);
    }

    [Fact]
    public void What_the_file_system_does_not_ask_for_is_not_agreed_on()
    {
        Rig rig = new();
        rig.Fs.Accepts = None;
        rig.Start();
        Assert.Equal(FuseNegotiation.SessionFlags, rig.Session.NegotiatedFlags);
    }

    [Fact]
    public void The_second_word_counts_only_with_its_flag()
    {
        ulong without = ulong.MaxValue & ~(ulong)FUSE_INIT_EXT;
        Rig rig = Rig.Started(without);
        Assert.Equal(0UL, (ulong)rig.Fs.Offered >> 32);
        Assert.Equal(0UL, (ulong)rig.Session.NegotiatedFlags >> 32);
    }

    [Fact]
    public void An_older_clients_16_bytes_are_enough()
    {
        Rig rig = new();
        Bytes body = new Bytes().U32(7).U32(31).U32(4096).U32(uint.MaxValue);
        byte[] reply = rig.Send(FUSE_INIT, body)!;
        Assert.Equal(80, reply.Length);
        Assert.Equal(31, rig.Session.ProtocolMinor);
        Assert.Equal(4096u, BitConverter.ToUInt32(reply, 16 + 8));
        InitFlags impossible = FUSE_INIT_EXT | FuseNegotiation.NeedsWindow | FuseNegotiation.NeedsLateReplies;
        Assert.Equal((InitFlags)uint.MaxValue & ~impossible, rig.Fs.Offered);
        Assert.Equal(Errno.EINVAL, new Rig().Error(FUSE_INIT, new Bytes().U32(7).U32(31).U32(4096)));
    }

    [Theory]
    [InlineData(27u, 27)]
    [InlineData(31u, 31)]
    [InlineData(45u, 45)]
    [InlineData(46u, 45)]
    [InlineData(uint.MaxValue, 45)]
    public void The_older_minor_version_counts(uint minor, int expected)
    {
        Rig rig = new();
        byte[] reply = rig.Send(FUSE_INIT, FuseCases.Init(minor: minor))!;
        Assert.Equal((uint)expected, BitConverter.ToUInt32(reply, 16 + 4));
        Assert.Equal(expected, rig.Session.ProtocolMinor);
    }

    [Theory]
    [InlineData(7u, 26u)]
    [InlineData(7u, 0u)]
    [InlineData(6u, 45u)]
    [InlineData(0u, 45u)]
    public void A_client_that_is_too_old_is_refused(uint major, uint minor)
    {
        Rig rig = new();
        Assert.Equal(Errno.EPROTO, rig.Error(FUSE_INIT, FuseCases.Init(major, minor)));
        Assert.False(rig.Session.IsInitialized);
        Assert.Empty(rig.Fs.Calls);
    }

    [Fact]
    public void A_newer_client_is_told_our_version_and_asks_again()
    {
        Rig rig = new();
        byte[]? reply = rig.Send(FUSE_INIT, FuseCases.Init(major: 8, minor: 3));
        Assert.Equal(new Bytes().U32(80).U32(0).U64(FuseCase.Unique).U32(7).U32(45).Zeros(56).ToArray(), reply);
        Assert.False(rig.Session.IsInitialized);
        Assert.Empty(rig.Fs.Calls);
        rig.Start();
        Assert.True(rig.Session.IsInitialized);
    }

    [Fact]
    public void Before_INIT_everything_else_is_EIO_or_ignored()
    {
        foreach (FuseCase item in FuseCases.All)
        {
            Rig rig = new();
            byte[]? reply = rig.Send(item.Request());
            if (item.Reply is null)
            {
                Assert.Null(reply);
            }
            else
            {
                Assert.Equal(Errno.EIO, Rig.ErrorOf(reply));
            }

            Assert.Empty(rig.Fs.Calls);
        }
    }

    [Fact]
    public void After_DESTROY_a_new_INIT_is_needed()
    {
        Rig rig = Rig.Started();
        Assert.Equal(Errno.OK, rig.Error(FUSE_DESTROY, new Bytes()));
        Assert.False(rig.Session.IsInitialized);
        Assert.Equal(0, rig.Session.ProtocolMinor);
        Assert.Equal(None, rig.Session.NegotiatedFlags);
        Assert.Equal(Errno.EIO, rig.Error(FUSE_STATFS, new Bytes()));
        rig.Start();
        Assert.Equal(96, rig.Send(FUSE_STATFS, new Bytes())!.Length);
    }

    [Fact]
    public void INIT_again_starts_clean()
    {
        Rig rig = Rig.Started();
        rig.Send(FUSE_INIT, FuseCases.Init(minor: 31, flags: (ulong)FUSE_ASYNC_READ));
        Assert.Equal(["Destroy", "Init"], rig.Fs.Calls);
        Assert.Equal(FUSE_ASYNC_READ, rig.Session.NegotiatedFlags);
        Assert.Equal(31, rig.Session.ProtocolMinor);
    }

    [Fact]
    public void INIT_that_fails_leaves_no_session()
    {
        Rig rig = Rig.Started();
        rig.Fs.Result = Errno.EACCES;
        Assert.Equal(Errno.EACCES, rig.Error(FUSE_INIT, FuseCases.Init()));
        Assert.False(rig.Session.IsInitialized);
        rig.Fs.Result = Errno.OK;
        rig.Start();

        rig.Fs.Throws = new InvalidOperationException();
        Assert.Equal(Errno.EIO, rig.Error(FUSE_INIT, FuseCases.Init()));
        Assert.False(rig.Session.IsInitialized);
    }

    [Theory]
    [InlineData(1024 * 1024, 0, 0, 1024 * 1024, 256)]
    [InlineData(5000, 0, 0, 5000, 2)]
    [InlineData(1024 * 1024, 4096 + 80, 0, 4096, 1)]
    [InlineData(1024 * 1024, 10_080, 0, 10_000, 3)]
    [InlineData(1024 * 1024, 0, 4096 + 16, 4096, 1)]
    [InlineData(1024 * 1024, 0, 16 + 8191, 4096, 1)]
    [InlineData(1024 * 1024, 10_080, 16 + 8192, 8192, 2)]
    [InlineData(65535 * 4096, 0, 0, 65535 * 4096, 65535)]
    public void Sizes_fit_the_options_and_the_transport(int maxWrite, int request, int reply, int expected, int pages)
    {
        RecordingTransport transport = new()
        {
            Limits = new TransportLimits { MaxRequestBytes = request, MaxReplyBytes = reply },
        };
        Rig rig = new(new FuseSessionOptions { MaxWrite = maxWrite }, transport);
        Assert.Equal(expected, rig.Session.MaxWrite);
        byte[] answer = rig.Send(FUSE_INIT, FuseCases.Init())!;
        Assert.Equal((uint)expected, BitConverter.ToUInt32(answer, 16 + 20));
        Assert.Equal(pages, BitConverter.ToUInt16(answer, 16 + 28));
        Assert.Equal(expected, rig.Session.MaxWrite);
        Assert.True(reply == 0 || 16 + (pages * 4096) <= reply);
        Assert.True(rig.Session.RequestBufferSize >= expected + 80);
        Assert.True(rig.Session.ReplyBufferSize >= (pages * 4096) + 16);
    }

    [Fact]
    public void Without_MAX_PAGES_a_request_has_32_pages()
    {
        Rig rig = Rig.Started(0);
        Assert.Equal(32 * 4096, rig.Session.MaxWrite);
    }

    [Fact]
    public void Options_out_of_range_are_refused_by_name()
    {
        Refused(nameof(FuseSessionOptions.MaxWrite), new FuseSessionOptions { MaxWrite = 4095 });
        Refused(nameof(FuseSessionOptions.MaxWrite), new FuseSessionOptions { MaxWrite = (65535 * 4096) + 1 });
        Refused(nameof(FuseSessionOptions.MaxReadahead), new FuseSessionOptions { MaxReadahead = -1 });
        Refused(nameof(FuseSessionOptions.MaxBackground), new FuseSessionOptions { MaxBackground = 0 });
        Refused(nameof(FuseSessionOptions.MaxBackground), new FuseSessionOptions { MaxBackground = 65536 });
        Refused(
            nameof(FuseSessionOptions.CongestionThreshold),
            new FuseSessionOptions { MaxBackground = 10, CongestionThreshold = 11 });
        Refused(
            nameof(FuseSessionOptions.TimeGranularityNanoseconds),
            new FuseSessionOptions { TimeGranularityNanoseconds = 3 });
        Refused(nameof(FuseSessionOptions.MaxEventsPerSecond), new FuseSessionOptions { MaxEventsPerSecond = -1 });
        foreach (ulong length in new ulong[] { 0, 4095, 4097 })
        {
            RecordingTransport odd = new() { DaxWindow = new RecordingWindow { Length = length } };
            Assert.Contains(
                $"window has {length} bytes",
                Assert.Throws<ArgumentException>(
                    () => new FuseSession(new RecordingFileSystem(), new FuseSessionOptions(), odd)).Message,
                StringComparison.Ordinal);
        }

        RecordingTransport small = new() { Limits = new TransportLimits { MaxReplyBytes = 4111 } };
        Assert.Throws<ArgumentException>(
            () => new FuseSession(new RecordingFileSystem(), new FuseSessionOptions(), small));

        static void Refused(string name, FuseSessionOptions options) => Assert.Contains(
            name,
            Assert.Throws<ArgumentException>(() => new FuseSession(new RecordingFileSystem(), options)).Message,
            StringComparison.Ordinal);
    }
}
