using System;
using System.Collections.Generic;
using System.Threading;

namespace PassthroughFs.Core.Protocol;

/// <summary>
/// Tells which requests of a session have been under way for how long: with a host that hangs there is no other way to
/// know what is waited for. Whoever serves calls <see cref="Look"/> from time to time.
/// </summary>
/// <remarks>
/// A request costs no look at a clock: a worker only counts, and the time is that between looks, by a clock that nobody
/// can set. Safe for use by several threads. Requests that wait for a lock keep no worker and are not told.
/// </remarks>
/// <param name="session">Whose requests.</param>
/// <param name="time">The clock; null for the system's.</param>
public sealed class RequestWatch(FuseSession session, TimeProvider? time = null)
{
    private readonly TimeProvider _time = time ?? TimeProvider.System;
    private readonly Lock _lock = new();
    private readonly List<(FuseWorker Worker, long Turn, long Since)> _seen = [];

    /// <summary>Looks at each worker, and notes those that are at a request that was not seen before.</summary>
    public void Look()
    {
        lock (_lock)
        {
            long now = _time.GetTimestamp();
            _seen.RemoveAll(seen => seen.Worker.Turn != seen.Turn);
            foreach (FuseWorker worker in session.Workers)
            {
                long turn = worker.Turn;
                if (FuseWorker.IsAtWork(turn) && !_seen.Exists(seen => seen.Worker == worker))
                {
                    _seen.Add((worker, turn, now));
                }
            }
        }
    }

    /// <summary>How many requests have been under way for at least <paramref name="age"/>.</summary>
    public int Count(TimeSpan age)
    {
        lock (_lock)
        {
            int count = 0;
            foreach ((FuseWorker worker, long turn, long since) in _seen)
            {
                count += worker.Turn == turn && _time.GetElapsedTime(since) >= age ? 1 : 0;
            }

            return count;
        }
    }

    /// <summary>The requests that are under way, the oldest first. Looks as well.</summary>
    public IReadOnlyList<RequestUnderWay> List()
    {
        Look();
        lock (_lock)
        {
            long now = _time.GetTimestamp();
            var list = new List<RequestUnderWay>(_seen.Count);
            foreach ((FuseWorker worker, long turn, long since) in _seen)
            {
                if (worker.TryDescribe(turn, out RequestUnderWay request))
                {
                    list.Add(request with { Age = _time.GetElapsedTime(since, now) });
                }
            }

            list.Sort((one, other) => (other.Age, one.Id.Value).CompareTo((one.Age, other.Id.Value)));
            return list;
        }
    }
}
