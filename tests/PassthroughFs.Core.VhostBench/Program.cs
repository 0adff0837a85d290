using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Reflection;
using System.Threading;

namespace PassthroughFs.Core.VhostBench;

/// <summary>
/// Two vhost-user daemons side by side under one front end: short rounds in turn, one after the other on each row, so
/// that both meet the machine in the same mood; what is said is the median of the rounds' ratios.
/// </summary>
internal static class Program
{
    private const int Rounds = 25;
    private const int RoundMilliseconds = 60;
    private const string Usage = """
        usage: VhostBench [--rounds N] [--only TEXT] [--directory DIR] [--ours PROGRAM] [--ours-options "OPTIONS"]
                          [--other PROGRAM] [--other-options "OPTIONS"]
          --only           the rows whose operation has TEXT in its name
          --directory      where the shared directory is made; default /dev/shm
          --ours           a ptfs-virtiofsd.dll; default the one that was built along
          --other          the other daemon; default /usr/lib/qemu/virtiofsd. Another ptfs-virtiofsd.dll is possible.
          --ours-options, --other-options
                           their options save socket and directory
        """;

    private static int Main(string[] args)
    {
        var options = new Dictionary<string, string>
        {
            ["--rounds"] = Rounds.ToString(CultureInfo.InvariantCulture),
            ["--only"] = "",
            ["--directory"] = "/dev/shm",
            ["--ours"] = OurProgram,
            ["--ours-options"] = "--cache auto --sandbox chroot --killpriv-v2",
            ["--other"] = "/usr/lib/qemu/virtiofsd",
            ["--other-options"] = "",
        };
        for (int i = 0; i < args.Length; i += 2)
        {
            if (!options.ContainsKey(args[i]) || i + 1 == args.Length)
            {
                Console.Error.WriteLine(Usage);
                return 2;
            }

            options[args[i]] = args[i + 1];
        }

        string directory = Directory.CreateDirectory(
            Path.Combine(options["--directory"], $"ptfs-bench-{Environment.ProcessId}")).FullName;
        try
        {
            string shared = Directory.CreateDirectory(Path.Combine(directory, "shared")).FullName;
            File.WriteAllBytes(Path.Combine(shared, Server.FileName), new byte[1 << 20]);
            using Server ours = StartOurs("ours", options["--ours"], directory, shared, options["--ours-options"]);
            using Server other = StartOther(directory, shared, options);
            Compare(
                ours, other, int.Parse(options["--rounds"], CultureInfo.InvariantCulture), options["--only"]);
            return 0;
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    private static string OurProgram => typeof(Program).Assembly
        .GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == "DaemonProgram").Value!;

    private static Server StartOther(string directory, string shared, Dictionary<string, string> options)
    {
        string program = options["--other"];
        string extra = options["--other-options"];
        if (program.EndsWith(".dll", StringComparison.Ordinal))
        {
            return StartOurs("other", program, directory, shared, extra.Length > 0 ? extra : options["--ours-options"]);
        }

        string socket = Path.Combine(directory, "other.sock");
        string[] arguments =
        [
            $"--socket-path={socket}", "-o", $"source={shared}",
            .. extra.Length > 0
                ? extra.Split(' ')
                : ["-o", "cache=auto", "-o", "sandbox=chroot", "-o", "killpriv_v2", "-o", "log_level=err"],
        ];
        return new Server(Path.GetFileName(program), program, arguments, socket);
    }

    private static Server StartOurs(string title, string program, string directory, string shared, string options)
    {
        string socket = Path.Combine(directory, title + ".sock");
        string[] arguments = [program, "--socket-path", socket, "--shared-dir", shared, .. options.Split(' ')];
        return new Server(title, Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet", arguments, socket);
    }

    private static void Compare(Server ours, Server other, int rounds, string only)
    {
        (string a, string b) = (ours.Title, other.Title);
        Console.WriteLine(
            $"| operation | depth | {a}, op/s | {b}, op/s | ratio | {a}, CPU µs | {b}, CPU µs | ratio "
            + $"| {a}, server's CPU µs | {b}, server's CPU µs | ratio | {a}, kicks + calls | {b}, kicks + calls |");
        Console.WriteLine(string.Concat(Enumerable.Repeat("|---", 13)) + "|");
        WarmUp(ours);
        WarmUp(other);
        foreach ((Request one, Request two) in ours.Requests().Zip(other.Requests()))
        {
            foreach (int depth in new[] { 1, Guest.MaxDepth })
            {
                if (one.Name.Contains(only, StringComparison.Ordinal))
                {
                    Compare(ours, one, other, two, depth, rounds);
                }
            }
        }
    }

    private static void Compare(Server ours, Request a, Server other, Request b, int depth, int rounds)
    {
        ours.Guest.Prepare(a, depth);
        other.Guest.Prepare(b, depth);

        int perRound = Math.Min(Calibrate(ours, depth), Calibrate(other, depth));
        var results = new List<(Sample Ours, Sample Other)>();
        for (int i = 0; i < rounds; i++)
        {
            // Whoever comes second finds warm caches: in turn.
            Sample first = Measure(i % 2 == 0 ? ours : other, depth, perRound);
            Sample second = Measure(i % 2 == 0 ? other : ours, depth, perRound);
            results.Add(i % 2 == 0 ? (first, second) : (second, first));
        }

        double Median(Func<(Sample Ours, Sample Other), double> value) =>
            results.Select(value).Order().ElementAt(results.Count / 2);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"| {a.Name} | {depth} | {Median(r => r.Ours.Rate):F0} | {Median(r => r.Other.Rate):F0} "
            + $"| {Median(r => r.Ours.Rate / r.Other.Rate):F2} "
            + $"| {Median(r => r.Ours.Processor):F2} | {Median(r => r.Other.Processor):F2} "
            + $"| {Median(r => r.Ours.Processor / r.Other.Processor):F2} "
            + $"| {Median(r => r.Ours.Server):F2} | {Median(r => r.Other.Server):F2} "
            + $"| {Median(r => r.Ours.Server / r.Other.Server):F2} "
            + $"| {Median(r => r.Ours.Notifications):F2} | {Median(r => r.Other.Notifications):F2} |"));
    }

