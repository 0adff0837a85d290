using System;
using System.Globalization;
using System.IO;
using System.Linq;

namespace PassthroughFs.Core.Benchmarks.Workload;

/// <summary>How long a server takes from its start to its first answer.</summary>
internal sealed class StartTable(Arguments arguments)
{
    public int Run()
    {
        string on = arguments.Value("--on") ?? "/dev/shm";
        int runs = arguments.Number("--runs", 15);
        Console.WriteLine("| server | to the first answer: least | median | processor time: least |");
        Console.WriteLine("|---|---|---|---|");
        foreach (string server in arguments.All("--server"))
        {
            string[] parts = server.Split('=', 2);
            if (parts.Length != 2)
            {
                throw new UsageException($"--server {server}: give NAME=COMMAND.");
            }

            double[] wall = new double[runs];
            double[] cpu = new double[runs];
            for (int i = 0; i < runs; i++)
            {
                using var started = new MountedServer(parts[0], parts[1], on);
                _ = Directory.GetFileSystemEntries(started.Root);
                wall[i] = started.Clock.Elapsed.TotalMilliseconds;
                cpu[i] = started.Cpu / 1e6;
            }

            double median = wall.Order().ElementAt(runs / 2);
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"| {parts[0]} | {wall.Min():F0} ms | {median:F0} ms | {cpu.Min():F0} ms |"));
        }

        return 0;
    }
}
