using System;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Fuse.Hosting;

/// <summary>One mount of a host.</summary>
/// <param name="mountPoint">Where.</param>
/// <param name="create">Makes the file system, or gets it.</param>
/// <param name="isOwner">Whether the file system is disposed of with the mount.</param>
/// <param name="configure">Sets the options.</param>
/// <param name="loggers">For what happens.</param>
/// <param name="lifetime">Ends the host, if there is one.</param>
internal sealed partial class FuseMountService(
    string mountPoint, Func<IFileSystem> create, bool isOwner, Action<FuseMountOptions>? configure,
    ILoggerFactory? loggers, IHostApplicationLifetime? lifetime) : IHostedService, IAsyncDisposable, IDisposable
{
    private readonly ILogger _logger = (loggers ?? NullLoggerFactory.Instance).CreateLogger<FuseMount>();
    private IFileSystem? _fileSystem;
    private FuseMount? _mount;

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        var options = new FuseMountOptions { HandleSignals = false };
        configure?.Invoke(options);
        _fileSystem = create();
        try
        {
            _mount = await FuseMount.StartAsync(_fileSystem, mountPoint, options, loggers, cancellationToken)
                .ConfigureAwait(false);
        }
        catch
        {
            await EndFileSystem().ConfigureAwait(false);
            throw;
        }

        Mounted(_logger, _mount.MountPoint);
        _ = Watch(_mount);
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        if (Interlocked.Exchange(ref _mount, null) is { } mount)
        {
            await mount.DisposeAsync().ConfigureAwait(false);
            Unmounted(_logger, mount.MountPoint);

            // What still hangs in it would find it gone.
            if (mount.IsQuiet)
            {
                await EndFileSystem().ConfigureAwait(false);
            }
        }
    }

    public async ValueTask DisposeAsync() => await StopAsync(CancellationToken.None).ConfigureAwait(false);

    public void Dispose() => DisposeAsync().AsTask().GetAwaiter().GetResult();

    private async Task Watch(FuseMount mount)
    {
        try
        {
            await mount.Completion.ConfigureAwait(false);
            if (Volatile.Read(ref _mount) is not null)
            {
                Unmounted(_logger, mount.MountPoint);
            }
        }
#pragma warning disable CA1031 // Whatever ended it: the host hears of it.
        catch (Exception e)
#pragma warning restore CA1031
        {
            Failed(_logger, mount.MountPoint, e.Message);
            Environment.ExitCode = 1;
            lifetime?.StopApplication();
        }
    }

    private async ValueTask EndFileSystem()
    {
        IFileSystem? ended = Interlocked.Exchange(ref _fileSystem, null);
        if (!isOwner)
        {
            return;
        }

        if (ended is IAsyncDisposable later)
        {
            await later.DisposeAsync().ConfigureAwait(false);
        }
        else
        {
            (ended as IDisposable)?.Dispose();
        }
    }

    [LoggerMessage(30, LogLevel.Information, "Mounted at {MountPoint}.")]
    private static partial void Mounted(ILogger logger, string mountPoint);

    [LoggerMessage(31, LogLevel.Information, "{MountPoint} is unmounted.")]
    private static partial void Unmounted(ILogger logger, string mountPoint);

    [LoggerMessage(32, LogLevel.Critical, "The mount at {MountPoint} has failed: {Reason}.")]
    private static partial void Failed(ILogger logger, string mountPoint, string reason);
}
