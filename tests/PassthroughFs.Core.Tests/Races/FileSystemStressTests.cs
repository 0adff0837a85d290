using System;
using System.Text;
using System.Threading;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Passthrough;
using Xunit;

namespace PassthroughFs.Core.Tests.Races;

/// <summary>Many threads on one file system: 2 s each, 60 s with PTFS_NIGHTLY=1.</summary>
public sealed class FileSystemStressTests : DescriptorCheck
{
    private static readonly string[] s_names = ["a", "b", "c", "d"];

    private readonly HostDirectory _directory = new();

    [Theory]
    [InlineData(InodeFileHandles.Never, false)]
    [InlineData(InodeFileHandles.Never, true)]
    [InlineData(InodeFileHandles.Prefer, false)]
    [InlineData(InodeFileHandles.Adaptive, false)]
    [InlineData(InodeFileHandles.Adaptive, true)]
    public void Lookup_forget_rename_unlink_and_create_at_once_lose_no_node(InodeFileHandles handles, bool useHostIno)
    {
        using PassthroughFileSystem fs = New(config =>
        {
            config.Keep(handles);
            config.UseHostIno = useHostIno;
        });
        void Use(Random random)
        {
            string name = s_names[random.Next(s_names.Length)];
            string other = s_names[random.Next(s_names.Length)];
            var request = new CreateRequest { Flags = Linux.O_RDWR, Mode = 0x180 };
            Entry entry = default;
            OpenReply open = default;
            Errno result = random.Next(8) switch
            {
                0 => fs.Unlink(default, NodeId.Root, name),
                1 => fs.Rename(default, NodeId.Root, name, NodeId.Root, other),
                2 => fs.Rename(default, NodeId.Root, name, NodeId.Root, other, Linux.RENAME_EXCHANGE),
                3 => fs.Create(default, NodeId.Root, name, request, out entry, out open),
                4 => fs.Mkdir(default, NodeId.Root, "dir-" + name, 0x1c0, 0, out entry),
                5 => fs.Rmdir(default, NodeId.Root, "dir-" + name),
                _ => fs.Lookup(default, NodeId.Root, name, out entry),
            };
            Assert.True(
                result is Errno.OK or Errno.ENOENT or Errno.EEXIST or Errno.ENOTEMPTY or Errno.ESTALE, $"{result}");
            if (result != Errno.OK || entry.Node == NodeId.None)
            {
                return;
            }

            // The lookup is this thread's: whatever the others do, the node is there and stays what it is.
            using (HostInode inode = fs.Inodes.Get(entry.Node))
            {
                Assert.False(inode.IsNone);
                Assert.Equal(entry.Attributes.Ino, inode.Key.Ino);
            }

            Errno attributes = fs.GetAttr(default, entry.Node, Handle.None, out AttrReply reply);
            Assert.True(
                attributes == Errno.OK || (attributes == Errno.ESTALE && handles != InodeFileHandles.Never),
                $"{attributes}");
            Assert.True(
                attributes != Errno.OK || reply.Attributes.Ino == entry.Attributes.Ino,
                $"{entry.Attributes.Ino} became {reply.Attributes.Ino}");
            if (fs.Lookup(default, NodeId.Root, name, out Entry again) == Errno.OK)
            {
                bool isSame = again.Attributes.Ino == entry.Attributes.Ino;
                Assert.True(
                    !isSame || again.Node == entry.Node || handles != InodeFileHandles.Never,
                    $"{name} was {entry.Node} and is {again.Node}");
                fs.Forget(default, again.Node, 1);
            }

            if (!open.Handle.IsNone)
            {
                Assert.Equal(Errno.OK, fs.Release(default, entry.Node, open.Handle, default));
            }

            fs.Forget(default, entry.Node, 1);
        }

        Threads.Stress(Use, Use, Use, Use);
        Assert.Equal(1, fs.Inodes.Count);
        Assert.Equal(0, fs.Handles.Count);
    }

    [Fact]
    public void A_released_handle_never_reads_another_file()
    {
        // Each file says its own name all over; numbers of descriptors and slots change hands all the time.
        for (int i = 0; i < 8; i++)
        {
            _directory.File($"{i}", new string((char)('0' + i), 4096));
        }

        using PassthroughFileSystem fs = New();
        long[] current = new long[8];
        void Reopen(Random random)
        {
            int number = random.Next(8);
            Assert.Equal(Errno.OK, fs.Lookup(default, NodeId.Root, $"{number}", out Entry entry));
            Assert.Equal(Errno.OK, fs.Open(default, entry.Node, Linux.O_RDONLY, 0, out OpenReply open));
            long old = Interlocked.Exchange(ref current[number], (long)open.Handle.Value);
            if (old != 0)
            {
                Assert.Equal(Errno.OK, fs.Release(default, entry.Node, new Handle((ulong)old), default));
            }
        }

        byte[][] buffers = [new byte[512], new byte[512]];
        void Read(int reader, Random random)
        {
            int number = random.Next(8);
            var handle = new Handle((ulong)Volatile.Read(ref current[number]));
            if (handle.IsNone || fs.Lookup(default, NodeId.Root, $"{number}", out Entry entry) != Errno.OK)
            {
                return;
            }

            Errno result = fs.Read(default, entry.Node, handle, 8, buffers[reader], out int read);
            Assert.True(result is Errno.OK or Errno.EBADF, $"{result}");
            Assert.Equal(result == Errno.OK ? 512 : 0, read);
            Assert.False(buffers[reader].AsSpan(0, read).ContainsAnyExcept((byte)('0' + number)));
        }

        Threads.Stress(Reopen, Reopen, random => Read(0, random), random => Read(1, random));
    }

