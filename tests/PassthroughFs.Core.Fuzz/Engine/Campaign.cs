using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Text;
using PassthroughFs.Core.Fuzz.Targets;
using PassthroughFs.Core.Protocol;

namespace PassthroughFs.Core.Fuzz.Engine;

/// <summary>What a run is to do.</summary>
internal sealed record CampaignOptions
{
    public string Target { get; init; } = Setups.Directory;

    public string? Config { get; init; }

    public ulong Seed { get; init; }

    /// <summary>After how many requests to stop.</summary>
    public long Count { get; init; } = 100_000;

    public TimeSpan? Time { get; init; }

    /// <summary>How many requests one session gets.</summary>
    public int CaseLength { get; init; } = 3000;

    /// <summary>How many findings are enough.</summary>
    public int MostFindings { get; init; } = 1;

    public string? FindingsDirectory { get; init; }

    public TextWriter Output { get; init; } = Console.Out;

    public bool IsVerbose { get; init; }

    /// <summary>For targets of steps: the one case to run, by its seed.</summary>
    public ulong? OneCase { get; init; }
}

/// <summary>Case after case, until there is a finding or enough was done.</summary>
internal sealed class Campaign(CampaignOptions options)
{
    // A number that has nothing in common with how many configurations there are.
    private const int TogetherEvery = 13;

    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private readonly Coverage _coverage = new();
    private readonly SortedSet<string> _rules = [];
    private long _lastWord;
    private int _coincidences;

    public long Requests { get; private set; }

    public int Cases { get; private set; }

    public int Findings { get; private set; }

    /// <summary>How many of the requests came from two threads at once.</summary>
    public long Together { get; private set; }

    public int Reached => _coverage.Count;

    public TimeSpan Elapsed => _clock.Elapsed;

    /// <returns>How many findings there were.</returns>
    public int Run()
    {
        IReadOnlyList<Setup> setups = Setups.Of(options.Target, options.Config);
        if (setups.Count == 0)
        {
            throw new ArgumentException($"no configuration {options.Config} of target {options.Target}");
        }

        foreach (Tape tape in Corpus.Read())
        {
            _coverage.Learn(tape);
        }

        using var stage = new Stage();
        using var memory = new SessionMemory();
        Case[] cases = [.. setups.Select((setup, index) => new Case(setup, index, stage, memory, _coverage))];
        using var second = new SessionMemory();
        Case[] others =
        [
            .. setups.Select((setup, index) => new Case(setup, index, stage, second, _coverage)),
        ];
        var rng = new Rng(options.Seed);
        long heap = 0;
        while (Requests < options.Count && (options.Time is null || _clock.Elapsed < options.Time)
            && Findings < options.MostFindings)
        {
            int which = Cases % setups.Count;
            ulong seed = rng.Next();
            int length = (int)Math.Min(options.CaseLength, options.Count - Requests);
            bool byTwo = Cases % TogetherEvery == TogetherEvery - 1;
            FindingException? finding = byTwo
                ? cases[which].RunTogether(seed, (length + 1) / 2, others[which])
                : cases[which].Run(seed, length, Poison.First);
            Requests += cases[which].Sent;
            Cases++;
            Together += byTwo ? cases[which].Sent : 0;
            if (finding is not null && byTwo)
            {
                ReportTogether(finding, setups[which], seed, length);
            }
            else if (finding is not null)
            {
                Report(finding, setups[which], cases[which]);
            }

            if (Cases % 200 == 0)
            {
                CheckHeap(ref heap);
            }

            Progress();
        }

        return Findings;
    }

    private void CheckHeap(ref long first)
    {
        long heap = GC.GetTotalMemory(forceFullCollection: true);
        if (first == 0)
        {
            first = heap;
        }
        else if (heap > first + (200L << 20))
        {
            Findings++;
            options.Output.WriteLine($"FINDING memory: the heap grew from {first} to {heap} in {Cases} sessions");
        }
    }

    private void Progress()
    {
        if (options.IsVerbose && _clock.ElapsedMilliseconds - _lastWord > 60_000)
        {
            _lastWord = _clock.ElapsedMilliseconds;
            options.Output.WriteLine(Summary());
            options.Output.Flush();
        }
    }

