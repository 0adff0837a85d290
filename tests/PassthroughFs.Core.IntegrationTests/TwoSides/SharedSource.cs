using System;
using System.Collections.Generic;
using PassthroughFs.Core.IntegrationTests.Platform;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.TwoSides;

/// <summary>The file systems of the host that two sides work on.</summary>
public enum SourceKind
{
    Ext4,
    Tmpfs,

    /// <summary>With a subvolume for each area: the same inode numbers in both.</summary>
    Btrfs,

    Overlay,

    /// <summary>A networked one: GlusterFS over loopback.</summary>
    Gluster,
}

/// <summary>A directory on a file system of some kind, that goes with this.</summary>
internal sealed class SharedSource : IDisposable
{
    private const long Bytes = 400 << 20;

    private readonly List<IDisposable> _owned = [];
    private readonly string? _mounted;

    public SharedSource(SourceKind kind)
    {
        Require.Fuse();
        ListsExactly = kind is not (SourceKind.Tmpfs or SourceKind.Overlay);
        IsRemote = kind == SourceKind.Gluster;
        switch (kind)
        {
            case SourceKind.Ext4:
                Path = Own(new ScratchDisk(Bytes, "mkfs.ext4", "-q", "-F")).Path;
                break;
            case SourceKind.Btrfs:
                Require.FileSystem("btrfs");
                Require.Program("btrfs");
                Path = Own(new ScratchDisk(Bytes, "mkfs.btrfs", "-q")).Path;
                MakeArea = path => Run("btrfs", "subvolume", "create", path);
                break;
            case SourceKind.Tmpfs:
                Path = Own(new TempDirectory(Backing.Tmpfs)).Path;
                break;
            case SourceKind.Overlay:
                Require.FileSystem("overlay");
                TempDirectory layers = Own(new TempDirectory(Backing.Tmpfs));
                Path = _mounted = layers["merged"];
                ShellResult mounted = Shell.Script(
                    "mkdir lower upper work merged; " +
                    "mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work merged",
                    layers.Path);
                Assert.True(mounted.ExitCode == 0, mounted.All);
                break;
            default:
                Path = Own(new GlusterVolume()).Path + "/source";
                break;
        }
    }

    public string Path { get; }

    /// <summary>
    /// Whether a listing has each name that nobody changes exactly once. On tmpfs (Linux 6.18) it may be there twice, or
    /// be missed, while others in the directory are renamed.
    /// </summary>
    public bool ListsExactly { get; }

    /// <summary>
    /// Whether who opens or reads what others remove or replace may be told ESTALE, and the target of such a symbolic link
    /// may be empty. GlusterFS is so on the bare directory.
    /// </summary>
    public bool IsRemote { get; }

    /// <summary>Makes what is a file system of its own to some, or nothing where that is a directory.</summary>
    public Action<string>? MakeArea { get; }

    public void Dispose()
    {
        if (_mounted is not null)
        {
            Shell.Run("umount", ["-l", _mounted]);
        }

        _owned.ForEach(part => part.Dispose());
    }

    private static void Run(string program, params string[] arguments)
    {
        ShellResult result = Shell.Run(program, arguments);
        Assert.True(result.ExitCode == 0, $"{program}: {result.All}");
    }

    private T Own<T>(T part)
        where T : IDisposable
    {
        _owned.Add(part);
        return part;
    }
}
