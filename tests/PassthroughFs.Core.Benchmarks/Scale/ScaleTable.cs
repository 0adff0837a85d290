using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Text;
using System.Threading;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Benchmarks.Calls;
using PassthroughFs.Core.Benchmarks.Workload;

namespace PassthroughFs.Core.Benchmarks.Scale;

/// <summary>What a request costs as directories, live inodes, threads and requests in flight grow.</summary>
internal sealed class ScaleTable(Arguments arguments)
{
    private const int Turns = 5;

    private static readonly TimeSpan s_warmUp = TimeSpan.FromMilliseconds(400);

    private readonly string _on = arguments.Value("--on") ?? "/dev/shm";
    private readonly string? _charts = arguments.Value("--charts");
    private readonly bool _smoke = arguments.Has("--smoke");
    private readonly int _operations = arguments.Has("--smoke") ? 100 : 20_000;
    private readonly StringBuilder _report = new();

    public int Run()
    {
        int largest = arguments.Number("--largest", arguments.Has("--smoke") ? 1000 : 1_000_000);
        var sizes = new List<int>();
        for (int size = 100; size <= largest; size *= 10)
        {
            sizes.Add(size);
        }

        Show(
            "directories", "Entries of the directory", "Processor time of a call, by the entries of its directory",
            sizes, Directories);
        Show("inodes", "Live inodes", "Processor time of a call, by the number of live inodes", sizes, Inodes);
        Show("threads", "Threads", "Processor time of a call, by the threads that call", [1, 2], Threads);
        if (arguments.Value("--server") is string command)
        {
            using var server = new MountedServer("server", command, _on);
            using var rig = new WorkRig(server);
            Show(
                "in-flight", "Requests in flight", "Processor time of client and server, by the requests in flight",
                [1, 2, 4, 8, 16, 32, 64], count => InFlight(server, rig, count));
        }

        Console.Write(_report);
        if (arguments.Value("--write") is string page)
        {
            Document.Replace(page, "scale", _report.ToString());
        }

        return 0;
    }

    /// <summary>Cost of each operation, in nanoseconds, at one size.</summary>
    private delegate List<(string Name, double Cost)> Measure(int size);

    private void Show(string file, string axis, string title, List<int> sizes, Measure measure)
    {
        var curves = new Dictionary<string, List<(double, double)>>();
        foreach (int size in sizes)
        {
            Console.Error.WriteLine($"{axis}: {size}");
            foreach ((string name, double cost) in measure(size))
            {
                curves.TryAdd(name, []);
                curves[name].Add((size, cost));
            }
        }

        _report.Append(CultureInfo.InvariantCulture, $"| {axis} |");
        sizes.ForEach(size => _report.Append(CultureInfo.InvariantCulture, $" {size:N0} |"));
        _report.Append("\n|---|");
        _report.Insert(_report.Length, "---|", sizes.Count).Append('\n');
        foreach ((string name, List<(double Size, double Cost)> points) in curves)
        {
            _report.Append(CultureInfo.InvariantCulture, $"| {name} |");
            points.ForEach(point => _report.Append(CultureInfo.InvariantCulture, $" {point.Cost:F0} ns |"));
            _report.Append('\n');
        }

        _report.Append('\n');
        if (_charts is not null)
        {
            string chart = Chart.Curves(title, [.. curves.Select(curve => (curve.Key, curve.Value))]);
            File.WriteAllText(Path.Combine(_charts, $"scale-{file}.svg"), chart);
        }
    }

    private List<(string, double)> Directories(int size)
    {
        using var rig = new CallRig(_on, useHandles: false, size);
        using var names = new EntryNames(size);
        return
        [
            ("lookup and forget of a new inode", Best(_operations, count =>
            {
                for (int i = 0; i < count; i++)
                {
                    rig.Wire.Forget(rig.Wire.Lookup(rig.Many, names.Next()));
                }
            })),
            ("the same, bare: open, stat, close", Best(_operations, count => names.Acquire(rig, count))),
            ("readdir, an entry", Best(1, _ => DirectoryCases.ListAll(rig, rig.Wire)) / size),
        ];
    }

