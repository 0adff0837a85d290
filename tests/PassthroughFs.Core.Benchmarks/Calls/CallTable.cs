using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Text;
using System.Threading;

namespace PassthroughFs.Core.Benchmarks.Calls;

/// <summary>
/// Runs bare calls, library and messages in turns, many short rounds, and compares within each round: what else the
/// machine does hits all three.
/// </summary>
internal sealed class CallTable(Arguments arguments)
{
    private const int BareColumn = 0;
    internal const int LibraryColumn = 1;
    internal const int MessageColumn = 2;

    private readonly bool _smoke = arguments.Has("--smoke");
    private readonly int _rounds = arguments.Has("--smoke") ? 1 : arguments.Number("--rounds", 21);
    private readonly int? _noOpen =
        arguments.Has("--no-open") ? arguments.Number("--no-open", 0, least: 0) : null;
    private readonly string? _only = arguments.Value("--only");

    private TimeSpan Round => TimeSpan.FromMilliseconds(_smoke ? 0.1 : 4);

    private IEnumerable<CallCase> Cases =>
        CallCase.All.Where(one => _only is null || one.Name.Contains(_only, StringComparison.Ordinal));

    public int Run()
    {
        var columns = new List<(string Name, Dictionary<CallCase, double[]> Figures)>();
        IReadOnlyList<string> directories = arguments.All("--on", "/dev/shm", "/var/tmp");
        if (!_smoke)
        {
            WarmUp(directories[0]);
        }

        foreach (string directory in directories)
        {
            foreach (bool useHandles in (bool[])[false, true])
            {
                string name = $"{FileSystems.TypeOf(directory)}, {(useHandles ? "handles" : "fds")}";
                Console.Error.WriteLine($"{name} ({directory})");
                columns.Add((name, Measure(directory, useHandles)));
            }
        }

        string table = Format(columns);
        Console.Write(table);
        if (arguments.Value("--write") is string file)
        {
            Document.Replace(file, "calls", table);
        }

        return 0;
    }

    private Dictionary<CallCase, double[]> Measure(string directory, bool useHandles)
    {
        var figures = new Dictionary<CallCase, double[]>();
        using var rig = new CallRig(directory, useHandles, noOpen: _noOpen);
        foreach (CallCase one in Cases)
        {
            one.Prepare(rig);
            figures[one] = Measure(rig, one);
            one.Finish(rig);
        }

        return figures;
    }

    /// <summary>Nanoseconds of the bare calls, and how many times that the other two took.</summary>
    private double[] Measure(CallRig rig, CallCase one)
    {
        int count = Calibrate(rig, one);
        var times = new double[_rounds][];
        for (int round = 0; round < _rounds; round++)
        {
            times[round] = new double[3];
            for (int column = 0; column < 3; column++)
            {
                times[round][column] = Time(rig, one, column, count);
            }
        }

        return
        [
            Median(times.Select(round => round[BareColumn])),
            Median(times.Select(round => round[LibraryColumn] / round[BareColumn])),
            Median(times.Select(round => round[MessageColumn] / round[BareColumn])),
        ];
    }

    /// <summary>How many operations fill a round.</summary>
    private int Calibrate(CallRig rig, CallCase one)
    {
        double operation = Enumerable.Range(0, _smoke ? 1 : 3).Min(_ => Time(rig, one, MessageColumn, 1)) * one.Unit;
        return (int)Math.Clamp(Round.TotalNanoseconds / operation, 1, 1_000_000);
    }

    /// <summary>Has everything compiled in full, as it is in a server that has run for a second.</summary>
    private void WarmUp(string directory)
    {
        const int Calls = 300;
        foreach (bool useHandles in (bool[])[false, true])
        {
            using var rig = new CallRig(directory, useHandles, noOpen: _noOpen);
            for (int pass = 0; pass < 3; pass++)
            {
                foreach (CallCase one in Cases)
                {
                    one.Prepare(rig);
                    for (int column = 0; column < 3; column++)
                    {
                        Time(rig, one, column, one.Unit > 1 ? 2 : Calls);
                    }

                    one.Finish(rig);
                }

                // Compiling waits until nothing new has been called for 100 ms.
                Thread.Sleep(400);
            }
        }
    }

    internal static double Time(CallRig rig, CallCase one, int column, int count)
    {
        long start = Cpu.Thread;
        switch (column)
        {
            case BareColumn:
                one.Bare(rig, count);
                break;
            case LibraryColumn:
                one.Through(rig, rig.Api, count);
                break;
            default:
                one.Through(rig, rig.Wire, count);
                break;
        }

        return (double)(Cpu.Thread - start) / count / one.Unit;
    }

    internal static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return sorted[sorted.Length / 2];
    }

    private static string Format(List<(string Name, Dictionary<CallCase, double[]> Figures)> columns)
    {
        var text = new StringBuilder("| operation |");
        foreach ((string name, _) in columns)
        {
            text.Append(CultureInfo.InvariantCulture, $" {name} |");
        }

        text.Append("\n|---|").Insert(text.Length, "---|", columns.Count).Append('\n');
        foreach (CallCase one in columns[0].Figures.Keys)
        {
            text.Append(CultureInfo.InvariantCulture, $"| {one.Name} |");
            foreach ((_, Dictionary<CallCase, double[]> figures) in columns)
            {
                double[] figure = figures[one];
                text.Append(
                    CultureInfo.InvariantCulture,
                    $" {figure[BareColumn]:F0} ns: {figure[LibraryColumn]:F2}, {figure[MessageColumn]:F2} |");
            }

            text.Append('\n');
        }

        return text.ToString();
    }
}
