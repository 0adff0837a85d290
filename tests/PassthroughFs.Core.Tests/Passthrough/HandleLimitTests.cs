using System.IO;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Passthrough;
using Xunit;

namespace PassthroughFs.Core.Tests.Passthrough;

/// <summary>Clients that have as much open as the process's memory allows.</summary>
public sealed class HandleLimitTests : DescriptorCheck
{
    private readonly HostDirectory _directory = new();
    private readonly PassthroughFileSystem _fs;
    private readonly Entry _file;
    private readonly int _others = ClientMemory.MostHandles - 1;

    public HandleLimitTests()
    {
        _directory.File("file");
        _fs = new PassthroughFileSystem(new PassthroughConfig { RootDir = _directory.Path });
        Assert.Equal(Errno.OK, _fs.Init(default, InitFlags.None, out _));
        Assert.Equal(Errno.OK, _fs.Lookup(default, NodeId.Root, "file"u8, out _file));
        ClientMemory.AddHandles(_others);
    }

    protected override void Cleanup()
    {
        ClientMemory.AddHandles(-_others);
        _fs.Dispose();
        _directory.Dispose();
    }

    [Fact]
    public void More_is_EMFILE_until_something_is_released()
    {
        Assert.Equal(Errno.OK, Open(out Handle handle));
        Assert.Equal(Errno.EMFILE, Open(out _));
        Assert.Equal(Errno.EMFILE, _fs.OpenDir(default, NodeId.Root, 0, out _));
        Assert.Equal(Errno.OK, _fs.GetAttr(default, _file.Node, handle, out _));
        Assert.Equal(2, _fs.Refused.Handles);
        Assert.Equal(Errno.OK, _fs.Release(default, _file.Node, handle, default));
        Assert.Equal(Errno.OK, _fs.OpenDir(default, NodeId.Root, 0, out OpenReply listing));
        Assert.Equal(Errno.OK, _fs.ReleaseDir(default, NodeId.Root, listing.Handle, default));
    }

    [Fact]
    public void Nothing_is_made_that_could_not_be_opened()
    {
        Assert.Equal(Errno.OK, Open(out _));
        var request = new CreateRequest { Flags = Linux.O_RDWR, Mode = 0x1A4 };
        Assert.Equal(Errno.EMFILE, _fs.Create(default, NodeId.Root, "new"u8, request, out _, out _));
        Assert.False(File.Exists(Path.Combine(_directory.Path, "new")), "it was made");
        Assert.Equal(1ul, _fs.Inodes.LookupCount(_file.Node));
    }

    private Errno Open(out Handle handle)
    {
        Errno result = _fs.Open(default, _file.Node, Linux.O_RDONLY, OpenRequestFlags.None, out OpenReply reply);
        handle = reply.Handle;
        return result;
    }
}
