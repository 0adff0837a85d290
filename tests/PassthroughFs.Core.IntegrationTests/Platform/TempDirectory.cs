using System;
using System.IO;

namespace PassthroughFs.Core.IntegrationTests.Platform;

/// <summary>Which of the machine's file systems holds a temporary directory.</summary>
public enum Backing
{
    /// <summary>Where temporary files are: usually a disk file system.</summary>
    Disk,

    /// <summary>/dev/shm.</summary>
    Tmpfs,
}

/// <summary>A new directory, removed with all that is in it.</summary>
internal sealed class TempDirectory : IDisposable
{
    public TempDirectory(Backing backing = Backing.Disk)
    {
        string parent = backing == Backing.Tmpfs ? "/dev/shm" : System.IO.Path.GetTempPath();
        Require.That(Directory.Exists(parent), parent);
        Path = System.IO.Path.Combine(parent, "ptfs-" + Guid.NewGuid().ToString("N")[..12]);
        Directory.CreateDirectory(Path);

        // Reachable for other users, whatever the mask was.
        _ = Native.Chmod(Bytes.Z(Path), 0x1ED);
    }

    public string Path { get; }

    public string this[string name] => System.IO.Path.Combine(Path, name);

    public void Dispose()
    {
        // rm rather than Directory.Delete: names here need not be text, and modes may be anything.
        Shell.Run("rm", ["-rf", "--one-file-system", Path], timeoutSeconds: 60);
        if (Directory.Exists(Path))
        {
            throw new IOException($"{Path} could not be removed");
        }
    }
}
