using System;
using System.IO;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using PassthroughFs.Core.Benchmarks;
using PassthroughFs.Core.Benchmarks.Calls;

const string Usage = """
    calls [--smoke] [--only TEXT] [--rounds N] [--on DIRECTORY]... [--write FILE]
        each operation beside the bare system calls it must make: processor time, as ratios
    bdn [BenchmarkDotNet's options]
        the same loops in BenchmarkDotNet
    """;

try
{
    switch (args)
    {
        case ["calls", .. string[] rest]:
            return new CallTable(
                new Arguments(rest, ["--smoke"], ["--only", "--rounds", "--on", "--write"])).Run();
        case ["bdn", .. string[] rest]:
            // In this process: the generated projects of other toolchains would be built inside this tree.
            IConfig config = DefaultConfig.Instance.AddJob(
                Job.ShortRun.WithToolchain(InProcessEmitToolchain.Instance));
            BenchmarkSwitcher.FromAssembly(typeof(CallBenchmarks).Assembly).Run(rest, config);
            return 0;
        default:
            Console.Error.WriteLine(Usage);
            return 2;
    }
}
catch (Exception exception) when (exception is UsageException or IOException or UnauthorizedAccessException)
{
    Console.Error.WriteLine(exception.Message);
    return exception is UsageException ? 2 : 1;
}
