using System.IO;
using System.Text;
using System.Threading;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;
using PassthroughFs.Core.Passthrough;
using Xunit;

namespace PassthroughFs.Core.Tests.Races;

/// <summary>Two requests at once, the second at the worst moment of the first.</summary>
public sealed class FileSystemInterleavingTests : DescriptorCheck
{
    private readonly HostDirectory _directory = new();

    [Theory]
    [InlineData(InodeFileHandles.Never)]
    [InlineData(InodeFileHandles.Prefer)]
    [InlineData(InodeFileHandles.Adaptive)]
    public void Two_lookups_of_a_new_inode_give_one_node(InodeFileHandles handles)
    {
        _directory.File("f");
        using PassthroughFileSystem fs = New(handles);
        Entry other = default;
        Entry entry;
        using (new AtPoint("LookupFd: described", () => other = Lookup(fs, "f")))
        {
            entry = Lookup(fs, "f");
        }

        Assert.Equal(entry.Node, other.Node);
        Assert.Equal(2ul, fs.Inodes.LookupCount(entry.Node));
        Assert.Equal(2, fs.Inodes.Count);
    }

    [Theory]
    [InlineData(InodeFileHandles.Never)]
    [InlineData(InodeFileHandles.Prefer)]
    [InlineData(InodeFileHandles.Adaptive)]
    public void A_hard_link_that_is_looked_up_while_its_inode_is_forgotten_is_the_same_node(InodeFileHandles handles)
    {
        _directory.File("f");
        using PassthroughFileSystem fs = New(handles);
        Entry file = Lookup(fs, "f");
        Entry link = default;
        using (new AtPoint("InodeStore.Forget: at zero", () =>
            Assert.Equal(Errno.OK, fs.Link(default, file.Node, NodeId.Root, "link", out link))))
        {
            fs.Forget(default, file.Node, 1);
        }

        Assert.Equal(file.Node, link.Node);
        Assert.Equal(1ul, fs.Inodes.LookupCount(file.Node));
        Assert.Equal(Errno.OK, fs.GetAttr(default, link.Node, Handle.None, out AttrReply reply));
        Assert.Equal(2u, reply.Attributes.Nlink);
    }

    [Theory]
    [InlineData("InodeStore.Forget: removed")]
    [InlineData("InodeStore.Forget: deleted")]
    public void An_inode_that_comes_back_while_it_is_found_deleted_stays(string point)
    {
        _directory.File("f");
        using PassthroughFileSystem fs = New(InodeFileHandles.Never);
        var request = new CreateRequest { Flags = Linux.O_RDWR, Mode = 0x180 };
        Assert.Equal(Errno.OK, fs.TmpFile(default, NodeId.Root, request, out Entry file, out _));
        fs.Inodes.NoteRemoval();
        Entry link = default;
        int held = HoldHost(fs, file.Node);
        using (new AtPoint(point, () =>
        {
            // It has no name when the last lookup is given back, and the host gives it one.
            LinkHost(held, Path.Combine(_directory.Path, "link"));
            link = Lookup(fs, "link");
        }))
        {
            fs.Forget(default, file.Node, 1);
        }

        _ = Sys.Close(held);
        Assert.Equal(file.Node, link.Node);
        Assert.Equal(1ul, fs.Inodes.LookupCount(link.Node));
        Assert.True(fs.Inodes.TryLookup(KeyOf(fs, link.Node), 0, KernelHandle.None, out NodeId again));
        Assert.Equal(link.Node, again);
        Assert.Equal(0, fs.Inodes.RememberedCount);
    }

