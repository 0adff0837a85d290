extern alias program;

using System;
using program::PassthroughFs.PtfsMount;
using Xunit;

namespace PassthroughFs.Core.Tests.MountProgram;

public sealed class ControlOrdersTests
{
    [Fact]
    public void An_order_that_fails_in_any_way_is_an_answer()
    {
        var orders = new ControlOrders(null, _ => null, () => throw new InvalidOperationException("no\nway."));
        Assert.Equal("error no way\n", orders.Answer(ControlOrders.Requests));
    }
}
