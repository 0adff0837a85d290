using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using Microsoft.Extensions.Logging;
using PassthroughFs.Core.Protocol;
using PassthroughFs.Shared;

namespace PassthroughFs.VhostUser;

/// <summary>
/// Looks twice a second at which requests hang: has threads that stand by serve in the place of theirs, and says it in
/// the log, once until none hangs.
/// </summary>
/// <param name="device">Whose requests.</param>
/// <param name="standby">Where those threads wait.</param>
/// <param name="warning">From when on a request that hangs is logged; zero for never.</param>
/// <param name="hint">How to see them, for the line; null for nothing.</param>
/// <param name="logger">Gets it.</param>
internal sealed class HangWatch(FsDevice device, Standby standby, TimeSpan warning, string? hint, ILogger logger)
{
    private static readonly TimeSpan s_tick = TimeSpan.FromMilliseconds(500);

    // Seen by two looks in a row.
    private static readonly TimeSpan s_hang = TimeSpan.FromMilliseconds(400);

    private readonly object _lock = new();
    private bool _isEpisode;
    private bool _isOver;

    /// <summary>Those that are under way now, the oldest first.</summary>
    public IReadOnlyList<RequestUnderWay> List() =>
        [.. device.Watches.SelectMany(watch => watch.List()).OrderByDescending(request => request.Age)];

    /// <summary>Begins to look.</summary>
    public void Start() => new Thread(Run) { Name = "ptfs-watch", IsBackground = true }.Start();

    /// <summary>Looks no more.</summary>
    public void Stop()
    {
        lock (_lock)
        {
            _isOver = true;
            Monitor.Pulse(_lock);
        }
    }

    private void Run()
    {
        lock (_lock)
        {
            while (!_isOver)
            {
                Monitor.Wait(_lock, s_tick);
                Look();
            }
        }
    }

    private void Look()
    {
        int hanging = 0;
        int old = 0;
        foreach (RequestWatch watch in device.Watches)
        {
            watch.Look();
            hanging += watch.Count(s_hang);
            old += warning > TimeSpan.Zero ? watch.Count(warning) : 0;
        }

        standby.Want(hanging);
        if (old > 0 && !_isEpisode)
        {
            _isEpisode = true;
            if (List() is [var first, ..])
            {
                Log.Hanging(logger, old, RequestText.Describe(first), hint is null ? "" : " " + hint);
            }
        }
        else if (old == 0 && _isEpisode)
        {
            _isEpisode = false;
            Log.NoLongerHanging(logger);
        }
    }
}
