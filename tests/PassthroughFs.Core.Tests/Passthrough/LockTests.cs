using System;
using System.IO;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Passthrough;
using Xunit;

namespace PassthroughFs.Core.Tests.Passthrough;

/// <summary>Locks are the host's: everybody who uses the directory meets them.</summary>
public sealed class LockTests : DescriptorCheck
{
    private const InitFlags Locks = InitFlags.FUSE_POSIX_LOCKS | InitFlags.FUSE_FLOCK_LOCKS;
    private const ulong End = FileLock.ToTheEnd;

    private readonly HostDirectory _directory = new();

    private static RequestContext Context => default;

    public static TheoryData<InodeFileHandles> Handles => [InodeFileHandles.Never, InodeFileHandles.Prefer];

    [Theory]
    [MemberData(nameof(Handles))]
    public void Two_owners_contend_and_one_owner_does_not(InodeFileHandles handles)
    {
        using Client client = New(config => config.InodeFileHandles = handles);
        File file = client.Open("f");
        Assert.Equal(Errno.OK, file.Set(1, LockType.F_WRLCK, 0, 9));
        Assert.Equal(Errno.EAGAIN, file.Set(2, LockType.F_RDLCK, 9, 9));
        Assert.Equal(Errno.OK, file.Set(2, LockType.F_WRLCK, 10, End));
        Assert.Equal(Errno.OK, file.Set(1, LockType.F_RDLCK, 5, 9));
        Assert.Equal(Errno.OK, file.Set(2, LockType.F_RDLCK, 9, 9));
        Assert.Equal(Errno.EAGAIN, file.Set(2, LockType.F_RDLCK, 4, 4));
        Assert.Equal(Errno.OK, file.Set(1, LockType.F_UNLCK, 0, 4));
        Assert.Equal(Errno.OK, file.Set(2, LockType.F_WRLCK, 0, 4));
    }

    [Fact]
    public void Two_file_systems_on_one_directory_contend()
    {
        using Client a = New(), b = New();
        File one = a.Open("f"), other = b.Open("f");
        Assert.Equal(Errno.OK, one.Set(1, LockType.F_WRLCK, 0, End));
        Assert.Equal(Errno.EAGAIN, other.Set(1, LockType.F_RDLCK, 5, 5));
        Assert.Equal(Errno.OK, one.Flock(LockType.F_WRLCK));
        Assert.Equal(Errno.EAGAIN, other.Flock(LockType.F_RDLCK));
        one.Flush(1);
        Assert.Equal(Errno.OK, other.Set(1, LockType.F_RDLCK, 5, 5));
        one.Release();
        Assert.Equal(Errno.OK, other.Flock(LockType.F_RDLCK));
    }

    [Fact]
    public void A_lock_goes_with_the_first_close_of_its_owner_and_no_others_do()
    {
        using Client client = New();
        File first = client.Open("f"), second = client.Open("f"), elsewhere = client.Open("g");
        Assert.Equal(Errno.OK, first.Set(1, LockType.F_RDLCK, 0, 0));
        Assert.Equal(Errno.OK, first.Set(2, LockType.F_RDLCK, 0, 0));
        Assert.Equal(Errno.OK, elsewhere.Set(1, LockType.F_WRLCK, 0, 0));

        // POSIX: by whichever of its descriptors.
        Assert.Equal(Errno.OK, second.Flush(1));
        Assert.Equal(Errno.EAGAIN, first.Set(3, LockType.F_WRLCK, 0, 0));
        Assert.Equal(Errno.EAGAIN, elsewhere.Set(3, LockType.F_WRLCK, 0, 0));
        Assert.Equal(Errno.OK, first.Flush(2));
        Assert.Equal(Errno.OK, first.Set(3, LockType.F_WRLCK, 0, 0));
    }

    [Fact]
    public void Asking_names_the_holder_and_leaves_nothing_behind()
    {
        using Client client = New();
        File file = client.Open("f");
        Assert.Equal(Errno.OK, file.Set(1, LockType.F_WRLCK, 10, 19, pid: 111));
        Assert.Equal(Errno.OK, file.Set(2, LockType.F_RDLCK, 30, End, pid: 222));
        Assert.Equal(new FileLock { Type = LockType.F_WRLCK, Start = 10, End = 19, Pid = 111 }, file.Get(3, 0, End));
        Assert.Equal(new FileLock { Type = LockType.F_RDLCK, Start = 30, End = End, Pid = 222 }, file.Get(3, 20, End));
        Assert.Equal(LockType.F_UNLCK, file.Get(3, 20, 29).Type);
        Assert.Equal(LockType.F_UNLCK, file.Get(1, 0, 20).Type);
        Assert.Equal(LockType.F_RDLCK, file.Get(1, 0, 100).Type);
        int before = Count;
        for (ulong owner = 100; owner < 120; owner++)
        {
            _ = file.Get(owner, 0, 0);
        }

        Assert.Equal(before, Count);
        using Client host = New();
        Assert.Equal(0u, host.Open("f").Get(1, 0, 9 + 1).Pid);
    }

