using System.Collections.Generic;
using BenchmarkDotNet.Attributes;

namespace PassthroughFs.Core.Benchmarks.Calls;

/// <summary>The same loops for BenchmarkDotNet, which measures time on the wall.</summary>
public class CallBenchmarks
{
    private const int Rounds = 100;

    private CallRig _rig = null!;

    public static IEnumerable<string> Names => System.Linq.Enumerable.Select(CallCase.All, one => one.Name);

    [ParamsSource(nameof(Names))]
    public string Operation { get; set; } = "";

    [Params("/dev/shm", "/var/tmp")]
    public string On { get; set; } = "";

    [Params(false, true)]
    public bool Handles { get; set; }

    private CallCase Case => CallCase.Named(Operation);

    [GlobalSetup]
    public void Setup()
    {
        _rig = new CallRig(On, Handles);
        Case.Prepare(_rig);
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        Case.Finish(_rig);
        _rig.Dispose();
    }

    [Benchmark(Baseline = true, OperationsPerInvoke = Rounds)]
    public void Bare() => Case.Bare(_rig, Rounds);

    [Benchmark(OperationsPerInvoke = Rounds)]
    public void Library() => Case.Through(_rig, _rig.Api, Rounds);

    [Benchmark(OperationsPerInvoke = Rounds)]
    public void Dispatch() => Case.Through(_rig, _rig.Wire, Rounds);
}
