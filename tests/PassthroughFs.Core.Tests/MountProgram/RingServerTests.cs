using PassthroughFs.Fuse.Ring;
using Xunit;

namespace PassthroughFs.Core.Tests.MountProgram;

public sealed class RingServerTests
{
    [Theory]
    [InlineData("0\n", 1)]
    [InlineData("0-1\n", 2)]
    [InlineData("0-3,8-11\n", 8)]
    [InlineData("0,2,4-5", 4)]
    public void There_is_a_queue_for_each_possible_processor(string list, int queues) =>
        Assert.Equal(queues, RingServer.CountCpus(list));
}