    [Fact]
    public void Of_those_who_read_the_same_bytes_one_is_named()
    {
        Assert.SkipUnless(Environment.OSVersion.Version >= new Version(6, 6), "needs Linux 6.6: F_OFD_GETLK with F_UNLCK");
        using Client client = New();
        File file = client.Open("f");
        Assert.Equal(Errno.OK, file.Set(3, LockType.F_RDLCK, 0, 4, pid: 333));
        Assert.Equal(Errno.OK, file.Set(4, LockType.F_WRLCK, 50, 59, pid: 444));
        Assert.Equal(Errno.OK, file.Set(1, LockType.F_RDLCK, 10, 19, pid: 111));
        Assert.Equal(Errno.OK, file.Set(2, LockType.F_RDLCK, 10, 19, pid: 222));
        Assert.Contains(file.Get(5, 10, 30).Pid, new[] { 111u, 222u });
        Assert.Equal(222u, file.Get(1, 10, 30).Pid);
        Assert.Equal(333u, file.Get(5, 0, 4).Pid);
    }

    [Fact]
    public void A_file_must_be_open_for_what_the_lock_is_for()
    {
        using Client client = New();
        File reading = client.Open("f", Linux.O_RDONLY), writing = client.Open("f", Linux.O_WRONLY);
        Assert.Equal(Errno.EBADF, reading.Set(1, LockType.F_WRLCK, 0, 0));
        Assert.Equal(Errno.EBADF, writing.Set(1, LockType.F_RDLCK, 0, 0));
        Assert.Equal(Errno.OK, reading.Set(1, LockType.F_RDLCK, 0, 0));
        Assert.Equal(Errno.OK, writing.Set(1, LockType.F_WRLCK, 0, 0));
        Assert.Equal(Errno.OK, reading.Set(1, LockType.F_UNLCK, 0, 0));
        Assert.Equal(Errno.EBADF, client.SetOf(new NodeId(999), reading.Handle));
        Assert.Equal(Errno.EBADF, client.SetOf(reading.Node, new Handle(12345)));
    }

    [Fact]
    public void What_is_read_only_can_be_read_locked_and_not_write_locked()
    {
        _directory.File("f");
        using Client client = New(config => config.ReadOnly = true);
        File file = client.Open("f", Linux.O_RDONLY);
        Assert.Equal(Errno.OK, file.Set(1, LockType.F_RDLCK, 0, End));
        Assert.Equal(Errno.EBADF, file.Set(1, LockType.F_WRLCK, 0, End));
    }

    [Fact]
    public void Flock_belongs_to_the_open_file()
    {
        using Client client = New();
        File one = client.Open("f"), other = client.Open("f");
        Assert.Equal(Errno.OK, one.Flock(LockType.F_RDLCK));
        Assert.Equal(Errno.OK, other.Flock(LockType.F_RDLCK));
        Assert.Equal(Errno.EAGAIN, one.Flock(LockType.F_WRLCK));
        Assert.Equal(Errno.OK, other.Flock(LockType.F_UNLCK));
        Assert.Equal(Errno.OK, one.Flock(LockType.F_WRLCK));

        // The two kinds do not meet each other.
        Assert.Equal(Errno.OK, other.Set(1, LockType.F_WRLCK, 0, End));
        Assert.Equal(Errno.OK, one.Flush(1));
        Assert.Equal(Errno.EAGAIN, other.Flock(LockType.F_RDLCK));

        // Gone at the release, even while a request has the file in use.
        using (client.Fs.Handles.Get(one.Handle, one.Node))
        {
            one.Release(ReleaseFlags.FUSE_RELEASE_FLOCK_UNLOCK);
            Assert.Equal(Errno.OK, other.Flock(LockType.F_RDLCK));
        }
    }

    [Fact]
    public void With_the_session_all_locks_are_gone()
    {
        using Client client = New(), other = New();
        File file = client.Open("f");
        Assert.Equal(Errno.OK, file.Set(1, LockType.F_WRLCK, 0, End));
        Assert.Equal(Errno.OK, file.Flock(LockType.F_WRLCK));
        client.Fs.Destroy(Context);
        File same = other.Open("f");
        Assert.Equal(Errno.OK, same.Set(1, LockType.F_WRLCK, 0, End));
        Assert.Equal(Errno.OK, same.Flock(LockType.F_WRLCK));
    }

