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
    private const long Requests = 120_000;

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
}
