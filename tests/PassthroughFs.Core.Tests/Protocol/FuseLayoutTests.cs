using System.Runtime.CompilerServices;
using PassthroughFs.Core.Api;
using Xunit;

namespace PassthroughFs.Core.Tests.Protocol;

public sealed class FuseLayoutTests
{
    [Fact]
    public void A_segment_is_laid_out_like_an_iovec() => Assert.Equal(2 * nint.Size, Unsafe.SizeOf<IoSegment>());
}
