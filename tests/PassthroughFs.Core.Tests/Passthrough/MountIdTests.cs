using System.Diagnostics;
using System.IO;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Passthrough;
using Xunit;

namespace PassthroughFs.Core.Tests.Passthrough;

/// <summary>One file by two mounts.</summary>
public sealed class MountIdTests : DescriptorCheck
{
    private readonly HostDirectory _directory = new();

    private bool _isMounted;

    private string Mounted => Path.Combine(_directory.Path, "mounted");

    [Theory]
    [InlineData(InodeFileHandles.Never, false)]
    [InlineData(InodeFileHandles.Never, true)]
    [InlineData(InodeFileHandles.Prefer, false)]
    [InlineData(InodeFileHandles.Prefer, true)]
    public void A_file_by_two_mounts_is_one_node_unless_mounts_count(InodeFileHandles handles, bool mountsCount)
    {
        Privileges.RequireRoot();
        string source = _directory.Folder("source");
        File.WriteAllText(Path.Combine(source, "f"), "");
        Directory.CreateDirectory(Mounted);
        Privileges.Require(Run("mount", "--bind", source, Mounted) == 0, "needs to mount");
        _isMounted = true;
        using var fs = new PassthroughFileSystem(new PassthroughConfig
        {
            RootDir = _directory.Path, InodeFileHandles = handles, EnableMntid = mountsCount,
        });
        Assert.Equal(Errno.OK, fs.Import());
        Assert.Equal(Errno.OK, fs.LookupPath(default, "source/f", out Entry first));
        Assert.Equal(Errno.OK, fs.LookupPath(default, "mounted/f", out Entry second));
        Assert.Equal(first.Attributes.Ino, second.Attributes.Ino);
        Assert.Equal(mountsCount, first.Node != second.Node);
        Assert.Equal(Errno.OK, fs.GetAttr(default, second.Node, Handle.None, out _));
    }

    protected override void Cleanup()
    {
        if (_isMounted)
        {
            Assert.Equal(0, Run("umount", Mounted));
        }

        _directory.Dispose();
    }

    private static int Run(string program, params string[] arguments)
    {
        using Process process = Process.Start(program, arguments);
        process.WaitForExit();
        return process.ExitCode;
    }
}