    [Fact]
    public void Without_a_descriptor_left_the_answer_is_no_locks()
    {
        using Client client = New();
        File file = client.Open("f");
        Assert.Equal(Errno.OK, file.Set(1, LockType.F_RDLCK, 0, 0));
        using (OpenFileLimit.LeaveFree(0))
        {
            Assert.Equal(Errno.ENOLCK, file.Set(2, LockType.F_RDLCK, 0, 0));
            Assert.Equal(Errno.OK, file.Set(1, LockType.F_RDLCK, 5, 5));
        }

        Assert.Equal(Errno.OK, file.Set(2, LockType.F_RDLCK, 0, 0));
    }

    [Fact]
    public void An_open_files_locks_go_with_it_and_with_no_flush()
    {
        using Client client = New();
        File file = client.Open("f"), other = client.Open("f"), elsewhere = client.Open("g");
        Assert.Equal(Errno.OK, file.Set(1, LockType.F_WRLCK, 0, 9));
        Assert.Equal(Errno.OK, other.Set(2, LockType.F_WRLCK, 20, 29));
        Assert.Equal(Errno.OK, elsewhere.Set(3, LockType.F_WRLCK, 0, 9));

        // The process that closes is another owner than the open file.
        Assert.Equal(Errno.OK, file.Flush(7));
        Assert.Equal(Errno.EAGAIN, other.Set(2, LockType.F_WRLCK, 0, 9));
        file.Release();
        Assert.Equal(Errno.OK, other.Set(2, LockType.F_WRLCK, 0, 9));
        File again = client.Open("f"), there = client.Open("g");
        Assert.Equal(Errno.EAGAIN, again.Set(1, LockType.F_WRLCK, 20, 20));
        Assert.Equal(Errno.EAGAIN, there.Set(1, LockType.F_WRLCK, 0, 9));
    }

    [Fact]
    public void Who_locks_by_two_open_files_keeps_locks_until_the_last_goes()
    {
        using Client client = New();
        File one = client.Open("f"), two = client.Open("f"), other = client.Open("f");
        Assert.Equal(Errno.OK, one.Set(1, LockType.F_WRLCK, 0, 0));
        Assert.Equal(Errno.OK, two.Set(1, LockType.F_WRLCK, 5, 5));
        one.Release();
        Assert.Equal(Errno.EAGAIN, other.Set(2, LockType.F_WRLCK, 5, 5));
        two.Release();
        Assert.Equal(Errno.OK, other.Set(2, LockType.F_WRLCK, 0, 9));
    }

    [Fact]
    public void However_often_a_file_is_locked_and_closed_no_descriptor_stays()
    {
        using Client client = New();
        File other = client.Open("f");
        Assert.Equal(Errno.OK, other.Set(1, LockType.F_WRLCK, 0, 0));
        int before = Count;
        for (ulong owner = 2; owner < 10_002; owner++)
        {
            File file = client.Open("f");
            Assert.Equal(Errno.OK, file.Set(owner, LockType.F_WRLCK, 1, 1));
            Assert.Equal(Errno.EAGAIN, file.Set(owner, LockType.F_RDLCK, 0, 0));
            Assert.Equal(Errno.OK, file.Flush(1_000_000));
            file.Release();
        }

        Assert.Equal(before, Count);
    }

    [Fact]
    public void A_lock_that_comes_after_the_close_goes_with_the_open_file()
    {
        // A thread waits while another closes: FLUSH, then the lock, then RELEASE.
        using Client client = New();
        File file = client.Open("f"), other = client.Open("f");
        Assert.Equal(Errno.OK, file.Flush(1));
        Assert.Equal(Errno.OK, file.Set(1, LockType.F_WRLCK, 0, End));
        file.Release();
        Assert.Equal(Errno.OK, other.Set(2, LockType.F_WRLCK, 0, End));
        Assert.Equal(Errno.EBADF, file.Set(1, LockType.F_WRLCK, 0, End));
    }

    [Fact]
    public void The_holder_is_named_after_a_part_was_unlocked_or_a_try_failed()
    {
        using Client client = New();
        File file = client.Open("f");
        Assert.Equal(Errno.OK, file.Set(1, LockType.F_WRLCK, 0, 99, pid: 111));
        Assert.Equal(Errno.OK, file.Set(1, LockType.F_UNLCK, 50, 59));
        Assert.Equal(111u, file.Get(2, 0, 99).Pid);
        Assert.Equal(111u, file.Get(2, 60, 60).Pid);
        Assert.Equal(Errno.OK, file.Set(2, LockType.F_WRLCK, 50, 59, pid: 222));
        Assert.Equal(Errno.EAGAIN, file.Set(2, LockType.F_WRLCK, 0, 0, pid: 333));
        Assert.Equal(222u, file.Get(1, 50, 59).Pid);
    }

