using System;
using System.CommandLine;
using System.Globalization;
using System.Linq;
using System.Security.Cryptography;
using System.Threading;
using PassthroughFs.Core.Fuzz.Engine;
using PassthroughFs.Core.Fuzz.Targets;

namespace PassthroughFs.Core.Fuzz;

internal static class Program
{
    private static readonly string[] s_ours = ["--target", "--seed", "--count", "--minutes", "--config", "--replay", "--case", "--help"];

    private static int Main(string[] args) =>
        args.Length > 0 && s_ours.Contains(args[0])
            ? Fuzz(args)
            : Xunit.Runner.InProc.SystemConsole.ConsoleRunner.Run(args).GetAwaiter().GetResult();

    private static int Fuzz(string[] args)
    {
        Option<string> target = new("--target") { DefaultValueFactory = _ => Setups.Directory };
        target.Description = "What to fuzz: " + $"{Setups.Directory}, {Setups.Vfs}, {Setups.Sessions} for both, {string.Join(", ", StepTargets.Names)}";
        Option<string?> config = new("--config") { Description = "One configuration of it; all without" };
        Option<ulong?> seed = new("--seed") { Description = "The seed; one by chance without" };
        Option<long> count = new("--count")
        {
            Description = "After how many requests to stop",
            DefaultValueFactory = _ => long.MaxValue,
        };
        Option<double?> minutes = new("--minutes") { Description = "After how many minutes to stop" };
        Option<string?> replay = new("--replay") { Description = "A tape to send once, in place of all that" };
        Option<string?> findings = new("--findings") { Description = "Where tapes of findings go; /tmp without" };
        Option<ulong?> @case = new("--case") { Description = "The one case to run, of a target of steps" };
        Option<int> most = new("--most") { Description = "How many findings end it", DefaultValueFactory = _ => 1 };
        var command = new RootCommand("Fuzzes sessions and transports; without these options: its tests.")
        {
            target, config, seed, count, minutes, replay, findings, most, @case,
        };
        command.SetAction(result =>
        {
            if (result.GetValue(replay) is { } path)
            {
                return Replay(result.GetValue(target)!, result.GetValue(config), path);
            }

            ulong chosen = result.GetValue(seed) ?? BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8));
            if (result.GetValue(count) == long.MaxValue && result.GetValue(minutes) is null
                && result.GetValue(@case) is null)
            {
                Console.Error.WriteLine("say when to stop: --count or --minutes");
                return 2;
            }

            var options = new CampaignOptions
            {
                Target = result.GetValue(target)!,
                Config = result.GetValue(config),
                Seed = chosen,
                Count = result.GetValue(count),
                Time = result.GetValue(minutes) is { } time ? TimeSpan.FromMinutes(time) : null,
                FindingsDirectory = result.GetValue(findings),
                MostFindings = result.GetValue(most),
                IsVerbose = true,
                OneCase = result.GetValue(@case),
            };
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"seed {chosen}"));
            return StepTargets.New(options.Target) is { } steps ? RunSteps(options, steps) : RunSessions(options);
        });
        return command.Parse(args).Invoke();
    }

    private static int RunSessions(CampaignOptions options)
    {
        var campaign = new Campaign(options);
        Watch(() => campaign.Requests);
        int found = campaign.Run();
        Console.WriteLine(campaign.Summary());
        return found == 0 ? 0 : 1;
    }

    private static int RunSteps(CampaignOptions options, IStepTarget target)
    {
        using (target)
        {
            var campaign = new StepCampaign(options, target);
            Watch(() => target.Done);
            int found = campaign.Run();
            Console.WriteLine(campaign.Summary());
            return found == 0 ? 0 : 1;
        }
    }

    private static int Replay(string target, string? config, string path)
    {
        Tape tape = TapeFile.Read(path);
        using var stage = new Stage();
        using var memory = new SessionMemory();
        int found = 0;
        foreach (Setup setup in Setups.Of(target, config))
        {
            FindingException? finding = new Case(setup, 0, stage, memory, new Coverage()).Replay(tape, Poison.First);
            Console.WriteLine($"{setup.Name}: {finding?.ToString() ?? "nothing"}");
            found += finding is null ? 0 : 1;
        }

        return found == 0 ? 0 : 1;
    }

    /// <summary>A request that does not come back is a finding too.</summary>
    private static void Watch(Func<long> requests)
    {
        new Thread(() =>
        {
            for (long before = -1; ;)
            {
                Thread.Sleep(TimeSpan.FromMinutes(5));
                if (requests() == before)
                {
                    Console.WriteLine($"FINDING hang: no session ends for five minutes, in {Case.Current}");
                    Environment.Exit(3);
                }

                before = requests();
            }
        })
        { IsBackground = true }.Start();
    }
}
