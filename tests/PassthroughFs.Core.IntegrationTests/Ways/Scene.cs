using System;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Posix;
using PassthroughFs.Core.IntegrationTests.Vhost;
using PassthroughFs.Core.IntegrationTests.Wire;
using PassthroughFs.Core.Passthrough;
using PassthroughFs.Core.Vfs;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Ways;

/// <summary>One test's directory: through the way in, and as the host has it.</summary>
public sealed class Scene : IDisposable
{
    private readonly PassthroughFileSystem? _fs;
    private readonly Watchdog _watchdog;

    internal Scene(Way way, string hostDirectory, string? mounted, MountProcess? mount, DaemonProcess? daemon)
    {
        Way = way;
        HostDirectory = hostDirectory;
        Host = new HostPosix(hostDirectory);
        _watchdog = new Watchdog(mount);
        if (way.Kind == WayKind.InProcess)
        {
            var config = new PassthroughConfig { RootDir = hostDirectory };
            way.Configure?.Invoke(config);
            config.DoImport = way.Inside is null;
            _fs = new PassthroughFileSystem(config);
            P = way.Inside is null
                ? new DispatchPosix(new DispatchChannel(_fs))
                : new DispatchPosix(new DispatchChannel(InVfs(_fs, way.Inside)), way.Inside);
        }
        else if (daemon is not null)
        {
            P = new DispatchPosix(new VhostChannel(daemon.SocketPath), System.IO.Path.GetFileName(hostDirectory));
        }
        else
        {
            P = new HostPosix(mounted ?? hostDirectory);
        }
    }

    public Way Way { get; }

    /// <summary>The way in.</summary>
    public IPosix P { get; }

    /// <summary>The host's own view of the same directory.</summary>
    public IPosix Host { get; }

    public string HostDirectory { get; }

    /// <summary>Where programs find the directory; ways through a kernel only.</summary>
    public string Path => ((HostPosix)P).Root;

    /// <summary>One of several, with ids that are translated, each to itself.</summary>
    private static Vfs.Vfs InVfs(PassthroughFileSystem fs, string path)
    {
        var vfs = new Vfs.Vfs(new VfsOptions { Flags = fs.Config.WantedFlags });
        vfs.Mount("/" + path, new IdMappedFileSystem(fs, IdMap.Identity, IdMap.Identity));
        return vfs;
    }

    public void Dispose()
    {
        P.Dispose();
        Host.Dispose();
        if (_fs is not null)
        {
            Assert.Empty(OpenFiles.Below(HostDirectory));
            _fs.Dispose();
        }

        _watchdog.Dispose();
    }
}
