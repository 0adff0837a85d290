using System;
using System.IO;
using PassthroughFs.Core.IntegrationTests.Platform;

namespace PassthroughFs.Core.IntegrationTests.Ways;

/// <summary>A mount of its own for one test: source, mount point, process, and a watchdog over it.</summary>
internal sealed class MountFixture : IDisposable
{
    private readonly TempDirectory _source;
    private readonly TempDirectory _mountPoint = new();
    private readonly Watchdog _watchdog;

    public MountFixture(Backing backing, params string[] options)
    {
        Require.Fuse();
        _source = new TempDirectory(backing);
        try
        {
            Mount = MountProcess.Start(_source.Path, _mountPoint.Path, options);
            _watchdog = new Watchdog(Mount, seconds: 120);
        }
        catch
        {
            _source.Dispose();
            _mountPoint.Dispose();
            throw;
        }
    }

    public MountProcess Mount { get; }

    public string Source => _source.Path;

    public string Path => _mountPoint.Path;

    /// <summary>What the server still holds open after the kernel dropped what it can.</summary>
    public string[] OpenAfterDroppingCaches()
    {
        string[] open = [];
        for (int attempt = 0; attempt < 300; attempt++)
        {
            File.WriteAllText("/proc/sys/vm/drop_caches", "2");
            open = Mount.OpenBelow(Source);
            if (open.Length == 0)
            {
                break;
            }

            System.Threading.Thread.Sleep(100);
        }

        return open;
    }

    public void Dispose()
    {
        try
        {
            Mount.Dispose();
            _watchdog.Dispose();
        }
        finally
        {
            _mountPoint.Dispose();
            _source.Dispose();
        }
    }
}
