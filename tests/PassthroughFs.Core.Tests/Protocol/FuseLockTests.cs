using System;
using System.Diagnostics;
using System.Linq;
using System.Threading;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Protocol;
using Xunit;
using static PassthroughFs.Core.Protocol.FuseOpcode;

namespace PassthroughFs.Core.Tests.Protocol;

/// <summary>Requests that wait for a lock, and none of the workers does.</summary>
public sealed class FuseLockTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);

    private readonly RecordingTransport _transport = new() { CanReplyLater = true };
    private readonly LockedFileSystem _fs = new();
    private readonly Rig _rig;

    public FuseLockTests()
    {
        _rig = new Rig(transport: _transport, fs: _fs);
        _rig.Start();
    }

    [Fact]
    public void A_lock_that_is_taken_is_refused_at_once_without_waiting()
    {
        Assert.Equal(Errno.EAGAIN, _rig.Error(Request(FUSE_SETLK, 1)));
        Assert.Empty(_transport.Replies);
    }

    [Fact]
    public void Who_waits_is_answered_once_the_lock_is_free()
    {
        Assert.Null(_rig.Send(Request(FUSE_SETLKW, 1)));
        Thread.Sleep(30);
        Assert.Empty(_transport.Replies);
        _fs.IsFree = true;
        AssertReply(1, Errno.OK);
    }

    [Theory]
    [InlineData(FUSE_FLUSH)]
    [InlineData(FUSE_RELEASE)]
    [InlineData(FUSE_SETLK)]
    public void What_may_give_a_lock_back_is_a_chance_at_once(FuseOpcode opcode)
    {
        // So long that the pauses between attempts are at their longest.
        Assert.Null(_rig.Send(Request(FUSE_SETLKW, 1)));
        Thread.Sleep(300);
        TimeSpan[] took = [.. Enumerable.Range(0, 10).Select(_ =>
        {
            int before = _fs.Attempts;
            long start = Stopwatch.GetTimestamp();
            byte[] request = opcode == FUSE_SETLK
                ? Request(FUSE_SETLK, 2, LockType.F_UNLCK)
                : FuseCase.Message(opcode, new Bytes().Zeros(24));
            _rig.Send(request);
            int own = opcode == FUSE_SETLK ? 1 : 0;
            Assert.True(SpinWait.SpinUntil(() => _fs.Attempts > before + own, s_patience));
            TimeSpan time = Stopwatch.GetElapsedTime(start);
            Thread.Sleep(200);
            return time;
        })];
        Assert.True(took.Order().ElementAt(3) < TimeSpan.FromMilliseconds(20), string.Join(' ', took));
        _fs.IsFree = true;
        AssertReply(1, Errno.OK);
    }

    [Fact]
    public void Who_can_never_have_it_is_told()
    {
        Assert.Null(_rig.Send(Request(FUSE_SETLKW, 1)));
        _fs.Taken = Errno.EBADF;
        AssertReply(1, Errno.EBADF);
    }

    [Fact]
    public void A_file_system_that_throws_is_answered_for()
    {
        Assert.Null(_rig.Send(Request(FUSE_SETLKW, 1)));
        _fs.Throws = true;
        AssertReply(1, Errno.EIO);
    }

    [Fact]
    public void An_interrupted_wait_ends_and_the_others_go_on()
    {
        Assert.Null(_rig.Send(Request(FUSE_SETLKW, 1)));
        Assert.Null(_rig.Send(Request(FUSE_SETLKW, 2)));
        Assert.Null(_rig.Send(FUSE_INTERRUPT, new Bytes().U64(1)));
        AssertReply(1, Errno.EINTR);
        Assert.False(_transport.Replies.TryTake(out _, 50, TestContext.Current.CancellationToken));
        _fs.IsFree = true;
        AssertReply(2, Errno.OK);
        Assert.False(_transport.Replies.TryTake(out _, 50, TestContext.Current.CancellationToken));
    }

    [Fact]
    public void An_interruption_that_comes_first_is_remembered()
    {
        for (ulong unique = 1; unique <= 200; unique++)
        {
            Assert.Null(_rig.Send(FUSE_INTERRUPT, new Bytes().U64(unique)));
        }

        Assert.Equal(Errno.EINTR, _rig.Error(Request(FUSE_SETLKW, 200)));
        Assert.Equal(Errno.EINTR, _rig.Error(Request(FUSE_SETLKW, 137)));
        Assert.Null(_rig.Send(Request(FUSE_SETLKW, 136)));
        Assert.Null(_rig.Send(Request(FUSE_SETLKW, 0)));
    }

    [Fact]
    public void However_many_wait_memory_is_bounded()
    {
        for (ulong unique = 1; unique <= LockWaiters.MostWaiting; unique++)
        {
            Assert.Null(_rig.Send(Request(FUSE_SETLKW, unique)));
        }

        Assert.Equal(Errno.ENOLCK, _rig.Error(Request(FUSE_SETLKW, 9999)));
        _fs.IsFree = true;
        ulong[] answered = [.. Enumerable.Range(0, LockWaiters.MostWaiting).Select(_ => Take().Unique)];
        Assert.Equal(LockWaiters.MostWaiting, answered.Distinct().Count());
        Assert.False(_transport.Replies.TryTake(out _, 50, TestContext.Current.CancellationToken));
    }

    [Fact]
    public void Those_who_wait_get_it_in_the_order_they_came()
    {
        foreach (ulong unique in new ulong[] { 5, 3, 4 })
        {
            Assert.Null(_rig.Send(Request(FUSE_SETLKW, unique)));
        }

        _fs.IsFree = true;
        Assert.Equal<ulong[]>([5, 3, 4], [Take().Unique, Take().Unique, Take().Unique]);
    }

    [Fact]
    public void With_the_session_all_waiting_ends()
    {
        Assert.Null(_rig.Send(Request(FUSE_SETLKW, 1)));
        Assert.Equal(Errno.OK, _rig.Error(FUSE_DESTROY, new Bytes()));
        int attempts = _fs.Attempts;
        _fs.IsFree = true;
        Assert.False(_transport.Replies.TryTake(out _, 200, TestContext.Current.CancellationToken));
        Assert.Equal(attempts, _fs.Attempts);

        // And the next one begins anew.
        _fs.IsFree = false;
        _rig.Start();
        Assert.Null(_rig.Send(Request(FUSE_SETLKW, 7)));
        _fs.IsFree = true;
        AssertReply(7, Errno.OK);
    }

    [Fact]
    public void Without_a_way_to_reply_later_nobody_waits()
    {
        Rig rig = Rig.Started(fs: _fs, transport: new RecordingTransport());
        Assert.Equal(InitFlags.None, rig.Session.NegotiatedFlags & FuseNegotiation.NeedsLateReplies);
        Assert.Equal(Errno.ENOSYS, rig.Error(Request(FUSE_SETLKW, 1)));
    }

    [Fact]
    public void Nobody_waits_by_a_thread()
    {
        Assert.Null(_rig.Send(Request(FUSE_SETLKW, 1)));
        _fs.IsFree = true;
        AssertReply(1, Errno.OK);
        Assert.True(SpinWait.SpinUntil(() => !_fs.LastThread!.IsAlive, s_patience));
    }

    private static byte[] Request(FuseOpcode opcode, ulong unique, LockType type = LockType.F_WRLCK)
    {
        byte[] message = FuseCase.Message(opcode, FuseCases.Lock((uint)type));
        BitConverter.TryWriteBytes(message.AsSpan(8), unique);
        return message;
    }

    private (ulong Unique, Errno Errno) Take()
    {
        Assert.True(_transport.Replies.TryTake(out byte[]? reply, s_patience));
        Assert.Equal(16, reply.Length);
        Assert.Equal(16, BitConverter.ToInt32(reply));
        return (BitConverter.ToUInt64(reply, 8), (Errno)(-BitConverter.ToInt32(reply, 4)));
    }

    private void AssertReply(ulong unique, Errno errno) => Assert.Equal((unique, errno), Take());

    /// <summary>One lock, taken by somebody or free for all.</summary>
    private sealed class LockedFileSystem : IFileSystem
    {
        private int _attempts;

        public volatile bool IsFree;
        public volatile bool Throws;
        public volatile Errno Taken = Errno.EAGAIN;

        public int Attempts => Volatile.Read(ref _attempts);

        public Thread? LastThread { get; private set; }

        public Errno Init(in RequestContext context, InitFlags offered, out InitFlags accepted)
        {
            accepted = offered;
            return Errno.OK;
        }

        public Errno SetLk(
            in RequestContext context, NodeId node, Handle handle, LockOwner owner, in FileLock wanted, LockFlags flags)
        {
            LastThread = Thread.CurrentThread;
            Interlocked.Increment(ref _attempts);
            return Throws ? throw new InvalidOperationException("as asked") : IsFree ? Errno.OK : Taken;
        }
    }
}
