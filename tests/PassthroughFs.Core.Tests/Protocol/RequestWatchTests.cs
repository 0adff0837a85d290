using System;
using System.Threading;
using System.Threading.Tasks;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Protocol;
using Xunit;
using static PassthroughFs.Core.Protocol.FuseOpcode;

namespace PassthroughFs.Core.Tests.Protocol;

public sealed class RequestWatchTests
{
    [Fact]
    public async Task What_is_under_way_is_known_with_its_age_and_forgotten_when_it_is_done()
    {
        using var fs = new WaitingFileSystem();
        Rig rig = Rig.Started(fs: fs);
        var time = new ManualTime();
        var watch = new RequestWatch(rig.Session, time);
        Assert.Empty(watch.List());
        Task<int> request = Task.Run(() => Send(rig, FUSE_LOOKUP, new Bytes().Name("hangs")));
        fs.Entered.Wait(TestContext.Current.CancellationToken);

        watch.Look();
        Assert.Equal(1, watch.Count(TimeSpan.Zero));
        Assert.Equal(0, watch.Count(TimeSpan.FromSeconds(1)));
        time.Seconds += 7;
        watch.Look();
        Assert.Equal(1, watch.Count(TimeSpan.FromSeconds(7)));
        RequestUnderWay seen = Assert.Single(watch.List());
        Assert.Equal(
            new RequestUnderWay
            {
                Opcode = FUSE_LOOKUP,
                Id = new RequestId(FuseCase.Unique),
                Node = new NodeId(42),
                Name = "hangs",
                Uid = FuseCase.Uid,
                Pid = FuseCase.Pid,
                Age = TimeSpan.FromSeconds(7),
            },
            seen);

        fs.Go.Set();
        Assert.NotEqual(0, await request);
        Assert.Equal(0, watch.Count(TimeSpan.Zero));
        Assert.Empty(watch.List());

        // The next one is another one.
        Send(rig, FUSE_LOOKUP, new Bytes().Name("too"));
        Assert.Empty(watch.List());
    }

    [Fact]
    public void A_request_that_is_done_leaves_nothing_whatever_its_end()
    {
        Rig rig = Rig.Started(fs: new ThrowingFileSystem());
        var watch = new RequestWatch(rig.Session);
        foreach (FuseCase item in FuseCases.All)
        {
            byte[] bytes = item.Request();
            rig.Worker.Dispatch(Pieces.Whole(bytes).Segments, Pieces.Whole(8192).Segments);
            rig.Worker.Dispatch(Pieces.Whole(bytes[..^1]).Segments, Pieces.Whole(8192).Segments);
            Assert.Empty(watch.List());
        }
    }

    [Fact]
    public void Who_looks_meets_no_mixture_of_two_requests()
    {
        Rig rig = Rig.Started();
        var watch = new RequestWatch(rig.Session);
        Pieces lookup = Pieces.Whole(FuseCase.Message(FUSE_LOOKUP, new Bytes().Name("name")));
        Pieces unlink = Pieces.Whole(FuseCase.Message(FUSE_UNLINK, new Bytes().Name("other")));
        Pieces reply = Pieces.Whole(8192);
        bool ends = false;
        var thread = new Thread(() =>
        {
            while (!Volatile.Read(ref ends))
            {
                rig.Worker.Dispatch(lookup.Segments, reply.Segments);
                rig.Worker.Dispatch(unlink.Segments, reply.Segments);
            }
        });
        thread.Start();
        try
        {
            for (int seen = 0, i = 0; seen < 100 && i < 100_000; i++)
            {
                foreach (RequestUnderWay request in watch.List())
                {
                    seen++;
                    Assert.Equal(request.Opcode == FUSE_LOOKUP ? "name" : "other", request.Name);
                }
            }
        }
        finally
        {
            Volatile.Write(ref ends, true);
            thread.Join();
        }
    }

    private static int Send(Rig rig, FuseOpcode opcode, Bytes body) =>
        rig.Worker.Dispatch(Pieces.Whole(FuseCase.Message(opcode, body)).Segments, Pieces.Whole(8192).Segments);

    private sealed class WaitingFileSystem : IFileSystem, IDisposable
    {
        public ManualResetEventSlim Entered { get; } = new();

        public ManualResetEventSlim Go { get; } = new();

        public Errno Init(in RequestContext context, InitFlags offered, out InitFlags accepted)
        {
            accepted = InitFlags.None;
            return Errno.OK;
        }

        public Errno Lookup(in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, out Entry entry)
        {
            entry = default;
            Entered.Set();
            Go.Wait();
            return Errno.ENOENT;
        }

        public void Dispose()
        {
            Entered.Dispose();
            Go.Dispose();
        }
    }

    private sealed class ThrowingFileSystem : IFileSystem
    {
        public Errno Init(in RequestContext context, InitFlags offered, out InitFlags accepted)
        {
            accepted = InitFlags.None;
            return Errno.OK;
        }

        public Errno Lookup(in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, out Entry entry) =>
            throw new InvalidOperationException();
    }

    /// <summary>A clock that can be set has nothing to say here.</summary>
    private sealed class ManualTime : TimeProvider
    {
        public long Seconds { get; set; } = 1000;

        public override long TimestampFrequency => 1;

        public override long GetTimestamp() => Seconds;

        public override DateTimeOffset GetUtcNow() => throw new InvalidOperationException("the time of day was asked for");
    }
}