    [Theory]
    [InlineData("HandleStore.Get: found", false)]
    [InlineData("HandleStore.Get: pinned", false)]
    [InlineData("Read: holds the file", true)]
    public void A_file_that_is_released_under_a_read_is_read_or_not_but_no_other_is(string point, bool isRead)
    {
        _directory.File("mine", "mine");
        _directory.File("other", "other file");
        using PassthroughFileSystem fs = New(InodeFileHandles.Never);
        Entry mine = Lookup(fs, "mine");
        Entry other = Lookup(fs, "other");
        Assert.Equal(Errno.OK, fs.Open(default, mine.Node, Linux.O_RDONLY, 0, out OpenReply open));
        byte[] buffer = new byte[20];
        Errno answer;
        int read;
        using (new AtPoint(point, () =>
        {
            Assert.Equal(Errno.OK, fs.Release(default, mine.Node, open.Handle, default));
            Assert.Equal(Errno.OK, fs.Open(default, other.Node, Linux.O_RDONLY, 0, out _));
        }))
        {
            answer = fs.Read(default, mine.Node, open.Handle, 0, buffer, out read);
        }

        Assert.Equal(isRead ? Errno.OK : Errno.EBADF, answer);
        Assert.Equal(isRead ? "mine" : "", Encoding.UTF8.GetString(buffer, 0, read));
    }

    [Theory]
    [InlineData("LookupAt: knows the identity", InodeFileHandles.Never, true)]
    [InlineData("LookupAt: knows the identity", InodeFileHandles.Never, false)]
    [InlineData("LookupAt: knows the identity", InodeFileHandles.Prefer, true)]
    [InlineData("LookupAt: knows the identity", InodeFileHandles.Prefer, false)]
    [InlineData("LookupAt: knows the identity", InodeFileHandles.Adaptive, true)]
    [InlineData("LookupAt: knows the identity", InodeFileHandles.Adaptive, false)]
    [InlineData("LookupAt: knows the handle", InodeFileHandles.Prefer, true)]
    public void A_lookup_during_a_rename_gives_one_of_the_two_files_whole(
        string point, InodeFileHandles handles, bool areKnown)
    {
        _directory.File("old", "o");
        _directory.File("new", "new!");
        using PassthroughFileSystem fs = New(handles);
        if (areKnown)
        {
            Lookup(fs, "old");
            Lookup(fs, "new");
        }

        Entry entry;
        using (new AtPoint(point, () =>
            Assert.Equal(Errno.OK, fs.Rename(default, NodeId.Root, "old", NodeId.Root, "new"))))
        {
            entry = Lookup(fs, "new");
        }

        using HostInode inode = fs.Inodes.Get(entry.Node);
        Assert.Equal(entry.Attributes.Ino, inode.Key.Ino);
        Assert.Equal(areKnown ? 2ul : 1ul, inode.LookupCount);
        Entry now = Lookup(fs, "new");
        Assert.Equal(entry.Attributes.Ino == now.Attributes.Ino, entry.Node == now.Node);
    }

    [Theory]
    [InlineData("LookupAt: knows the identity")]
    [InlineData("LookupFd: described")]
    public void A_lookup_across_a_destroy_leaves_a_node_that_can_be_forgotten(string point)
    {
        _directory.File("f");
        using PassthroughFileSystem fs = New(InodeFileHandles.Never);
        Entry entry;
        using (new AtPoint(point, () => fs.Destroy(default)))
        {
            entry = Lookup(fs, "f");
        }

        Assert.Equal(1ul, fs.Inodes.LookupCount(entry.Node));
        fs.Forget(default, entry.Node, 1);
        Assert.Equal(1, fs.Inodes.Count);
        Assert.Equal(2ul, fs.Inodes.LookupCount(NodeId.Root));
    }

    [Fact]
    public void A_lookup_of_the_root_between_the_end_of_a_session_and_the_next_makes_no_second_root()
    {
        _directory.Folder("d");
        using PassthroughFileSystem fs = New(InodeFileHandles.Never);
        Entry directory = Lookup(fs, "d");
        using var cleared = new ManualResetEventSlim();
        using var added = new ManualResetEventSlim();
        Thread? destroyer = null;
        using (new AtPoint("LookupFd: described", () =>
        {
            destroyer = new Thread(() => fs.Destroy(default));
            Interleaving.Set(point =>
            {
                if (point == "Destroy: cleared")
                {
                    cleared.Set();
                    added.Wait();
                }
            });
            destroyer.Start();
            cleared.Wait();
        }))
        {
            Assert.Equal(Errno.EBADF, fs.Lookup(default, directory.Node, "..", out _));
        }

        added.Set();
        destroyer!.Join();
        Assert.Equal(Errno.OK, fs.Lookup(default, NodeId.Root, ".", out Entry root));
        Assert.Equal(NodeId.Root, root.Node);
        Assert.Equal(1, fs.Inodes.Count);
    }

