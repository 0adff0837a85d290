using System.Collections.Generic;
using System.Linq;
using PassthroughFs.Core.IntegrationTests.Suite;
using Xunit.Sdk;
using Xunit.v3;

namespace PassthroughFs.Core.IntegrationTests.Ways;

/// <summary>Puts the tests that end the shared mounts behind all that use them.</summary>
public sealed class ClosingLast : ITestCollectionOrderer
{
    public IReadOnlyCollection<TTestCollection> OrderTestCollections<TTestCollection>(
        IReadOnlyCollection<TTestCollection> testCollections)
        where TTestCollection : ITestCollection =>
        [
            .. testCollections.OrderBy(collection =>
                collection.TestCollectionDisplayName.Contains(
                    nameof(WayClosingTests), System.StringComparison.Ordinal)),
        ];
}
