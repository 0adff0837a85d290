using PassthroughFs.Core.IntegrationTests.Ways;
using Xunit;

// One after another: the umask and the numbers of open files belong to the process, and mounts are heavy.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
[assembly: AssemblyFixture(typeof(WayPool))]
[assembly: TestCollectionOrderer(typeof(ClosingLast))]
