using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
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
    public void Who_waits_goes_on_waiting_at_a_successor()
    {
        Assert.Null(_rig.Send(Request(FUSE_SETLKW, 1)));
        Assert.Null(_rig.Send(FUSE_INTERRUPT, new Bytes().U64(7)));
        using var stream = new MemoryStream();
        _rig.Session.SaveState(stream, []);
        _fs.IsFree = true;
        Assert.False(_transport.Replies.TryTake(out _, 150, TestContext.Current.CancellationToken));
        stream.Position = 0;
        var transport = new RecordingTransport { CanReplyLater = true };
        var next = new Rig(transport: transport, fs: _fs);
        using var fds = new KeptFds([]);
        next.Session.RestoreState(stream, fds);
        Assert.Equal(
            (_rig.Session.NegotiatedFlags, _rig.Session.MaxWrite, _rig.Session.ProtocolMinor),
            (next.Session.NegotiatedFlags, next.Session.MaxWrite, next.Session.ProtocolMinor));
        Assert.False(transport.Replies.TryTake(out _, 150, TestContext.Current.CancellationToken));
        next.Session.Resume();
        Assert.True(transport.Replies.TryTake(out byte[]? reply, s_patience));
        Assert.Equal((1ul, 0), (BitConverter.ToUInt64(reply, 8), BitConverter.ToInt32(reply, 4)));
        _fs.IsFree = false;
        Assert.Equal(Errno.EINTR, next.Error(Request(FUSE_SETLKW, 7)));
    }

    [Fact]
    public void If_the_successor_is_given_up_who_waits_is_answered_here()
    {
        Assert.Null(_rig.Send(Request(FUSE_SETLKW, 1)));
        _rig.Session.SaveState(Stream.Null, []);
        _fs.IsFree = true;
        Assert.False(_transport.Replies.TryTake(out _, 150, TestContext.Current.CancellationToken));
        _rig.Session.Resume();
        AssertReply(1, Errno.OK);
    }

    [Fact]
    public void A_session_that_does_not_fit_is_refused()
    {
        using var stream = new MemoryStream();
        _rig.Session.SaveState(stream, []);
        using var fds = new KeptFds([]);
        stream.Position = 0;
        var small = new FuseSession(_fs, new FuseSessionOptions { MaxWrite = 4096 }, _transport);
        Assert.Contains(
            "set MaxWrite as it was", Assert.Throws<InvalidDataException>(() => small.RestoreState(stream, fds)).Message,
            StringComparison.Ordinal);
        stream.Position = 0;
        var silent = new FuseSession(_fs, new FuseSessionOptions());
        Assert.Contains(
            "FUSE_POSIX_LOCKS", Assert.Throws<InvalidDataException>(() => silent.RestoreState(stream, fds)).Message,
            StringComparison.Ordinal);
        stream.Position = 0;
        Assert.Throws<InvalidOperationException>(() => _rig.Session.RestoreState(stream, fds));
        Assert.Throws<InvalidOperationException>(() => silent.SaveState(stream, []));
        Assert.False(small.IsInitialized || silent.IsInitialized);
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
    private sealed class LockedFileSystem : IStatefulFileSystem
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

        public void SaveState(Stream stream, IList<int> keepFds)
        {
        }

        public void RestoreState(Stream stream, KeptFds fds)
        {
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
