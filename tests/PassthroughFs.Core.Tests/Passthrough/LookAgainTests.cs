using System.Linq;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Passthrough;
using Xunit;

namespace PassthroughFs.Core.Tests.Passthrough;

/// <summary>Who is told that a name must be looked up again.</summary>
public sealed class LookAgainTests
{
    private static readonly NodeId s_old = new(5);
    private static readonly NodeId s_new = new(6);

    private readonly LookAgain _callers = new();

    [Theory]
    [InlineData(0u)]
    [InlineData(1u)]
    [InlineData(uint.MaxValue)]
    public void Who_was_told_and_has_looked_up_is_let_in_once(uint thread)
    {
        Assert.True(_callers.Tell(thread, s_old));
        _callers.Found(thread, s_new);
        Assert.False(_callers.Tell(thread, s_new));
        Assert.True(_callers.Tell(thread, s_new));
    }

    [Fact]
    public void Who_has_not_looked_up_is_told_again()
    {
        Assert.True(_callers.Tell(7, s_old));
        Assert.True(_callers.Tell(7, s_old));
        _callers.Found(7, s_new);
        Assert.True(_callers.Tell(7, s_old));
        _callers.Found(8, s_old);
        Assert.True(_callers.Tell(7, s_old));
    }

    [Fact]
    public void Who_was_let_in_is_told_anew()
    {
        _callers.Forget(7);
        _callers.Found(7, s_new);
        Assert.True(_callers.Tell(7, s_old));
        _callers.Found(7, s_new);
        _callers.Forget(7);
        Assert.True(_callers.Tell(7, s_new));
    }

    [Fact]
    public void After_more_lookups_than_a_path_has_a_caller_is_forgotten()
    {
        Assert.True(_callers.Tell(7, s_old));
        Assert.All(Enumerable.Range(0, 40), _ => Assert.True(_callers.Found(7, s_new)));
        Assert.False(_callers.Found(7, s_new));
        Assert.True(_callers.Tell(7, s_new));
    }

    [Fact]
    public void What_is_found_instead_is_what_is_meant_and_no_lookup_more()
    {
        Assert.True(_callers.Tell(7, s_old));
        Assert.True(_callers.Found(7, s_old));
        for (int i = 0; i < 100; i++)
        {
            _callers.FoundInstead(7, s_new);
        }

        Assert.False(_callers.Tell(7, s_new));
    }

    [Fact]
    public void Two_who_share_a_place_are_both_told()
    {
        Assert.True(_callers.Tell(3, s_old));
        Assert.True(_callers.Tell(3 + 256, s_old));
        _callers.Found(3, s_old);
        Assert.True(_callers.Tell(3, s_old));
        _callers.Found(3, s_old);
        Assert.False(_callers.Tell(3, s_old));
    }
}
