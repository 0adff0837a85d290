using System;
using System.IO;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Platform;

/// <summary>A file system of its own kind, in a sparse file on a loop device, mounted.</summary>
internal sealed class ScratchDisk : IDisposable
{
    private readonly TempDirectory _at = new();
    private readonly TempDirectory? _own;
    private string? _device;

    /// <param name="bytes">How large it is.</param>
    /// <param name="format">The command that makes it, without the device.</param>
    public ScratchDisk(long bytes, params string[] format)
        : this(null, bytes, format)
    {
    }

    /// <param name="directory">Where the file is; null for one of its own.</param>
    /// <param name="bytes">How large it is.</param>
    /// <param name="format">The command that makes it, without the device.</param>
    public ScratchDisk(string? directory, long bytes, params string[] format)
    {
        Require.Root();
        Require.Program("losetup", format[0]);
        Require.That(File.Exists("/dev/loop-control"), "/dev/loop-control");
        _own = directory is null ? new TempDirectory() : null;
        string path = System.IO.Path.Combine(directory ?? _own!.Path, "image");
        using (FileStream image = File.Create(path))
        {
            image.SetLength(bytes);
        }

        try
        {
            Run(format[0], [.. format[1..], path]);
            _device = Run("losetup", "-f", "--show", path);
            Run("mount", _device, Path);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public string Path => _at.Path;

    public string this[string name] => System.IO.Path.Combine(Path, name);

    /// <summary>Checks it, when it was unmounted and nobody uses it any more, and mounts it again.</summary>
    public void Remount()
    {
        Run("fsck", "-f", "-n", _device!);
        Run("mount", _device!, Path);
    }

    public string Run(string program, params string[] arguments)
    {
        ShellResult result = Shell.Run(program, arguments);
        Assert.True(result.ExitCode == 0, $"{program}: {result.All}");
        return result.Out.Trim();
    }

    public void Dispose()
    {
        // A server that a failed test has left may still use it.
        Shell.Run("umount", ["-l", Path]);
        if (_device is not null)
        {
            Shell.Run("losetup", ["-d", _device]);
            _device = null;
        }

        _at.Dispose();
        _own?.Dispose();
    }
}
