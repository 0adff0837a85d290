using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Threading;
using Microsoft.Extensions.Logging;
using PassthroughFs.Core.Protocol;

namespace PassthroughFs.PtfsVirtiofsd;

/// <summary>
/// Looks twice a second at which requests hang: has threads that stand by serve in the place of theirs, and says it in the
/// log, once until none hangs.
/// </summary>
internal sealed class HangWatch(FsDevice device, TimeSpan warning, ILogger logger)
{
    private static readonly TimeSpan s_tick = TimeSpan.FromMilliseconds(500);

    // Seen by two looks in a row.
    private static readonly TimeSpan s_hang = TimeSpan.FromMilliseconds(400);

    private bool _isEpisode;

    /// <summary>How many requests are under way now.</summary>
    public int Count => device.Watches.Sum(watch => watch.List().Count);

    public void Start() => new Thread(Run) { Name = "ptfs-watch", IsBackground = true }.Start();

    /// <summary>Says all that are under way.</summary>
    public void Report()
    {
        RequestUnderWay[] requests =
            [.. device.Watches.SelectMany(watch => watch.List()).OrderByDescending(request => request.Age)];
        Log.UnderWay(logger, requests.Length, string.Join("; ", requests.Select(Describe)));
    }

    private void Run()
    {
        while (true)
        {
            Thread.Sleep(s_tick);
            int hanging = 0;
            int old = 0;
            IReadOnlyList<RequestWatch> watches = device.Watches;
            foreach (RequestWatch watch in watches)
            {
                watch.Look();
                hanging += watch.Count(s_hang);
                old += warning > TimeSpan.Zero ? watch.Count(warning) : 0;
            }

            device.Standby.Want(hanging);
            if (old > 0 && !_isEpisode)
            {
                _isEpisode = true;
                Say(watches, old);
            }
            else if (old == 0 && _isEpisode)
            {
                _isEpisode = false;
                Log.NoLongerHanging(logger);
            }
        }
    }

    private void Say(IReadOnlyList<RequestWatch> watches, int count)
    {
        if (watches.SelectMany(watch => watch.List()).OrderByDescending(request => request.Age).ToArray() is [var first, ..])
        {
            Log.Hanging(logger, count, Describe(first));
        }
    }

    private static string Describe(RequestUnderWay request)
    {
        string name = request.Name is { } text
            ? $" name \"{string.Concat(text.Select(c => char.IsControl(c) ? '?' : c))}\""
            : "";
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{request.Age.TotalSeconds:F1} s {request.Opcode} node {request.Node.Value}{name} pid {request.Pid} uid " +
            $"{request.Uid}");
    }
}
