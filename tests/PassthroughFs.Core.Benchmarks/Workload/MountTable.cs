using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Text;

namespace PassthroughFs.Core.Benchmarks.Workload;

/// <summary>
/// Runs each operation over several directories in turns, and compares within each round: processor time of client and
/// server together, and operations a second.
/// </summary>
internal sealed class MountTable(Arguments arguments)
{
    private const string Bare = "bare";

    private readonly bool _smoke = arguments.Has("--smoke");
    private readonly int _rounds = arguments.Has("--smoke") ? 1 : arguments.Number("--rounds", 15);
    private readonly TimeSpan _turn = TimeSpan.FromMilliseconds(arguments.Has("--smoke") ? 1 : 40);

    public int Run()
    {
        string on = arguments.Value("--on") ?? "/dev/shm";
        var servers = new List<MountedServer>();
        var rigs = new List<WorkRig>();
        try
        {
            servers.Add(new MountedServer(Bare, null, on));
            foreach (string server in arguments.All("--server"))
            {
                string[] parts = server.Split('=', 2);
                if (parts.Length != 2)
                {
                    throw new UsageException($"--server {server}: give NAME=COMMAND.");
                }

                servers.Add(new MountedServer(parts[0], parts[1], on));
            }

            rigs.AddRange(servers.Select(server => new WorkRig(server)));
            string reference = arguments.Value("--reference") ?? Bare;
            int place = servers.FindIndex(server => server.Name == reference);
            if (place < 0)
            {
                throw new UsageException($"--reference {reference}: no server has that name.");
            }

            Report(servers, Measure(servers, rigs), place, FileSystems.TypeOf(on));
        }
        finally
        {
            rigs.ForEach(rig => rig.Dispose());
            servers.ForEach(server => server.Dispose());
        }

        return 0;
    }

    /// <summary>For each operation, server and round: processor time and time on the wall of one operation.</summary>
    private Dictionary<Work, (double Cpu, double Wall)[][]> Measure(List<MountedServer> servers, List<WorkRig> rigs)
    {
        var figures = new Dictionary<Work, (double Cpu, double Wall)[][]>();
        string? only = arguments.Value("--only");
        foreach (Work work in Work.All.Where(one => only is null || one.Name.Contains(only, StringComparison.Ordinal)))
        {
            Console.Error.WriteLine(work.Name);
            int[] counts = [.. servers.Select((server, i) => Calibrate(work, server, rigs[i]))];
            figures[work] = [.. servers.Select(_ => new (double, double)[_rounds])];
            for (int round = 0; round < _rounds; round++)
            {
                for (int i = 0; i < servers.Count; i++)
                {
                    figures[work][i][round] = Time(work, servers[i], rigs[i], counts[i]);
                }
            }
        }

        return figures;
    }

    private int Calibrate(Work work, MountedServer server, WorkRig rig)
    {
        int count = 1;
        long start = Stopwatch.GetTimestamp();
        if (!_smoke)
        {
            // Until the server has compiled in full what it runs now.
            while (Stopwatch.GetElapsedTime(start) < TimeSpan.FromMilliseconds(300))
            {
                work.Loop(rig, 1);
            }
        }

        while (true)
        {
            double wall = Time(work, server, rig, count).Wall * count;
            if (wall >= _turn.TotalNanoseconds)
            {
                return count;
            }

            count = Math.Max(count + 1, (int)Math.Min(count * 8.0, count * 1.2 * _turn.TotalNanoseconds / wall));
        }
    }

    private static (double Cpu, double Wall) Time(Work work, MountedServer server, WorkRig rig, int count)
    {
        long clock = Stopwatch.GetTimestamp();
        long cpu = Cpu.Thread + server.Cpu;
        work.Loop(rig, count);
        cpu = Cpu.Thread + server.Cpu - cpu;
        return ((double)cpu / count, Stopwatch.GetElapsedTime(clock).TotalNanoseconds / count);
    }

    private void Report(
        List<MountedServer> servers, Dictionary<Work, (double Cpu, double Wall)[][]> figures, int reference,
        string type)
    {
        var table = new StringBuilder();
        string name = servers[reference].Name;
        table.Append(CultureInfo.InvariantCulture, $"On {type}. Processor time as a multiple of {name}'s,\n");
        table.Append(CultureInfo.InvariantCulture, $"and behind it operations a second as a multiple of {name}'s.\n\n");
        table.Append(CultureInfo.InvariantCulture, $"| operation | {name}, processor time |");
        List<int> others = [.. Enumerable.Range(0, servers.Count).Where(i => i != reference)];
        others.ForEach(i => table.Append(CultureInfo.InvariantCulture, $" {servers[i].Name} |"));
        table.Append("\n|---|---|").Insert(table.Length, "---|", others.Count).Append('\n');
        var chart = new List<(string, double[])>();
        foreach ((Work work, (double Cpu, double Wall)[][] times) in figures)
        {
            double own = Median(times[reference].Select(time => time.Cpu));
            table.Append(CultureInfo.InvariantCulture, $"| {work.Name} | {own / 1000:F1} µs |");
            double[] ratios = new double[others.Count];
            for (int i = 0; i < others.Count; i++)
            {
                var pairs = times[others[i]].Zip(times[reference]).ToList();
                ratios[i] = Median(pairs.Select(pair => pair.First.Cpu / pair.Second.Cpu));
                double speed = Median(pairs.Select(pair => pair.Second.Wall / pair.First.Wall));
                table.Append(CultureInfo.InvariantCulture, $" {ratios[i]:F2}; {speed:F2} |");
            }

            table.Append('\n');
            chart.Add((work.Name, ratios));
        }

        Console.Write(table);
        if (arguments.Value("--write") is string page)
        {
            Document.Replace(page, arguments.Value("--section") ?? "mounts", table.ToString());
        }

        if (arguments.Value("--chart") is string file)
        {
            string title =
                $"Processor time of client and server, as a multiple of {name}'s ({type}); shorter is better";
            File.WriteAllText(file, Chart.Bars(title, [.. others.Select(i => servers[i].Name)], chart));
        }
    }

    private static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return sorted[sorted.Length / 2];
    }
}
