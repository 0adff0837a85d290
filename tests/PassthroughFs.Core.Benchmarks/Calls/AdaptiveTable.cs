using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Text;

namespace PassthroughFs.Core.Benchmarks.Calls;

/// <summary>
/// The same calls over inodes with descriptors and over adaptive ones within their budget, in turns: what the budget
/// costs where it is not needed.
/// </summary>
internal sealed class AdaptiveTable(Arguments arguments)
{
    private const int Operations = 2_000;

    private readonly bool _smoke = arguments.Has("--smoke");
    private readonly int _rounds = arguments.Has("--smoke") ? 1 : arguments.Number("--rounds", 101);
    private readonly string? _only = arguments.Value("--only");

    public int Run()
    {
        string directory = arguments.All("--on", "/dev/shm")[0];
        var text = new StringBuilder("| operation | fds | adaptive / fds, library | adaptive / fds, messages |\n");
        text.Append("|---|---|---|---|\n");
        using var fds = new CallRig(directory, useHandles: false);
        using var adaptive = new CallRig(directory, useHandles: false, isAdaptive: true);
        foreach (CallCase one in CallCase.All.Where(
            one => one.Unit == 1 && (_only is null || one.Name.Contains(_only, StringComparison.Ordinal))))
        {
            one.Prepare(fds);
            one.Prepare(adaptive);
            (double time, double library) = Compare(fds, adaptive, one, CallTable.LibraryColumn);
            (_, double message) = Compare(fds, adaptive, one, CallTable.MessageColumn);
            one.Finish(fds);
            one.Finish(adaptive);
            text.Append(
                CultureInfo.InvariantCulture,
                $"| {one.Name} | {time:F0} ns | {library:F2} | {message:F2} |\n");
        }

        Console.Write(text);
        if (arguments.Value("--write") is string file)
        {
            Document.Replace(file, "adaptive", text.ToString());
        }

        return 0;
    }

    /// <summary>Nanoseconds with descriptors, and how many times that the other takes.</summary>
    private (double Time, double Ratio) Compare(CallRig fds, CallRig adaptive, CallCase one, int column)
    {
        int count = one.Name.Contains("MiB", StringComparison.Ordinal) || _smoke ? 2 : Operations;
        var times = new List<(double Fds, double Adaptive)>();
        for (int round = -2; round < _rounds; round++)
        {
            double first = CallTable.Time(round % 2 == 0 ? fds : adaptive, one, column, count);
            double second = CallTable.Time(round % 2 == 0 ? adaptive : fds, one, column, count);
            if (round >= 0)
            {
                times.Add(round % 2 == 0 ? (first, second) : (second, first));
            }
        }

        return (
            CallTable.Median(times.Select(pair => pair.Fds)),
            CallTable.Median(times.Select(pair => pair.Adaptive / pair.Fds)));
    }
}
