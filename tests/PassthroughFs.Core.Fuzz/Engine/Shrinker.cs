using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Linq;

namespace PassthroughFs.Core.Fuzz.Engine;

/// <summary>Leaves requests out of a tape for as long as it fails in the same way.</summary>
internal static class Shrinker
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    public static (Tape Tape, FindingException? Finding) Shrink(
        Tape tape, string rule, Func<Tape, FindingException?> replay, FindingException? finding)
    {
        long start = Stopwatch.GetTimestamp();
        List<int> kept = [.. Enumerable.Range(0, tape.Count)];
        Tape best = tape;
        for (int chunk = Math.Max(1, kept.Count / 2); ; chunk /= 2)
        {
            for (int at = Math.Max(0, kept.Count - chunk); ; at = Math.Max(0, at - chunk))
            {
                if (Stopwatch.GetElapsedTime(start) > s_patience)
                {
                    return (best, finding);
                }

                List<int> fewer = [.. kept];
                fewer.RemoveRange(at, Math.Min(chunk, fewer.Count - at));
                Tape part = tape.Select(fewer);
                if (fewer.Count > 0 && replay(part) is { } again && again.Rule == rule)
                {
                    (kept, best, finding) = (fewer, part, again);
                }

                if (at == 0)
                {
                    break;
                }
            }

            if (chunk == 1)
            {
                return (best, finding);
            }
        }
    }
}
