using System;
using System.Collections.Generic;
using System.Linq;
using System.Reflection;
using System.Threading.Tasks;
using Xunit;
using Xunit.Sdk;
using Xunit.v3;

namespace PassthroughFs.Core.IntegrationTests.Ways;

/// <summary>Runs a theory once over each way in; its one parameter is the way's name.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class EveryWayAttribute : DataAttribute
{
    /// <summary>Only ways that go through a kernel: for what no single request shows, as mmap.</summary>
    public bool KernelOnly { get; init; }

    /// <summary>Only ways into the library, for comparisons with the bare directory.</summary>
    public bool NotBare { get; init; }

    public override bool SupportsDiscoveryEnumeration() => true;

    public override ValueTask<IReadOnlyCollection<ITheoryDataRow>> GetData(
        MethodInfo testMethod, DisposalTracker disposalTracker)
    {
        IReadOnlyCollection<ITheoryDataRow> rows =
        [
            .. Way.All
                .Where(way => !KernelOnly || way.Kind is WayKind.Bare or WayKind.Mount)
                .Where(way => !NotBare || way.Kind != WayKind.Bare)
                .Select(way => new TheoryDataRow<string>(way.Name)),
        ];
        return ValueTask.FromResult(rows);
    }
}
