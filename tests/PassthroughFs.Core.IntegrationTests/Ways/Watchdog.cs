using System;
using System.Threading;

namespace PassthroughFs.Core.IntegrationTests.Ways;

/// <summary>Ends a mount that hangs, so that the test fails instead of waiting for ever.</summary>
internal sealed class Watchdog : IDisposable
{
    private readonly Timer? _timer;
    private volatile bool _barked;

    public Watchdog(MountProcess? mount, int seconds = 60)
    {
        if (mount is not null)
        {
            _timer = new Timer(
                _ =>
                {
                    _barked = true;
                    mount.Abort();
                },
                null, TimeSpan.FromSeconds(seconds), Timeout.InfiniteTimeSpan);
        }
    }

    public void Dispose()
    {
        _timer?.Dispose();
        if (_barked)
        {
            throw new TimeoutException("the mount hung and was aborted");
        }
    }
}
