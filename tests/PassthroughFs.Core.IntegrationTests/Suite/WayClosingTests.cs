using PassthroughFs.Core.IntegrationTests.Posix;
using PassthroughFs.Core.IntegrationTests.Ways;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Suite;

/// <summary>Runs behind all others: after a whole suite nothing may be left in the servers.</summary>
public sealed class WayClosingTests(WayPool ways)
{
    [Theory, EveryWay(NotBare = true)]
    public void A_server_holds_no_descriptor_after_everything_was_closed_and_ends_cleanly(string way)
    {
        using (Scene scene = ways.Open(way))
        {
            scene.P.WriteFile("last", "words"u8);
        }

        Assert.Empty(ways.Close(way));
    }
}