    [Theory]
    [InlineData("Describe: the mount is not open", false)]
    [InlineData("Describe: the mount is not open", true)]
    public void A_mount_that_comes_and_goes_while_it_is_opened_is_open_for_those_who_use_it(string point, bool stays)
    {
        Privileges.RequireRoot();
        using PassthroughFileSystem fs = New(InodeFileHandles.Mandatory);
        using var mount = TestMount.Tmpfs(Path.Combine(_directory.Path, "m"));
        Entry entry;
        Entry other = default;
        using (new AtPoint(point, () =>
        {
            other = Lookup(fs, "m");
            Assert.Equal(Errno.OK, fs.Mknod(default, other.Node, "f", Linux.S_IFREG, 0, 0, out other));
            fs.Forget(default, Lookup(fs, "m").Node, 2);
            if (!stays)
            {
                fs.Forget(default, other.Node, 1);
            }
        }))
        {
            entry = Lookup(fs, "m");
        }

        Assert.Equal(Errno.OK, fs.GetAttr(default, entry.Node, Handle.None, out _));
        Assert.Equal(stays ? Errno.OK : Errno.EBADF, fs.GetAttr(default, other.Node, Handle.None, out _));
        fs.Forget(default, entry.Node, 1);
        Assert.Equal(stays ? Errno.OK : Errno.EBADF, fs.GetAttr(default, other.Node, Handle.None, out _));
        fs.Forget(default, other.Node, 1);
    }

    [Fact]
    public void A_mount_that_is_opened_anew_while_its_old_descriptor_is_closed_keeps_the_new_one()
    {
        Privileges.RequireRoot();
        using PassthroughFileSystem fs = New(InodeFileHandles.Mandatory);
        using var mount = TestMount.Tmpfs(Path.Combine(_directory.Path, "m"));
        Entry entry = Lookup(fs, "m");
        Entry other = default;
        using (new AtPoint("MountFds.Release: counted", () => other = Lookup(fs, "m")))
        {
            fs.Forget(default, entry.Node, 1);
        }

        Assert.Equal(Errno.OK, fs.GetAttr(default, other.Node, Handle.None, out _));
        fs.Forget(default, other.Node, 1);
    }

    protected override void Cleanup() => _directory.Dispose();

    private static Entry Lookup(PassthroughFileSystem fs, string name)
    {
        Assert.Equal(Errno.OK, fs.Lookup(default, NodeId.Root, name, out Entry entry));
        return entry;
    }

    private static InodeKey KeyOf(PassthroughFileSystem fs, NodeId node)
    {
        using HostInode inode = fs.Inodes.Get(node);
        return inode.Key;
    }

    private static int HoldHost(PassthroughFileSystem fs, NodeId node)
    {
        using HostInode inode = fs.Inodes.Get(node);
        int fd = Sys.Fcntl(inode.Fd, Constants.F_DUPFD_CLOEXEC, 0);
        Assert.True(fd >= 0);
        return fd;
    }

    private static unsafe void LinkHost(int fd, string path)
    {
        // Sound: the arrays are pinned until the call returns, and end with a NUL.
        fixed (byte* source = Encoding.UTF8.GetBytes($"/proc/self/fd/{fd}\0"))
        fixed (byte* target = Encoding.UTF8.GetBytes(path + '\0'))
        {
            Assert.Equal(0, Sys.LinkAt(-1, source, -1, target, Constants.AT_SYMLINK_FOLLOW));
        }
    }

    private PassthroughFileSystem New(InodeFileHandles handles)
    {
        var config = new PassthroughConfig { RootDir = _directory.Path };
        config.Keep(handles);
        var fs = new PassthroughFileSystem(config);
        Assert.Equal(Errno.OK, fs.Init(default, (InitFlags)ulong.MaxValue, out _));
        return fs;
    }
}
