using System;
using System.Diagnostics;

namespace PassthroughFs.Core.Fuzz.Engine;

/// <summary>Case after case of a target that has steps.</summary>
internal sealed class StepCampaign(CampaignOptions options, IStepTarget target)
{
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private int _cases;

    public int Findings { get; private set; }

    public int Run()
    {
        var rng = new Rng(options.Seed);
        long lastWord = 0;
        while (target.Done < options.Count && (options.Time is null || _clock.Elapsed < options.Time)
            && Findings < options.MostFindings)
        {
            ulong seed = options.OneCase ?? rng.Next();
            long before = target.Done;
            try
            {
                target.Run(seed, options.CaseLength);
            }
            catch (FindingException finding)
            {
                Findings++;
                options.Output.WriteLine(
                    $"FINDING {finding.Rule}, after {target.Done} steps{Environment.NewLine}  {finding.Message}" +
                    $"{Environment.NewLine}  again: dotnet run -c Release --project tests/PassthroughFs.Core.Fuzz -- " +
                    $"--target {options.Target} --case {seed}   (it is step {target.Done - before} of this case)");
            }

            _cases++;
            if (options.OneCase is not null)
            {
                break;
            }

            if (options.IsVerbose && _clock.ElapsedMilliseconds - lastWord > 60_000)
            {
                lastWord = _clock.ElapsedMilliseconds;
                options.Output.WriteLine(Summary());
            }
        }

        return Findings;
    }

    public string Summary() =>
        $"{options.Target}: seed {options.Seed}: {target.Done} steps in {_cases} cases and {_clock.Elapsed.TotalSeconds:F0} s "
        + $"({target.Done / Math.Max(_clock.Elapsed.TotalSeconds, 0.001):F0}/s), {target.Outcome}, {Findings} findings, "
        + $"heap {GC.GetTotalMemory(false) >> 20} MiB, {Descriptors.Count()} descriptors";
}
