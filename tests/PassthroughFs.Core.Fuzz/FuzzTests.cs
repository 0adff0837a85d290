using System;
using System.IO;
using System.Security.Cryptography;
using PassthroughFs.Core.Fuzz.Engine;
using PassthroughFs.Core.Fuzz.Targets;
using Xunit;

// Descriptors are counted, which belong to the process.
[assembly: CollectionBehavior(DisableTestParallelization = true)]

namespace PassthroughFs.Core.Fuzz;

/// <summary>The fuzzer's short runs: from seeds that are always the same, and from one that never is.</summary>
public sealed class FuzzTests
{
    private const long Requests = 100_000;
    private const long Steps = 50_000;
    private const long States = 1_000;

    [Theory]
    [InlineData(Setups.Directory, 1UL)]
    [InlineData(Setups.Directory, 0UL)]
    [InlineData(Setups.Vfs, 1UL)]
    [InlineData(Setups.Vfs, 0UL)]
    public void Whatever_a_client_sends_every_rule_holds(string target, ulong seed)
    {
        var output = new StringWriter();
        var campaign = new Campaign(new CampaignOptions
        {
            Target = target,
            Seed = seed != 0 ? seed : BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8)),
            Count = Requests,
            CaseLength = 1000,
            Output = output,
        });
        int findings = campaign.Run();
        TestContext.Current.TestOutputHelper?.WriteLine(campaign.Summary());
        Assert.True(findings == 0, $"{output}{Environment.NewLine}{campaign.Summary()}");
        Assert.True(campaign.Requests >= Requests, campaign.Summary());
    }

    [Theory]
    [InlineData(1UL)]
    [InlineData(0UL)]
    public void Whatever_a_driver_puts_into_its_queue_the_device_keeps_to_the_guests_memory(ulong seed)
    {
        var output = new StringWriter();
        using var target = new QueueTarget();
        var campaign = new StepCampaign(
            new CampaignOptions
            {
                Target = StepTargets.Queue,
                Seed = seed != 0 ? seed : BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8)),
                Count = Steps,
                CaseLength = 1000,
                Output = output,
            },
            target);
        int findings = campaign.Run();
        Assert.True(findings == 0, $"{output}{Environment.NewLine}{campaign.Summary()}");
        Assert.True(target.Done >= Steps, campaign.Summary());
    }

    [Theory]
    [InlineData(8UL)]
    [InlineData(0UL)]
    public void Whatever_a_saved_state_says_it_is_taken_or_refused_and_costs_no_more_than_it_holds(ulong seed)
    {
        var output = new StringWriter();
        using var target = new StateTarget();
        var campaign = new StepCampaign(
            new CampaignOptions
            {
                Target = StepTargets.State,
                Seed = seed != 0 ? seed : BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8)),
                Count = States,
                Output = output,
            },
            target);
        int findings = campaign.Run();
        Assert.True(findings == 0, $"{output}{Environment.NewLine}{campaign.Summary()}");
        Assert.True(target.Done >= States, campaign.Summary());
    }
}
