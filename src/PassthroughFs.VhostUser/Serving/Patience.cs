using System;
using System.Diagnostics;

namespace PassthroughFs.VhostUser;

/// <summary>
/// How long requests under way are waited for when a queue stops: as long as it takes, while there is a VMM that wants
/// to know where the queue stopped; not long when it has gone; and up to a limit when the server ends.
/// </summary>
/// <param name="isEnding">Whether the server is to end.</param>
/// <param name="isGone">Whether the VMM has gone.</param>
/// <param name="goneLimit">How long then, as the next VMM may be waiting.</param>
/// <param name="endLimit">How long at the end.</param>
internal sealed class Patience(Func<bool> isEnding, Func<bool> isGone, TimeSpan goneLimit, TimeSpan endLimit)
{
    private long _end;
    private long _gone;

    /// <summary>Whether nobody waits any more. Asked from time to time, from the moment when one stops.</summary>
    public bool IsOver() => isEnding() ? Over(ref _end, endLimit) : isGone() && Over(ref _gone, goneLimit);

    private static bool Over(ref long since, TimeSpan limit)
    {
        since = since == 0 ? Stopwatch.GetTimestamp() : since;
        return Stopwatch.GetElapsedTime(since) >= limit;
    }
}