    // Until the code of both sides is optimised.
    private static void WarmUp(Server server)
    {
        foreach (Request request in server.Requests())
        {
            server.Guest.Prepare(request, Guest.MaxDepth);
            _ = Calibrate(server, 1);
            _ = Calibrate(server, Guest.MaxDepth);
        }
    }

    private static int Calibrate(Server server, int depth)
    {
        int count = 0;
        long start = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(start).TotalMilliseconds < 300)
        {
            server.Guest.Run(depth, 200);
            count += 200;
        }

        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        return Math.Max(200, (int)(count / seconds * RoundMilliseconds / 1000));
    }

    private static Sample Measure(Server server, int depth, int count)
    {
        // The last round's wake-ups are over by then.
        Thread.Sleep(1);
        int notifications = server.Guest.Notifications;
        long theirs = ProcessorTime.Of(server.Pid);
        long own = ProcessorTime.Own;
        long start = Stopwatch.GetTimestamp();
        server.Guest.Run(depth, count);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        own = ProcessorTime.Own - own;
        theirs = ProcessorTime.Of(server.Pid) - theirs;
        notifications = server.Guest.Notifications - notifications;
        return new Sample(
            count / seconds, (own + theirs) / 1000.0 / count, theirs / 1000.0 / count, (double)notifications / count);
    }

    /// <summary>
    /// Operations a second; for each operation microseconds of processor time of both sides, and of the server alone,
    /// and how often one side had to wake the other.
    /// </summary>
    private readonly record struct Sample(double Rate, double Processor, double Server, double Notifications);
}
