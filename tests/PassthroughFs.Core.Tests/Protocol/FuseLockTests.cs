using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Runtime.CompilerServices;
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
    [InlineData(FUSE_FLUSH, LockType.F_UNLCK)]
    [InlineData(FUSE_RELEASE, LockType.F_UNLCK)]
    [InlineData(FUSE_SETLK, LockType.F_UNLCK)]
    [InlineData(FUSE_SETLK, LockType.F_RDLCK)]
    [InlineData(FUSE_SETLKW, LockType.F_RDLCK)]
    public void What_may_give_a_lock_back_is_a_chance_at_once(FuseOpcode opcode, LockType less)
    {
        OnlyByChance();
        WaitUntilTried(Request(FUSE_SETLKW, 1));
        _fs.FreeFor = less == LockType.F_RDLCK ? 2ul : 0;
        _rig.Send(opcode is FUSE_SETLK or FUSE_SETLKW
            ? Request(opcode, 2, less)
            : FuseCase.Message(opcode, new Bytes().Zeros(24)));
        int own = opcode is FUSE_SETLK or FUSE_SETLKW ? 1 : 0;
        Until(() => _fs.Attempts == 3 + own);
        _fs.IsFree = true;
        _rig.Send(Request(FUSE_SETLK, 3, LockType.F_UNLCK));
        AssertReply(1, Errno.OK);
    }

    [Fact]
    public void Who_waited_and_now_only_reads_is_a_chance_for_those_before()
    {
        OnlyByChance();
        WaitUntilTried(Request(FUSE_SETLKW, 1));
        WaitUntilTried(Request(FUSE_SETLKW, 2, LockType.F_RDLCK), others: 1);
        _fs.FreeFor = 2;
        _fs.FreesAll = true;
        _rig.Send(Request(FUSE_SETLK, 3, LockType.F_UNLCK));
        AssertReply(2, Errno.OK);
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
    public void Who_would_wait_in_a_session_that_has_ended_is_told()
    {
        _fs.Meanwhile = () => _rig.Session.Destroy(default);
        Assert.Equal(Errno.EIO, _rig.Error(Request(FUSE_SETLKW, 1)));
        _fs.Meanwhile = null;
        _rig.Start();
        _fs.IsFree = true;
        Assert.False(_transport.Replies.TryTake(out _, 100, TestContext.Current.CancellationToken));
    }

    [Fact]
    public void A_session_ends_and_another_begins_while_a_request_of_the_first_fails()
    {
        _fs.Meanwhile = () => _rig.Session.CreateWorker().Dispatch(
            Pieces.Whole(FuseCase.Message(FUSE_INIT, FuseCases.Init())).Segments, Pieces.Whole(8192).Segments);
        Assert.Equal(Errno.EIO, _rig.Error(Request(FUSE_SETLKW, 1)));
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(10)]
    public void Whoever_closes_a_ring_of_processes_is_told(int length)
    {
        OnlyByChance();
        for (uint process = 1; process < length; process++)
        {
            _fs.Holders[process] = 100 + process + 1;
            WaitUntilTried(Request(FUSE_SETLKW, process, pid: 100 + process), others: (int)process - 1);
        }

        var last = (uint)length;
        _fs.Holders[last] = 101;
        Assert.Null(_rig.Send(Request(FUSE_SETLKW, last, pid: 100 + last)));
        AssertReply(last, Errno.EDEADLK);
        FreeAll();
        for (uint process = 1; process < length; process++)
        {
            AssertReply(process, Errno.OK);
        }
    }

    [Theory]
    [InlineData("a lock of the same process, by an open file", 101u, 101u, 101u, 101u, 0u)]
    [InlineData("processes that are not known", 0u, 0u, 0u, 0u, 0u)]
    [InlineData("flock", 101u, 102u, 102u, 101u, 1u)]
    [InlineData("a chain that ends", 101u, 102u, 102u, 103u, 0u)]
    public void What_is_no_ring_of_processes_waits(
        string what, uint first, uint firstMeets, uint second, uint secondMeets, uint flags)
    {
        Assert.NotEmpty(what);
        OnlyByChance();
        _fs.Holders[1] = firstMeets;
        _fs.Holders[2] = secondMeets;
        WaitUntilTried(Request(FUSE_SETLKW, 1, pid: first, flags: flags));
        WaitUntilTried(Request(FUSE_SETLKW, 2, pid: second, flags: flags), others: 1);
        FreeAll();
        AssertReply(1, Errno.OK);
        AssertReply(2, Errno.OK);
    }

    [Fact]
    public void No_request_starts_a_thread()
    {
        Assert.Null(_rig.Send(Request(FUSE_SETLKW, 1)));
        _fs.IsFree = true;
        AssertReply(1, Errno.OK);
        Thread first = _fs.LastThread!;
        Assert.NotSame(Thread.CurrentThread, first);
        _fs.IsFree = false;
        Thread.Sleep(100);
        Assert.Null(_rig.Send(Request(FUSE_SETLKW, 2)));
        _fs.IsFree = true;
        AssertReply(2, Errno.OK);
        Assert.Same(first, _fs.LastThread);
    }

    [Fact]
    public void The_thread_ends_with_a_session_that_nobody_has_any_more()
    {
        Thread thread = ThreadOfASession();
        Until(() =>
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            return !thread.IsAlive;
        });
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Thread ThreadOfASession()
    {
        var fs = new LockedFileSystem();
        var transport = new RecordingTransport { CanReplyLater = true };
        Rig rig = Rig.Started(fs: fs, transport: transport);
        Assert.Null(rig.Send(Request(FUSE_SETLKW, 1)));
        fs.IsFree = true;
        Assert.True(transport.Replies.TryTake(out _, s_patience));
        return fs.LastThread!;
    }

    private static void Until(Func<bool> condition) => Assert.True(SpinWait.SpinUntil(condition, s_patience));

    /// <summary>No pause ends: whoever waits is tried again only when the client has given something back.</summary>
    private void OnlyByChance() => _rig.Session.LockWaiters.Pauses = (-1, -1);

    /// <summary>Has a request wait, until it and the others that wait were tried.</summary>
    private void WaitUntilTried(byte[] request, int others = 0)
    {
        int before = _fs.Attempts;
        Assert.Null(_rig.Send(request));
        Until(() => _fs.Attempts == before + 2 + others && _rig.Session.LockWaiters.IsIdle);
    }

    private void FreeAll()
    {
        _fs.IsFree = true;
        _rig.Send(Request(FUSE_SETLK, 999, LockType.F_UNLCK));
    }

    private static byte[] Request(
        FuseOpcode opcode, ulong unique, LockType type = LockType.F_WRLCK, uint pid = 5, uint flags = 0)
    {
        byte[] message = FuseCase.Message(opcode, FuseCases.Lock((uint)type, flags));
        BitConverter.TryWriteBytes(message.AsSpan(8), unique);
        BitConverter.TryWriteBytes(message.AsSpan(76), pid);
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

        // For one request alone, and with FreesAll for all others afterwards.
        public ulong FreeFor;
        public volatile bool FreesAll;
        public volatile bool Throws;
        public volatile Errno Taken = Errno.EAGAIN;

        public int Attempts => Volatile.Read(ref _attempts);

        public Thread? LastThread { get; private set; }

        /// <summary>Is done within each call.</summary>
        public Action? Meanwhile { get; set; }

        /// <summary>Whose lock a request meets.</summary>
        public ConcurrentDictionary<ulong, uint> Holders { get; } = [];

        public Errno Init(in RequestContext context, InitFlags offered, out InitFlags accepted)
        {
            accepted = offered;
            return Errno.OK;
        }

        public Errno GetLk(
            in RequestContext context, NodeId node, Handle handle, LockOwner owner, in FileLock wanted, out FileLock found)
        {
            found = new FileLock
            {
                Type = LockType.F_WRLCK,
                End = FileLock.ToTheEnd,
                Pid = Holders.GetValueOrDefault(context.Id.Value),
            };
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
            Meanwhile?.Invoke();
            if (Volatile.Read(ref FreeFor) is not 0 and ulong chosen && chosen == context.Id.Value)
            {
                IsFree |= FreesAll;
                return Errno.OK;
            }

            return Throws ? throw new InvalidOperationException("as asked") : IsFree ? Errno.OK : Taken;
        }
    }
}
