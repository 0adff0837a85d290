using System;
using System.IO;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using PassthroughFs.Core.Benchmarks;
using PassthroughFs.Core.Benchmarks.Calls;
using PassthroughFs.Core.Benchmarks.Scale;
using PassthroughFs.Core.Benchmarks.Workload;

const string Usage = """
    calls [--smoke] [--only TEXT] [--rounds N] [--on DIRECTORY]... [--no-open N] [--write FILE]
        each operation beside the bare system calls it must make: processor time, as ratios; with --no-open and
        --only "4 KiB", reads and writes without OPEN, where N files stay open
    adaptive [--smoke] [--only TEXT] [--rounds N] [--on DIRECTORY] [--write FILE]
        each operation over inodes with descriptors and over adaptive ones, in turns, as ratios
    scale [--smoke] [--largest N] [--on DIRECTORY] [--server COMMAND] [--write FILE] [--charts DIRECTORY]
        what a request costs as directories, live inodes, threads and requests in flight grow
    mounts --server NAME=COMMAND... [--reference NAME] [--smoke] [--only TEXT] [--rounds N] [--on DIRECTORY]
           [--write FILE] [--section NAME] [--chart FILE]
        one workload over the bare directory and over what each COMMAND mounts; SOURCE and MOUNTPOINT in it are replaced
    start --server NAME=COMMAND... [--runs N] [--on DIRECTORY]
        how long each COMMAND takes from its start to its first answer
    bdn [BenchmarkDotNet's options]
        the same loops in BenchmarkDotNet
    """;

try
{
    switch (args)
    {
        case ["calls", .. string[] rest]:
            return new CallTable(
                new Arguments(rest, ["--smoke"], ["--only", "--rounds", "--on", "--no-open", "--write"])).Run();
        case ["adaptive", .. string[] rest]:
            return new AdaptiveTable(
                new Arguments(rest, ["--smoke"], ["--only", "--rounds", "--on", "--write"])).Run();
        case ["mounts", .. string[] rest]:
            return new MountTable(new Arguments(
                rest,
                ["--smoke"],
                [
                    "--server", "--reference", "--only", "--rounds", "--on", "--write", "--section", "--chart",
                ])).Run();
        case ["scale", .. string[] rest]:
            return new ScaleTable(
                new Arguments(rest, ["--smoke"], ["--largest", "--on", "--server", "--write", "--charts"])).Run();
        case ["start", .. string[] rest]:
            return new StartTable(new Arguments(rest, [], ["--server", "--runs", "--on"])).Run();
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
