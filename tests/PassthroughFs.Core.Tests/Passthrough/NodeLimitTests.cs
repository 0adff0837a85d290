using System.Text;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Passthrough;
using Xunit;

namespace PassthroughFs.Core.Tests.Passthrough;

/// <summary>A client that knows as many nodes as it may.</summary>
public sealed class NodeLimitTests : DescriptorCheck
{
    private const int Most = 10;

    private readonly HostDirectory _directory = new();
    private readonly PassthroughFileSystem _fs;

    public NodeLimitTests()
    {
        _directory.File("known");
        _directory.File("more");
        for (int i = 0; i < Most - 2; i++)
        {
            _directory.File($"f{i}");
        }

        _fs = new PassthroughFileSystem(new PassthroughConfig { RootDir = _directory.Path, MaxNodes = Most });
        Assert.Equal(Errno.OK, _fs.Init(default, InitFlags.None, out _));
        Assert.Equal(Errno.OK, _fs.Lookup(default, NodeId.Root, "known"u8, out _));
        for (int i = 0; i < Most - 2; i++)
        {
            Assert.Equal(Errno.OK, _fs.Lookup(default, NodeId.Root, Encoding.ASCII.GetBytes($"f{i}"), out _));
        }
    }

    protected override void Cleanup()
    {
        _fs.Dispose();
        _directory.Dispose();
    }

    [Fact]
    public void What_is_known_goes_on_and_what_is_not_is_ENOMEM_until_one_is_forgotten()
    {
        Assert.Equal(Most, _fs.Inodes.Count);
        Assert.Equal(Errno.ENOMEM, _fs.Lookup(default, NodeId.Root, "more"u8, out _));
        Assert.Equal(Errno.ENOENT, _fs.Lookup(default, NodeId.Root, "nothing"u8, out _));
        Assert.Equal(Errno.OK, _fs.Lookup(default, NodeId.Root, "known"u8, out Entry known));
        Assert.Equal(Errno.OK, _fs.Link(default, known.Node, NodeId.Root, "linked"u8, out _));
        _fs.Forget(default, known.Node, 3);
        Assert.Equal(Errno.OK, _fs.Lookup(default, NodeId.Root, "more"u8, out _));
        Assert.Equal(1, _fs.Refused.Nodes);
    }

    [Fact]
    public void Nothing_is_made_of_which_the_client_could_not_be_told()
    {
        Assert.Equal(Errno.ENOMEM, _fs.Mkdir(default, NodeId.Root, "a"u8, 0x1ED, 0, out _));
        Assert.Equal(Errno.ENOMEM, _fs.Mknod(default, NodeId.Root, "b"u8, Linux.S_IFREG, 0, 0, out _));
        Assert.Equal(Errno.ENOMEM, _fs.Symlink(default, NodeId.Root, "c"u8, "to"u8, out _));
        var request = new CreateRequest { Flags = Linux.O_RDWR, Mode = 0x1A4 };
        Assert.Equal(Errno.ENOMEM, _fs.Create(default, NodeId.Root, "d"u8, request, out _, out _));
        Assert.Equal(Errno.ENOMEM, _fs.TmpFile(default, NodeId.Root, request, out _, out _));
        Assert.Equal(Most, System.IO.Directory.GetFileSystemEntries(_directory.Path).Length);
        Assert.Equal(5, _fs.Refused.Nodes);
    }
}