    [Theory]
    [InlineData(InodeFileHandles.Never)]
    [InlineData(InodeFileHandles.Prefer)]
    [InlineData(InodeFileHandles.Adaptive)]
    public void A_hard_link_that_comes_while_its_inode_is_forgotten_is_the_same_inode(InodeFileHandles handles)
    {
        _directory.File("f", "content");
        using PassthroughFileSystem fs = New(config => config.Keep(handles));
        int next = 0;
        void Forget(Random random)
        {
            Assert.Equal(Errno.OK, fs.Lookup(default, NodeId.Root, "f", out Entry entry));
            Assert.Equal(Errno.OK, fs.GetAttr(default, entry.Node, Handle.None, out _));
            fs.Forget(default, entry.Node, 1);
        }

        void Link(Random random)
        {
            string name = $"link-{Interlocked.Increment(ref next)}";
            Assert.Equal(Errno.OK, fs.Lookup(default, NodeId.Root, "f", out Entry entry));
            Assert.Equal(Errno.OK, fs.Link(default, entry.Node, NodeId.Root, name, out Entry link));
            fs.Forget(default, entry.Node, 1);
            Assert.Equal(entry.Node, link.Node);
            Assert.Equal(Errno.OK, fs.GetAttr(default, link.Node, Handle.None, out _));
            Assert.Equal(Errno.OK, fs.Unlink(default, NodeId.Root, name));
            fs.Forget(default, link.Node, 1);
        }

        Threads.Stress(Forget, Forget, Link, Link);
        Assert.Equal(1, fs.Inodes.Count);
    }

    [Theory]
    [InlineData(InodeFileHandles.Never)]
    [InlineData(InodeFileHandles.Prefer)]
    [InlineData(InodeFileHandles.Adaptive)]
    public void The_end_of_a_session_is_safe_against_every_request(InodeFileHandles handles)
    {
        _directory.Folder("d");
        _directory.File("d/f", "content");
        using PassthroughFileSystem fs = New(config => config.Keep(handles));
        static void Expect(Errno result) => Assert.True(
            result is Errno.OK or Errno.EBADF or Errno.EEXIST or Errno.ENOENT or Errno.ENOTDIR or Errno.ESTALE,
            $"{result}");
        void Use(Random random)
        {
            byte[] buffer = new byte[16];
            Expect(fs.Lookup(default, NodeId.Root, "d", out Entry directory));
            Expect(fs.Lookup(default, directory.Node, "..", out _));
            Expect(fs.Lookup(default, directory.Node, "f", out Entry file));
            Expect(fs.Open(default, file.Node, Linux.O_RDWR, 0, out OpenReply open));
            Errno result = fs.Read(default, file.Node, open.Handle, 0, buffer, out int read);
            Expect(result);
            Assert.True(result != Errno.OK || Encoding.UTF8.GetString(buffer, 0, read) == "content");
            Expect(fs.OpenDir(default, directory.Node, 0, out open));
            Expect(fs.ReadDirPlus(default, directory.Node, open.Handle, 0, new DirectoryList()));
            fs.Forget(default, file.Node, (ulong)random.Next(3));
            Expect(fs.Link(default, file.Node, NodeId.Root, "l", out _));
            Expect(fs.Unlink(default, NodeId.Root, "l"));
        }

        void Destroy(Random random)
        {
            fs.Destroy(default);
            Thread.Sleep(random.Next(3));
        }

        Threads.Stress(Use, Use, Use, Destroy);
        fs.Destroy(default);
        Assert.Equal(1, fs.Inodes.Count);
        Assert.Equal(0, fs.Handles.Count);
        Assert.Equal(0, fs.Inodes.RememberedCount);
    }

    [Fact]
    public void A_mount_that_is_opened_and_closed_all_the_time_is_open_when_it_is_used()
    {
        Privileges.RequireRoot();
        Array.ForEach(s_names, name => _directory.File(name, name));
        using PassthroughFileSystem fs = New(config => config.InodeFileHandles = InodeFileHandles.Mandatory);
        int before = Count;
        void Use(Random random)
        {
            // With no inode left the mount is closed; each of these may be the first or the last.
            string name = s_names[random.Next(s_names.Length)];
            Assert.Equal(Errno.OK, fs.Lookup(default, NodeId.Root, name, out Entry entry));
            Assert.Equal(Errno.OK, fs.GetAttr(default, entry.Node, Handle.None, out AttrReply reply));
            Assert.Equal(entry.Attributes.Ino, reply.Attributes.Ino);
            fs.Forget(default, entry.Node, 1);
        }

        Threads.Stress(Use, Use, Use, Use);
        Assert.Equal(before, Count);
    }

    protected override void Cleanup() => _directory.Dispose();

    private PassthroughFileSystem New(Action<PassthroughConfig>? configure = null)
    {
        var config = new PassthroughConfig { RootDir = _directory.Path };
        configure?.Invoke(config);
        var fs = new PassthroughFileSystem(config);
        Assert.Equal(Errno.OK, fs.Init(default, (InitFlags)ulong.MaxValue, out _));
        return fs;
    }
}