    public string Summary() =>
        $"{options.Target}: seed {options.Seed}: {Requests} requests ({Together} by two threads at once) in {Cases} sessions and {_clock.Elapsed.TotalSeconds:F0} s "
        + $"({Requests / Math.Max(_clock.Elapsed.TotalSeconds, 0.001):F0}/s), {_coverage.Count} answers reached, "
        + $"{_coverage.Tapes.Count} tapes, {Findings} findings, {_coincidences} not repeated, "
        + $"heap {GC.GetTotalMemory(false) >> 20} MiB, {Descriptors.Count()} descriptors";

    private void Report(FindingException finding, Setup setup, Case @case)
    {
        Tape tape = @case.Tape.Last(int.MaxValue);
        FindingException? again = @case.Replay(tape, Poison.Second);
        if (again?.Rule != finding.Rule)
        {
            // A coincidence in bytes, or something that takes another thread or moment.
            _coincidences++;
            options.Output.WriteLine(
                $"NOT REPEATED {finding.Rule} ({setup.Name}): {finding.Message}; the replay says {again?.Message ?? "nothing"}");
            Save(tape, $"unrepeated-{_coincidences}");
            if (finding.Rule is "leak")
            {
                return;
            }
        }
        else
        {
            (tape, again) = Shrinker.Shrink(tape, finding.Rule, part => @case.Replay(part, Poison.Second), again);
        }

        Findings++;
        _rules.Add(finding.Rule);
        var text = new StringBuilder();
        text.AppendLine($"FINDING {finding.Rule}, after {Requests} requests");
        text.AppendLine($"  target {options.Target}, configuration {setup.Name}, seed {options.Seed}, session {Cases}");
        text.AppendLine($"  {(again ?? finding).Message}");
        text.AppendLine($"  {tape.Count} requests are enough:");
        for (int i = Math.Max(0, tape.Count - 30); i < tape.Count; i++)
        {
            text.AppendLine($"    {i,3}: {Describe(tape, i)}");
        }

        string path = Save(tape, $"finding-{setup.Name}-{Findings}");
        text.AppendLine("  again: dotnet run -c Release --project tests/PassthroughFs.Core.Fuzz -- " +
            $"--target {options.Target} --config {setup.Name} --replay {path}");
        text.AppendLine("  or:    dotnet run -c Release --project tests/PassthroughFs.Core.Fuzz -- " +
            $"--target {options.Target}{(options.Config is null ? "" : $" --config {options.Config}")} --seed {options.Seed} " +
            $"--count {Requests}");
        options.Output.Write(text);
        options.Output.Flush();
    }

    private void ReportTogether(FindingException finding, Setup setup, ulong seed, int length)
    {
        Findings++;
        options.Output.WriteLine(
            $"FINDING {finding.Rule}, after {Requests} requests, by two threads: no tape can repeat their order" +
            $"{Environment.NewLine}  target {options.Target}, configuration {setup.Name}, seed {options.Seed}, session {Cases} " +
            $"(its seed {seed}, {length} requests){Environment.NewLine}  {finding.Message}");
        options.Output.Flush();
    }

    private string Save(Tape tape, string name)
    {
        string directory = options.FindingsDirectory ?? Path.GetTempPath();
        Directory.CreateDirectory(directory);
        string path = Path.Combine(directory, $"ptfs-{options.Seed}-{name}.tape");
        TapeFile.Write(tape, path);
        return path;
    }

    private static string Describe(Tape tape, int index)
    {
        ReadOnlySpan<byte> bytes = tape.Bytes(index);
        uint opcode = bytes.Length >= 8 ? BitConverter.ToUInt32(bytes[4..]) : 0;
        string fixups = "";
        foreach (Fixup fixup in tape.Fixups(index))
        {
            fixups += $" [{fixup.At}: {(fixup.Nth < 0 ? "handle" : $"node {fixup.Nth}")} of {fixup.Source}]";
        }

        string hex = Convert.ToHexString(bytes[..Math.Min(bytes.Length, 160)]);
        return $"{(FuseOpcode)opcode} {bytes.Length} bytes, room {tape[index].Room}, cuts {tape[index].Cuts}{fixups} {hex}"
            + (bytes.Length > 160 ? "…" : "");
    }
}
