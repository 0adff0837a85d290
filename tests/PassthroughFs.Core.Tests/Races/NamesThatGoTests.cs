using System.IO;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Passthrough;
using Xunit;

namespace PassthroughFs.Core.Tests.Races;

/// <summary>The host removes or replaces a name right after this side has made it, or has found it to exist.</summary>
public sealed class NamesThatGoTests : DescriptorCheck
{
    private const uint Rw = 0x1B6;

    private readonly HostDirectory _directory = new();

    private string New => Path.Combine(_directory.Path, "new");

    [Theory]
    [InlineData(InodeFileHandles.Never)]
    [InlineData(InodeFileHandles.Prefer)]
    [InlineData(InodeFileHandles.Adaptive)]
    public void A_directory_that_the_host_removes_at_once_was_made(InodeFileHandles handles)
    {
        using PassthroughFileSystem fs = Serve(handles);
        using (new AtPoint("LookupMade: made", () => Directory.Delete(New)))
        {
            Assert.Equal(Errno.OK, fs.Mkdir(default, NodeId.Root, "new"u8, 0x1FF, 0, out Entry entry));
            Assert.True(Linux.S_ISDIR(entry.Attributes.Mode));
        }
    }

    [Theory]
    [InlineData(InodeFileHandles.Never)]
    [InlineData(InodeFileHandles.Prefer)]
    [InlineData(InodeFileHandles.Adaptive)]
    public void A_node_that_the_host_removes_at_once_was_made(InodeFileHandles handles)
    {
        using PassthroughFileSystem fs = Serve(handles);
        using (new AtPoint("LookupMade: made", () => File.Delete(New)))
        {
            Assert.Equal(
                Errno.OK, fs.Mknod(default, NodeId.Root, "new"u8, Linux.S_IFREG | Rw, 0, 0, out Entry entry));
            Assert.True(Linux.S_ISREG(entry.Attributes.Mode));
        }
    }

    [Theory]
    [InlineData(InodeFileHandles.Never)]
    [InlineData(InodeFileHandles.Prefer)]
    [InlineData(InodeFileHandles.Adaptive)]
    public void A_symbolic_link_that_the_host_removes_at_once_was_made(InodeFileHandles handles)
    {
        using PassthroughFileSystem fs = Serve(handles);
        using (new AtPoint("LookupMade: made", () => File.Delete(New)))
        {
            Assert.Equal(Errno.OK, fs.Symlink(default, NodeId.Root, "new"u8, "there"u8, out Entry entry));
            Assert.True(Linux.S_ISLNK(entry.Attributes.Mode));
        }
    }

    [Theory]
    [InlineData(InodeFileHandles.Never)]
    [InlineData(InodeFileHandles.Prefer)]
    [InlineData(InodeFileHandles.Adaptive)]
    public void A_link_is_answered_from_its_file_whatever_has_its_name(InodeFileHandles handles)
    {
        _directory.File("f");
        using PassthroughFileSystem fs = Serve(handles);
        Assert.Equal(Errno.OK, fs.Lookup(default, NodeId.Root, "f"u8, out Entry file));
        using (new AtPoint("LookupLinked: linked", () => File.Delete(New)))
        {
            Assert.Equal(Errno.OK, fs.Link(default, file.Node, NodeId.Root, "new"u8, out Entry link));
            Assert.Equal(file.Node, link.Node);
            Assert.Equal(1u, link.Attributes.Nlink);
        }

        Assert.Equal(2ul, fs.Inodes.LookupCount(file.Node));
    }

    [Theory]
    [InlineData(InodeFileHandles.Never)]
    [InlineData(InodeFileHandles.Prefer)]
    [InlineData(InodeFileHandles.Adaptive)]
    public void A_file_that_the_host_removes_before_create_opens_it_is_made_anew(InodeFileHandles handles)
    {
        _directory.File("new");
        using PassthroughFileSystem fs = Serve(handles);
        using (new AtPoint("Create: exists", () => File.Delete(New)))
        {
            var request = new CreateRequest { Flags = Linux.O_RDWR, Mode = Rw };
            Assert.Equal(
                Errno.OK, fs.Create(default, NodeId.Root, "new"u8, request, out Entry entry, out OpenReply reply));
            Assert.Equal(1u, entry.Attributes.Nlink);
            Assert.Equal(Errno.OK, fs.Release(default, entry.Node, reply.Handle, default));
        }

        Assert.True(File.Exists(New));
    }

    [Fact]
    public void What_the_host_puts_in_the_place_of_a_directory_is_no_directory_but_in_the_way()
    {
        using PassthroughFileSystem fs = Serve(InodeFileHandles.Never);
        using (new AtPoint("LookupMade: made", () =>
        {
            Directory.Delete(New);
            _directory.File("new");
        }))
        {
            Assert.Equal(Errno.EEXIST, fs.Mkdir(default, NodeId.Root, "new"u8, 0x1FF, 0, out _));
        }

        Assert.Equal(1, fs.Inodes.Count);
    }

    [Fact]
    public void What_the_host_puts_in_the_place_of_a_directory_keeps_its_mode()
    {
        using PassthroughFileSystem fs = Serve(InodeFileHandles.Never);
        using (new AtPoint("LookupMade: made", () =>
        {
            Directory.Delete(New);
            Directory.CreateDirectory(New);
            File.SetUnixFileMode(New, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        }))
        {
            Assert.Equal(Errno.OK, fs.Mkdir(default, NodeId.Root, "new"u8, 0x1FF, 0, out _));
        }

        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserExecute, File.GetUnixFileMode(New));
    }

    protected override void Cleanup() => _directory.Dispose();

    private PassthroughFileSystem Serve(InodeFileHandles handles)
    {
        var config = new PassthroughConfig { RootDir = _directory.Path };
        config.Keep(handles);
        var fs = new PassthroughFileSystem(config);
        Assert.Equal(Errno.OK, fs.Init(default, (InitFlags)ulong.MaxValue, out _));
        return fs;
    }
}