    [Fact]
    public void Only_what_was_asked_for_is_agreed_on()
    {
        using PassthroughFileSystem none = new(new PassthroughConfig { RootDir = _directory.Path });
        none.Init(Context, Locks, out InitFlags accepted);
        Assert.Equal(InitFlags.None, accepted);
        string fault = Assert.Single(PassthroughConfigValidator.Validate(
            new PassthroughConfig { FlockLocks = true, NoOpen = true, CachePolicy = CachePolicy.Always }));
        Assert.Contains("FlockLocks conflicts with NoOpen", fault, StringComparison.Ordinal);
        fault = Assert.Single(PassthroughConfigValidator.Validate(
            new PassthroughConfig { PosixLocks = true, NoOpen = true, CachePolicy = CachePolicy.Always }));
        Assert.Contains("PosixLocks conflicts with NoOpen", fault, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_is_only_read_is_flushed_where_its_locks_go_by_that()
    {
        using Client client = New();
        Assert.False(client.OpenReply("f", Linux.O_RDONLY).Flags.HasFlag(OpenReplyFlags.FOPEN_NOFLUSH));
        using Client without = New(config => config.PosixLocks = false);
        Assert.True(without.OpenReply("f", Linux.O_RDONLY).Flags.HasFlag(OpenReplyFlags.FOPEN_NOFLUSH));
    }

    protected override void Cleanup() => _directory.Dispose();

    private Client New(Action<PassthroughConfig>? change = null, InitFlags also = InitFlags.None)
    {
        PassthroughConfig config = new() { RootDir = _directory.Path, PosixLocks = true, FlockLocks = true };
        change?.Invoke(config);
        return new Client(new PassthroughFileSystem(config), also, _directory);
    }

    private sealed class Client : IDisposable
    {
        private readonly HostDirectory _directory;

        public Client(PassthroughFileSystem fs, InitFlags also, HostDirectory directory)
        {
            Fs = fs;
            _directory = directory;
            Assert.Equal(Errno.OK, fs.Init(Context, Locks | also, out InitFlags accepted));
            Assert.Equal(also, accepted & also);
        }

        public PassthroughFileSystem Fs { get; }

        public NodeId Lookup(string name)
        {
            Assert.Equal(Errno.OK, Fs.Lookup(Context, NodeId.Root, name, out Entry entry));
            return entry.Node;
        }

        public OpenReply OpenReply(string name, uint flags)
        {
            if (!System.IO.File.Exists(Path.Combine(_directory.Path, name)))
            {
                _directory.File(name);
            }

            Assert.Equal(Errno.OK, Fs.Open(Context, Lookup(name), flags, default, out OpenReply reply));
            return reply;
        }

        public File Open(string name, uint flags = Linux.O_RDWR)
        {
            Handle handle = OpenReply(name, flags).Handle;
            return new File(this, Lookup(name), handle);
        }

        public Errno SetOf(NodeId node, Handle handle) => new File(this, node, handle).Set(9, LockType.F_RDLCK, 0, 0);

        public void Dispose() => Fs.Dispose();
    }

    private sealed class File(Client client, NodeId node, Handle handle)
    {
        public NodeId Node => node;

        public Handle Handle => handle;

        public Errno Set(ulong owner, LockType type, ulong start, ulong end, uint pid = 0) => client.Fs.SetLk(
            Context, node, handle, new LockOwner(owner),
            new FileLock { Type = type, Start = start, End = end, Pid = pid }, LockFlags.None);

        public Errno Flock(LockType type) => client.Fs.SetLk(
            Context, node, handle, new LockOwner(77), new FileLock { Type = type, End = End }, LockFlags.FUSE_LK_FLOCK);

        public FileLock Get(ulong owner, ulong start, ulong end)
        {
            FileLock wanted = new() { Type = LockType.F_WRLCK, Start = start, End = end };
            Assert.Equal(
                Errno.OK, client.Fs.GetLk(Context, node, handle, new LockOwner(owner), wanted, out FileLock found));
            return found;
        }

        public Errno Flush(ulong owner) => client.Fs.Flush(Context, node, handle, new LockOwner(owner));

        public void Release(ReleaseFlags flags = default) => Assert.Equal(
            Errno.OK,
            client.Fs.Release(Context, node, handle, new ReleaseRequest { ReleaseFlags = flags }));
    }
}
