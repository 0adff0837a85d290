using System;
using System.Collections.Generic;
using Microsoft.Extensions.Logging;
using PassthroughFs.Core.Protocol;
using PassthroughFs.Shared;

namespace PassthroughFs.Fuse;

/// <summary>
/// One line in the log when requests begin to hang, one when nothing is served any more, and one when none hangs:
/// however many there are in between.
/// </summary>
/// <param name="limit">From when on a request hangs; 0 for never.</param>
/// <param name="most">How many may hang until nothing is served any more.</param>
/// <param name="mountPoint">Where the mount is, for the line; called once there is one.</param>
/// <param name="hint">How to see them, for the line.</param>
/// <param name="logger">Gets it.</param>
internal sealed class HangEpisode(TimeSpan limit, int most, Func<string> mountPoint, string? hint, ILogger logger)
{
    private bool _isOne;
    private bool _isFull;

    /// <summary>Called from time to time.</summary>
    public void Look(RequestWatch watch)
    {
        int count = limit > TimeSpan.Zero ? watch.Count(limit) : 0;
        if (count > 0 && !_isOne)
        {
            _isOne = true;
            IReadOnlyList<RequestUnderWay> requests = watch.List();
            if (requests.Count > 0)
            {
                Log.Hanging(
                    logger, count, RequestText.Describe(requests[0]), mountPoint(), hint is null ? "" : " " + hint);
            }
        }
        else if (count == 0 && _isOne)
        {
            _isOne = false;
            _isFull = false;
            Log.NoLongerHanging(logger);
        }

        if (count >= most && !_isFull)
        {
            _isFull = true;
            Log.AllHanging(logger, count);
        }
    }
}
