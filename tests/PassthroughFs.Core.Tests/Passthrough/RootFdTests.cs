using System.Collections.Generic;
using System.IO;
using System.Text;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;
using PassthroughFs.Core.Passthrough;
using Xunit;

namespace PassthroughFs.Core.Tests.Passthrough;

/// <summary>A directory that is served by its descriptor.</summary>
public sealed unsafe class RootFdTests : DescriptorCheck
{
    private readonly HostDirectory _directory = new();

    [Theory]
    [InlineData(InodeFileHandles.Never)]
    [InlineData(InodeFileHandles.Adaptive)]
    public void It_is_served_wherever_its_path_leads_by_then(InodeFileHandles handles)
    {
        string served = _directory.Folder("served");
        File.WriteAllText(Path.Combine(served, "file"), "");
        int root;
        fixed (byte* path = Encoding.UTF8.GetBytes(served + '\0'))
        {
            root = Sys.OpenAt(Constants.AT_FDCWD, path, Linux.O_PATH | Linux.O_DIRECTORY | Linux.O_CLOEXEC);
        }

        using (var fs = new PassthroughFileSystem(
            new PassthroughConfig { RootDir = served, RootFd = root, InodeFileHandles = handles }))
        {
            Directory.Move(served, Path.Combine(_directory.Path, "moved"));
            _ = _directory.Folder("served");
            for (int i = 0; i < 2; i++)
            {
                Assert.Equal(Errno.OK, fs.Init(default, InitFlags.None, out _));
                Assert.Equal(Errno.OK, fs.Lookup(default, NodeId.Root, "file"u8, out _));
                fs.Destroy(default);
            }
        }

        // It is the caller's to close.
        Assert.Equal(0, Sys.Close(root));
    }

    [Fact]
    public void A_number_that_no_descriptor_has_is_refused()
    {
        IReadOnlyList<string> faults = PassthroughConfigValidator.Validate(new PassthroughConfig { RootFd = -1 });
        Assert.Equal("RootFd is negative: give the number of an open descriptor.", Assert.Single(faults));
        using var fs = new PassthroughFileSystem(new PassthroughConfig { RootFd = 1_000_000 });
        Assert.Equal(Errno.EBADF, fs.Import());
    }

    protected override void Cleanup() => _directory.Dispose();
}
