using System;
using System.Collections.Generic;
using System.Text;
using System.Threading;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Protocol;
using PassthroughFs.Shared;

namespace PassthroughFs.Fuse;

/// <summary>
/// Looks twice a second at which requests hang: has threads that stand by serve in the place of theirs, says it in the
/// log once, and describes them.
/// </summary>
internal sealed class HangWatch
{
    private static readonly TimeSpan s_tick = TimeSpan.FromMilliseconds(500);

    // Seen by two looks in a row.
    private static readonly TimeSpan s_hang = TimeSpan.FromMilliseconds(400);

    private static readonly TimeSpan s_pathLimit = TimeSpan.FromSeconds(1);

    private readonly RequestWatch _watch;
    private readonly Func<NodeId, string?> _pathOf;
    private readonly HangEpisode _episode;
    private readonly object _lock = new();
    private int _describing;
    private Action<int> _replace = _ => { };
    private bool _isOver;

    /// <param name="watch">Knows the requests.</param>
    /// <param name="pathOf">A node's path on the host, or null; may hang.</param>
    /// <param name="episode">Says it in the log.</param>
    public HangWatch(RequestWatch watch, Func<NodeId, string?> pathOf, HangEpisode episode)
    {
        _watch = watch;
        _pathOf = pathOf;
        _episode = episode;
    }

    /// <summary>Begins to look.</summary>
    /// <param name="replace">Gets how many hang, each time.</param>
    public void Start(Action<int> replace)
    {
        _replace = replace;
        new Thread(Run) { Name = "ptfs-watch", IsBackground = true }.Start();
    }

    /// <summary>How many requests have been under way for some time.</summary>
    public int Count(TimeSpan age) => _watch.Count(age);

    /// <summary>A line for each request that is under way, the oldest first.</summary>
    public string Describe()
    {
        IReadOnlyList<RequestUnderWay> requests = _watch.List();
        string?[] paths = PathsOf(requests);
        var text = new StringBuilder();
        for (int i = 0; i < requests.Count; i++)
        {
            text.Append(RequestText.Describe(requests[i], paths[i])).Append('\n');
        }

        return text.ToString();
    }

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
                _watch.Look();
                _replace(_watch.Count(s_hang));
                _episode.Look(_watch);
            }
        }
    }

    // A node that is kept by its kernel handle is opened for that, in the file system that may hang: aside, and by one
    // thread at most.
    private string?[] PathsOf(IReadOnlyList<RequestUnderWay> requests)
    {
        string?[] paths = new string?[requests.Count];
        if (Interlocked.CompareExchange(ref _describing, 1, 0) == 0)
        {
            var thread = new Thread(() =>
            {
                for (int i = 0; i < paths.Length; i++)
                {
                    paths[i] = _pathOf(requests[i].Node);
                }

                Volatile.Write(ref _describing, 0);
            })
            {
                Name = "ptfs-paths",
                IsBackground = true,
            };
            thread.Start();
            thread.Join(s_pathLimit);
        }

        return [.. paths];
    }
}
