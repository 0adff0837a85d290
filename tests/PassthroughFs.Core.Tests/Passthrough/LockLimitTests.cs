using PassthroughFs.Core.Api;
using PassthroughFs.Core.Passthrough;
using Xunit;

namespace PassthroughFs.Core.Tests.Passthrough;

/// <summary>Clients that have as many owners of locks as the process's memory allows.</summary>
public sealed class LockLimitTests : DescriptorCheck
{
    private readonly HostDirectory _directory = new();

    [Fact]
    public void More_owners_are_ENOLCK_until_one_has_closed_and_who_is_known_goes_on()
    {
        _directory.File("file");
        using PassthroughFileSystem a = New(), b = New();
        File file = Open(a), elsewhere = Open(b);
        int others = ClientMemory.MostLockOwners - 2;
        ClientMemory.AddLockOwners(others);
        try
        {
            Assert.Equal(Errno.OK, file.Lock(1, 0));
            Assert.Equal(Errno.OK, elsewhere.Lock(1, 1));

            // What there is, is there for all file systems of the process.
            Assert.Equal(Errno.ENOLCK, file.Lock(2, 2));
            Assert.Equal(Errno.ENOLCK, elsewhere.Lock(2, 2));
            Assert.Equal((1, 1), (a.Refused.LockOwners, b.Refused.LockOwners));
            Assert.Equal(Errno.OK, file.Lock(1, 2));
            Assert.Equal(Errno.OK, a.Flush(default, file.Node, file.Handle, new LockOwner(1)));
            Assert.Equal(Errno.OK, elsewhere.Lock(2, 2));
            Assert.Equal(Errno.ENOLCK, file.Lock(1, 3));
        }
        finally
        {
            ClientMemory.AddLockOwners(-others);
        }
    }

    [Fact]
    public void A_successor_counts_the_owners_that_it_takes_over_and_the_predecessor_none()
    {
        _directory.File("file");
        PassthroughFileSystem fs = New();
        File file = Open(fs);
        Assert.Equal(Errno.OK, file.Lock(1, 0));
        Assert.Equal(Errno.OK, file.Lock(2, 1));
        using PassthroughFileSystem next = HandOver.Succeed(fs);
        File still = file with { FileSystem = next };
        int others = ClientMemory.MostLockOwners - 3;
        ClientMemory.AddLockOwners(others);
        try
        {
            Assert.Equal(Errno.OK, still.Lock(3, 2));
            Assert.Equal(Errno.ENOLCK, still.Lock(4, 3));
        }
        finally
        {
            ClientMemory.AddLockOwners(-others);
        }
    }

    [Fact]
    public void Another_open_file_of_an_owner_is_ENOLCK_where_too_many_are_known_and_is_counted()
    {
        _directory.File("file");
        using PassthroughFileSystem fs = New();
        File first = Open(fs), second = Open(fs);
        Assert.Equal(Errno.OK, first.Lock(1, 0));
        int others = ClientMemory.MostLockWays - 1;
        ClientMemory.AddLockWays(others);
        try
        {
            Assert.Equal(Errno.ENOLCK, second.Lock(1, 1));
            Assert.Equal(Errno.ENOLCK, second.Lock(2, 1));
            Assert.Equal(2, fs.Refused.LockOwners);
            Assert.Equal(Errno.OK, first.Lock(1, 1));
        }
        finally
        {
            ClientMemory.AddLockWays(-others);
        }

        // What was refused has left nothing: the owner's locks go with the first open file.
        Assert.Equal(Errno.OK, fs.Release(default, first.Node, first.Handle, default));
        Assert.Equal(Errno.OK, second.Lock(2, 0));
    }

    [Fact]
    public void By_however_many_open_files_an_owner_locks_memory_is_bounded()
    {
        using var table = new LockTable();
        LockTable.Leave(table.Add(1, 1, new Handle(1), fd: -1)!);
        for (ulong handle = 2; handle <= (ulong)ClientMemory.MostLockWays; handle++)
        {
            Assert.Equal(Errno.OK, table.Enter(1, 1, new Handle(handle), out LockFile? file));
            LockTable.Leave(file!);
        }

        Assert.Equal(Errno.ENOLCK, table.Enter(1, 1, new Handle((ulong)ClientMemory.MostLockWays + 1), out LockFile? none));
        Assert.Null(none);
        Assert.Null(table.Add(2, 1, new Handle(1), fd: -1));
        Assert.Equal(Errno.OK, table.Enter(1, 1, new Handle(7), out LockFile? again));
        LockTable.Leave(again!);
        table.Release(new Handle(5));
        Assert.Equal(Errno.OK, table.Enter(1, 1, new Handle((ulong)ClientMemory.MostLockWays + 1), out LockFile? room));
        LockTable.Leave(room!);
        table.End(1, 1);
        Assert.True(table.IsEmpty);
        LockTable.Leave(table.Add(2, 1, new Handle(1), fd: -1)!);
        table.Release(new Handle(1));
        Assert.True(table.IsEmpty);
    }

    [Theory]
    [InlineData(64L << 20, 65_536, 32_768, 4096)]
    [InlineData(1L << 30, 1 << 20, 1 << 19, 65_536)]
    [InlineData(4L << 30, 1 << 22, 1 << 21, 65_536)]
    [InlineData(100_000, 1024, 1024, 1024)]
    [InlineData(long.MaxValue, int.MaxValue, int.MaxValue, 65_536)]
    public void Nodes_get_a_quarter_of_the_memory_handles_an_eighth_and_owners_a_sixteenth(
        long memory, int nodes, int handles, int owners)
    {
        Assert.Equal(nodes, ClientMemory.Nodes(memory));
        Assert.Equal(handles, ClientMemory.Handles(memory));
        Assert.Equal(owners, ClientMemory.LockOwners(memory));
    }

    protected override void Cleanup() => _directory.Dispose();

    private PassthroughFileSystem New()
    {
        var fs = new PassthroughFileSystem(new PassthroughConfig { RootDir = _directory.Path, PosixLocks = true });
        Assert.Equal(Errno.OK, fs.Init(default, InitFlags.FUSE_POSIX_LOCKS, out _));
        return fs;
    }

    private static File Open(PassthroughFileSystem fs)
    {
        Assert.Equal(Errno.OK, fs.Lookup(default, NodeId.Root, "file"u8, out Entry entry));
        Assert.Equal(Errno.OK, fs.Open(default, entry.Node, Linux.O_RDWR, default, out OpenReply open));
        return new File(fs, entry.Node, open.Handle);
    }

    private sealed record File(PassthroughFileSystem FileSystem, NodeId Node, Handle Handle)
    {
        public Errno Lock(ulong owner, ulong at) => FileSystem.SetLk(
            default, Node, Handle, new LockOwner(owner),
            new FileLock { Type = LockType.F_WRLCK, Start = at, End = at }, LockFlags.None);
    }
}
