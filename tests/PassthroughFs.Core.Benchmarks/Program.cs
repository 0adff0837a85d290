using System;
using System.IO;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using PassthroughFs.Core.Benchmarks;
using PassthroughFs.Core.Benchmarks.Calls;
using PassthroughFs.Core.Benchmarks.Workload;

const string Usage = """
    calls [--smoke] [--only TEXT] [--rounds N] [--on DIRECTORY]... [--write FILE]
        each operation beside the bare system calls it must make: processor time, as ratios
    mounts --server NAME=COMMAND... [--reference NAME] [--smoke] [--only TEXT] [--rounds N] [--on DIRECTORY]
           [--write FILE] [--section NAME] [--chart FILE]
        one workload over the bare directory and over what each COMMAND mounts; SOURCE and MOUNTPOINT in it are replaced
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
        case ["mounts", .. string[] rest]:
            return new MountTable(new Arguments(
                rest,
                ["--smoke"],
                [
                    "--server", "--reference", "--only", "--rounds", "--on", "--write", "--section", "--chart",
                ])).Run();
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