    private List<(string, double)> Inodes(int size)
    {
        using var rig = new CallRig(_on, useHandles: true, size);
        using var names = new EntryNames(size);
        DirectoryCases.Hold(rig);
        NodeId[] nodes = [.. rig.Held.Select(item => item.Node)];
        List<(string, double)> result =
        [
            ("lookup and forget of a known inode", Best(_operations, count =>
            {
                for (int i = 0; i < count; i++)
                {
                    rig.Wire.Forget(rig.Wire.Lookup(rig.Many, names.Next()));
                }
            })),
            ("its bare calls: handle, stat", Best(_operations, count => names.Identify(rig, count))),
            ("getattr", Best(_operations, count =>
            {
                for (int i = 0; i < count; i++)
                {
                    rig.Wire.GetAttr(nodes[names.NextNumber()]);
                }
            })),
        ];
        DirectoryCases.LetGo(rig);
        return result;
    }

    private List<(string, double)> Threads(int count)
    {
        using var rig = new CallRig(_on, useHandles: false, 100);
        return
        [
            ("lookup and forget of a known inode", OnThreads(rig, count, static (rig, calls) =>
                calls.Forget(calls.Lookup(NodeId.Root, "known"u8)))),
            ("getattr", OnThreads(rig, count, static (rig, calls) => calls.GetAttr(rig.Known))),
            ("read 4 KiB", OnThreads(rig, count, static (rig, calls) =>
                calls.Read(rig.Known, rig.OpenKnownHandle, 4096))),
        ];
    }

    private double OnThreads(CallRig rig, int count, Action<CallRig, Calls.Calls> operation)
    {
        Calls.Calls[] calls = [.. Enumerable.Range(0, count).Select(_ => new WireCalls(rig.Session.CreateWorker()))];
        double Turn() => Together(count, number =>
        {
            for (int i = 0; i < _operations; i++)
            {
                operation(rig, calls[number]);
            }
        }) / _operations / count;

        for (Stopwatch warm = Stopwatch.StartNew(); !_smoke && warm.Elapsed < s_warmUp;)
        {
            Turn();
        }

        return Enumerable.Range(0, Turns).Min(_ => Turn());
    }

    private List<(string, double)> InFlight(MountedServer server, WorkRig rig, int count)
    {
        double Cost(string name)
        {
            Work work = Work.All.Single(one => one.Name == name);
            int each = Math.Max(1, _operations / 4 / count);
            for (Stopwatch warm = Stopwatch.StartNew(); !_smoke && warm.Elapsed < s_warmUp;)
            {
                work.Loop(rig, each);
            }

            return Enumerable.Range(0, Turns).Min(_ =>
            {
                long before = server.Cpu;
                double clients = Together(count, _ => work.Loop(rig, each));
                return (clients + server.Cpu - before) / each / count;
            });
        }

        return [("stat", Cost("stat")), ("direct read 4 KiB", Cost("direct read 4 KiB"))];
    }

    /// <summary>Runs something on some threads at once; returns the processor time of all of them.</summary>
    private static double Together(int count, Action<int> action)
    {
        long total = 0;
        Exception? failure = null;
        using var start = new Barrier(count);
        Thread[] threads =
        [
            .. Enumerable.Range(0, count).Select(number => new Thread(() =>
            {
                start.SignalAndWait();
                long before = Cpu.Thread;
                try
                {
                    action(number);
                }
                catch (InvalidOperationException exception)
                {
                    failure = exception;
                }

                Interlocked.Add(ref total, Cpu.Thread - before);
            })),
        ];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
        return failure is null ? total : throw failure;
    }

    /// <summary>Nanoseconds of one operation in the quickest of some turns, once all is compiled in full.</summary>
    private double Best(int count, Action<int> loop)
    {
        Stopwatch warm = Stopwatch.StartNew();
        do
        {
            loop(count);
        }
        while (!_smoke && warm.Elapsed < s_warmUp);

        return Enumerable.Range(0, Turns).Min(_ =>
        {
            long before = Cpu.Thread;
            loop(count);
            return (double)(Cpu.Thread - before) / count;
        });
    }
}
