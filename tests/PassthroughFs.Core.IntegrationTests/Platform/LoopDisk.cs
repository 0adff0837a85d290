using System;
using System.Collections.Generic;
using System.IO;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Platform;

/// <summary>An ext4 file system in a file, on a loop device: its device number can be another one each time.</summary>
internal sealed class LoopDisk : IDisposable
{
    private const long Size = 16 << 20;

    private readonly TempDirectory _files = new();
    private readonly List<string> _devices = [];
    private string? _mounted;

    public LoopDisk()
    {
        Require.Root();
        Require.Program("mkfs.ext4", "losetup");
        Require.That(File.Exists("/dev/loop-control"), "/dev/loop-control");
        using (FileStream image = File.Create(_files["image"]))
        {
            image.SetLength(Size);
        }

        File.Copy(_files["image"], _files["empty"]);
        Run("mkfs.ext4", "-q", _files["image"]);
    }

    public void Mount(string path)
    {
        Run("mount", Attach("image"), path);
        _mounted = path;
    }

    /// <summary>Lets another file have the device's number, and mounts again.</summary>
    public void MountByAnotherDevice(string path)
    {
        Release();
        Attach("empty");
        Mount(path);
    }

    public void Dispose()
    {
        // A server that a failed test has left may still use it.
        Release("--lazy");
        _files.Dispose();
    }

    private static string Run(string program, params string[] arguments)
    {
        ShellResult result = Shell.Run(program, arguments);
        Assert.True(result.ExitCode == 0, $"{program}: {result.All}");
        return result.Out.Trim();
    }

    private string Attach(string name)
    {
        string device = Run("losetup", "-f", "--show", _files[name]);
        _devices.Add(device);
        return device;
    }

    private void Release(params string[] how)
    {
        if (_mounted is not null)
        {
            Run("umount", [.. how, _mounted]);
            _mounted = null;
        }

        _devices.ForEach(device => Run("losetup", "-d", device));
        _devices.Clear();
    }
}
