using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using Microsoft.Win32.SafeHandles;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Passthrough;
using Xunit;

namespace PassthroughFs.Core.Tests.Passthrough;

/// <summary>A successor goes on where a file system is, and the client does not notice.</summary>
public sealed class UpgradeTests : DescriptorCheck
{
    private const InitFlags Everything = (InitFlags)ulong.MaxValue;
    private const ulong End = FileLock.ToTheEnd;

    private readonly HostDirectory _directory = new();

    public static TheoryData<InodeFileHandles, bool> Ways => new()
    {
        { InodeFileHandles.Never, false },
        { InodeFileHandles.Never, true },
        { InodeFileHandles.Prefer, false },
        { InodeFileHandles.Prefer, true },
        { InodeFileHandles.Adaptive, false },
        { InodeFileHandles.Adaptive, true },
    };

    private static RequestContext Context => default;

    [Theory]
    [MemberData(nameof(Ways))]
    public void Nodes_keep_their_numbers_and_counts(InodeFileHandles handles, bool useHostIno)
    {
        _directory.Folder("d");
        _directory.File("d/f");
        _directory.File("forgotten");
        _directory.File("new");
        PassthroughFileSystem fs = New(handles, useHostIno);
        Assert.Equal(Errno.OK, fs.LookupPath(Context, "forgotten", out Entry forgotten));
        Assert.Equal(Errno.OK, fs.LookupPath(Context, "d", out Entry d));
        Assert.Equal(Errno.OK, fs.LookupPath(Context, "d/f", out Entry f));
        Assert.Equal(Errno.OK, fs.LookupPath(Context, "d/f", out _));
        fs.Forget(Context, forgotten.Node, 1);
        ulong ofRoot = fs.Inodes.LookupCount(NodeId.Root);
        using PassthroughFileSystem next = HandOver.Succeed(fs);
        Assert.Equal((3, 2ul, ofRoot), (next.Inodes.Count, LookupCount(next, f), next.Inodes.LookupCount(NodeId.Root)));
        Assert.Equal(Errno.OK, next.GetAttr(Context, f.Node, Handle.None, out _));
        Assert.Equal(Errno.OK, next.Lookup(Context, d.Node, "f", out Entry again));
        Assert.Equal(f.Node, again.Node);
        Assert.Equal(Errno.OK, next.LookupPath(Context, "forgotten", out again));
        Assert.Equal(forgotten.Node, again.Node);
        Assert.Equal(Errno.OK, next.LookupPath(Context, "new", out Entry other));
        Assert.DoesNotContain(other.Node, new[] { f.Node, d.Node, forgotten.Node, NodeId.Root });
        next.Forget(Context, f.Node, 3);
        Assert.Equal(Errno.EBADF, next.GetAttr(Context, f.Node, Handle.None, out _));
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public void Open_files_go_on_deleted_ones_too(InodeFileHandles handles, bool useHostIno)
    {
        _directory.File("f", "content");
        _directory.File("gone", "deleted");
        PassthroughFileSystem fs = New(handles, useHostIno);
        Entry f = Find(fs, "f");
        Entry gone = Find(fs, "gone");
        Assert.Equal(Errno.OK, fs.Open(Context, f.Node, Linux.O_RDWR, 0, out OpenReply early));
        Assert.Equal(Errno.OK, fs.Open(Context, gone.Node, Linux.O_RDONLY, 0, out OpenReply deleted));
        Assert.Equal(Errno.OK, fs.Open(Context, f.Node, Linux.O_WRONLY | Linux.O_APPEND, 0, out OpenReply append));
        fs.Release(Context, f.Node, early.Handle, default);
        Assert.Equal(Errno.OK, fs.Unlink(Context, NodeId.Root, "gone"));
        using PassthroughFileSystem next = HandOver.Succeed(fs);
        Assert.Equal("deleted", Read(next, gone.Node, deleted.Handle));
        Assert.Equal(Errno.OK, next.Write(Context, f.Node, append.Handle, 0, "!"u8, out _));
        Assert.Equal("content!", File.ReadAllText(Path.Combine(_directory.Path, "f")));
        Assert.Equal(Errno.EBADF, next.Release(Context, f.Node, early.Handle, default));

        // No number that was ever given comes again, that of the file closed before included.
        var given = new HashSet<Handle> { early.Handle, deleted.Handle, append.Handle };
        for (int i = 0; i < 100; i++)
        {
            Assert.Equal(Errno.OK, next.Open(Context, f.Node, Linux.O_RDONLY, 0, out OpenReply reply));
            Assert.True(given.Add(reply.Handle), $"{reply.Handle} is given again");
            next.Release(Context, f.Node, reply.Handle, default);
        }

        Assert.Equal(Errno.OK, next.Release(Context, gone.Node, deleted.Handle, default));
        Assert.Equal(Errno.OK, next.Release(Context, f.Node, append.Handle, default));
        Assert.Equal(0, next.Handles.Count);
    }

    [Fact]
    public void A_listing_goes_on_where_it_was()
    {
        string[] names = [.. Enumerable.Range(0, 100).Select(i => $"f{i:D3}")];
        Array.ForEach(names, name => _directory.File(name));
        PassthroughFileSystem fs = New();
        Assert.Equal(Errno.OK, fs.OpenDir(Context, NodeId.Root, 0, out OpenReply open));
        var first = new DirectoryList(10);
        Assert.Equal(Errno.OK, fs.ReadDir(Context, NodeId.Root, open.Handle, 0, first));
        using PassthroughFileSystem next = HandOver.Succeed(fs);
        var rest = new DirectoryList(1000);
        Assert.Equal(Errno.OK, next.ReadDir(Context, NodeId.Root, open.Handle, first.Items[^1].Offset, rest));
        Assert.Equal(10, first.Items.Count);
        Assert.Equal(
            names.Concat([".", ".."]).Order(StringComparer.Ordinal),
            first.Items.Concat(rest.Items).Select(item => item.Name).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void What_was_agreed_on_and_files_without_open_go_on()
    {
        _directory.File("f", "kept");
        PassthroughFileSystem fs = New(configure: config =>
            (config.NoOpen, config.CachePolicy, config.InodeFileHandles) =
                (true, CachePolicy.Always, InodeFileHandles.Prefer));
        Entry f = Find(fs, "f");
        Assert.Equal("kept", Read(fs, f.Node, Handle.None));
        Assert.Equal(Errno.OK, fs.Unlink(Context, NodeId.Root, "f"));
        using PassthroughFileSystem next = HandOver.Succeed(fs);
        Assert.Equal(Errno.ENOSYS, next.Open(Context, f.Node, Linux.O_RDONLY, 0, out _));
        Assert.Equal("kept", Read(next, f.Node, Handle.None));
    }

    [Fact]
    public void Locks_stay_with_their_owners()
    {
        _directory.File("f");
        using PassthroughFileSystem outside = New(configure: Locks);
        Entry there = Find(outside, "f");
        Assert.Equal(Errno.OK, outside.Open(Context, there.Node, Linux.O_RDWR, 0, out OpenReply elsewhere));
        PassthroughFileSystem fs = New(configure: Locks);
        Entry f = Find(fs, "f");
        Assert.Equal(Errno.OK, fs.Open(Context, f.Node, Linux.O_RDWR, 0, out OpenReply open));
        var whole = new FileLock { Type = LockType.F_WRLCK, End = End };
        Assert.Equal(Errno.OK, fs.SetLk(Context, f.Node, open.Handle, new LockOwner(7), whole, 0));
        PassthroughFileSystem next = HandOver.Succeed(fs);
        Assert.Equal(Errno.EAGAIN, outside.SetLk(Context, there.Node, elsewhere.Handle, new LockOwner(7), whole, 0));
        Assert.Equal(Errno.EAGAIN, next.SetLk(Context, f.Node, open.Handle, new LockOwner(8), whole, 0));
        Assert.Equal(Errno.OK, next.SetLk(Context, f.Node, open.Handle, new LockOwner(7), whole, 0));
        Assert.Equal(Errno.OK, next.Flush(Context, f.Node, open.Handle, new LockOwner(7)));
        Assert.Equal(Errno.OK, outside.SetLk(Context, there.Node, elsewhere.Handle, new LockOwner(7), whole, 0));

        // An open file's go with it at the successor as well.
        Assert.Equal(Errno.OK, outside.Flush(Context, there.Node, elsewhere.Handle, new LockOwner(7)));
        Assert.Equal(Errno.OK, next.SetLk(Context, f.Node, open.Handle, new LockOwner(9), whole, 0));
        using PassthroughFileSystem last = HandOver.Succeed(next);
        Assert.Equal(Errno.OK, last.Release(Context, f.Node, open.Handle, default));
        Assert.Equal(Errno.OK, outside.SetLk(Context, there.Node, elsewhere.Handle, new LockOwner(7), whole, 0));

        static void Locks(PassthroughConfig config) => config.PosixLocks = true;
    }

    [Fact]
    public void Handles_that_clients_keep_stay_good()
    {
        Privileges.RequireRoot();
        _directory.File("f");
        PassthroughFileSystem fs = New(configure: config => config.ExportSupport = true);
        Entry f = Find(fs, "f");
        fs.Forget(Context, f.Node, 1);
        using PassthroughFileSystem next = HandOver.Succeed(fs);
        Assert.Equal(Errno.OK, next.Lookup(Context, f.Node, ".", out Entry again));
        Assert.Equal((f.Node, f.Generation), (again.Node, again.Generation));
    }

    [Fact]
    public void A_state_that_is_cut_off_is_refused_and_nothing_has_happened()
    {
        using PassthroughFileSystem fs = Busy(out _);
        byte[] state = HandOver.Save(fs, out KeptFds fds);
        using (fds)
        {
            using PassthroughFileSystem next = Uninitialized();
            for (int length = 0; length < state.Length; length++)
            {
                var error = Assert.Throws<InvalidDataException>(() => HandOver.Restore(next, state[..length], fds));
                Assert.Equal(length < 12 ? "it is no saved state of a passthrough file system" : "it is cut off", error.Message);
            }

            // The descriptors are all there still, and the state as a whole is as good as before.
            HandOver.Restore(next, state, fds);
            Assert.Equal(fs.Inodes.Count, next.Inodes.Count);
        }
    }

    [Fact]
    public void A_state_that_was_changed_is_refused_or_harmless()
    {
        using PassthroughFileSystem fs = Busy(out _);
        byte[] state = HandOver.Save(fs, out KeptFds saved);
        saved.Dispose();
        var random = new Random(1);
        for (int i = 0; i < 2000; i++)
        {
            byte[] changed = [.. state];
            changed[random.Next(changed.Length)] ^= (byte)(1 << random.Next(8));
            Try(changed, isRefused: true);

            // With a checksum that is right again.
            uint crc = StateReader.Crc(0, changed.AsSpan(0, changed.Length - 4));
            BinaryPrimitives.WriteUInt32LittleEndian(changed.AsSpan(changed.Length - 4), crc);
            Try(changed, isRefused: false);
        }

        void Try(byte[] changed, bool isRefused)
        {
            List<int> kept = [];
            fs.SaveState(Stream.Null, kept);
            using KeptFds fds = HandOver.Duplicate(kept);
            using PassthroughFileSystem next = Uninitialized();
            try
            {
                HandOver.Restore(next, changed, fds);
                Assert.False(isRefused, "the checksum is not looked at");
                next.Destroy(Context);
            }
            catch (InvalidDataException)
            {
                Assert.Equal((0, 0), (next.Inodes.Count, next.Handles.Count));
            }
        }
    }

    [Fact]
    public void A_state_of_another_version_is_refused_by_both_numbers()
    {
        using PassthroughFileSystem fs = New();
        byte[] state = HandOver.Save(fs, out KeptFds fds);
        using (fds)
        {
            state[8] = 3;
            using PassthroughFileSystem next = Uninitialized();
            var error = Assert.Throws<InvalidDataException>(() => HandOver.Restore(next, state, fds));
            Assert.Equal("it is of version 3, and this program reads version 2", error.Message);
        }
    }

    [Fact]
    public void Descriptors_of_other_files_are_refused()
    {
        using PassthroughFileSystem fs = Busy(out int count);
        List<int> kept = [];
        using var stream = new MemoryStream();
        fs.SaveState(stream, kept);
        Assert.Equal(count, kept.Count);
        using SafeFileHandle other = File.OpenHandle(_directory.File("other"));
        for (int i = 0; i < kept.Count; i++)
        {
            int[] wrong = [.. kept];
            wrong[i] = other.DangerousGetHandle().ToInt32();
            using KeptFds fds = HandOver.Duplicate(wrong);
            using PassthroughFileSystem next = Uninitialized();
            var error = Assert.Throws<InvalidDataException>(() => HandOver.Restore(next, stream.ToArray(), fds));
            Assert.Equal($"descriptor {i} that came with it is not what it should be", error.Message);
        }

        using KeptFds few = HandOver.Duplicate(kept[..^1]);
        using PassthroughFileSystem last = Uninitialized();
        Assert.StartsWith(
            $"descriptor {count - 1} of it is missing",
            Assert.Throws<InvalidDataException>(() => HandOver.Restore(last, stream.ToArray(), few)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void What_does_not_fit_the_successor_is_refused_by_name()
    {
        using PassthroughFileSystem fs = New();
        byte[] state = HandOver.Save(fs, out KeptFds fds);
        using (fds)
        {
            Assert.Contains("without UseHostIno", Refused(config => config.UseHostIno = true), StringComparison.Ordinal);
            Assert.Contains("without EnableMntid", Refused(config => config.EnableMntid = true), StringComparison.Ordinal);
            string other = _directory.Folder("other");
            Assert.Equal($"it was saved for another directory than {other}", Refused(config => config.RootDir = other));
        }

        using PassthroughFileSystem serving = New();
        Assert.Throws<InvalidOperationException>(() => HandOver.Restore(serving, state, new KeptFds([])));

        string Refused(Action<PassthroughConfig> configure)
        {
            using PassthroughFileSystem next = Uninitialized(configure);
            return Assert.Throws<InvalidDataException>(() => HandOver.Restore(next, state, fds)).Message;
        }
    }

    [Fact]
    public void What_saves_goes_on_as_if_nothing_had_happened()
    {
        using PassthroughFileSystem fs = Busy(out _);
        HandOver.Save(fs, out KeptFds fds);
        fds.Dispose();
        Assert.Equal("content", Read(fs, Find(fs, "d/f").Node, Open(fs, "d/f")));
    }

    protected override void Cleanup() => _directory.Dispose();

    private static ulong LookupCount(PassthroughFileSystem fs, Entry entry) => fs.Inodes.LookupCount(entry.Node);

    private static Entry Find(PassthroughFileSystem fs, string path)
    {
        Assert.Equal(Errno.OK, fs.LookupPath(Context, path, out Entry entry));
        return entry;
    }

    private static Handle Open(PassthroughFileSystem fs, string path)
    {
        Assert.Equal(Errno.OK, fs.Open(Context, Find(fs, path).Node, Linux.O_RDONLY, 0, out OpenReply reply));
        return reply.Handle;
    }

    private static string Read(PassthroughFileSystem fs, NodeId node, Handle handle)
    {
        byte[] buffer = new byte[100];
        Assert.Equal(Errno.OK, fs.Read(Context, node, handle, 0, buffer, out int read));
        return System.Text.Encoding.UTF8.GetString(buffer, 0, read);
    }

    /// <summary>Something of each kind: an inode by descriptor and one by handle, files, a directory, what is past.</summary>
    private PassthroughFileSystem Busy(out int fds)
    {
        _directory.Folder("d");
        _directory.File("d/f", "content");
        _directory.File("past");
        PassthroughFileSystem fs = New(configure: config => config.PosixLocks = true);
        fs.Forget(Context, Find(fs, "past").Node, 1);
        Entry f = Find(fs, "d/f");
        Assert.Equal(Errno.OK, fs.Open(Context, f.Node, Linux.O_RDWR, 0, out OpenReply open));
        Assert.Equal(Errno.OK, fs.OpenDir(Context, NodeId.Root, 0, out _));
        var whole = new FileLock { Type = LockType.F_WRLCK, End = End };
        Assert.Equal(Errno.OK, fs.SetLk(Context, f.Node, open.Handle, new LockOwner(7), whole, 0));
        fds = 5; // two inodes, a file, a directory, an owner of locks
        return fs;
    }

    private PassthroughFileSystem New(
        InodeFileHandles handles = InodeFileHandles.Never, bool useHostIno = false,
        Action<PassthroughConfig>? configure = null)
    {
        PassthroughFileSystem fs = Uninitialized(config =>
        {
            config.Keep(handles);
            config.UseHostIno = useHostIno;
            configure?.Invoke(config);
        });
        Assert.Equal(Errno.OK, fs.Init(Context, Everything, out _));
        return fs;
    }

    private PassthroughFileSystem Uninitialized(Action<PassthroughConfig>? configure = null)
    {
        var config = new PassthroughConfig { RootDir = _directory.Path };
        configure?.Invoke(config);
        return new PassthroughFileSystem(config);
    }
}
