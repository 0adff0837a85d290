using System;
using System.Collections.Generic;
using System.Linq;
using System.Runtime.InteropServices;
using System.Text;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.PtfsVirtiofsd.Seccomp;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Vhost.Seccomp;

/// <summary>The daemon's filter of system calls, on calls that nobody makes.</summary>
public sealed class FilterProgramTests
{
    private const int Process = 4711;
    private const uint NotThere = FilterProgram.Error | 38; // ENOSYS
    private const ulong ThreadFlags = 0x3D_0F00; // what pthread_create clones with

    private static readonly SystemCall[] s_plain =
        [.. SystemCalls.Files, .. SystemCalls.Identity, .. SystemCalls.FrontEnd, .. SystemCalls.Runtime];

    [Theory]
    [InlineData(Architecture.X64)]
    [InlineData(Architecture.Arm64)]
    public void What_has_a_rule_is_allowed_and_no_other_number_is(Architecture architecture)
    {
        BpfInstruction[] program = Program(architecture);
        SystemCall[] checkedCalls =
        [
            SystemCalls.Clone, SystemCalls.Kill, SystemCalls.Tgkill, SystemCalls.Prctl, SystemCalls.Prlimit64,
            SystemCalls.Ioctl, SystemCalls.SchedSetscheduler,
        ];
        var allowed = s_plain.Append(SystemCalls.OpenByHandleAt).Select(call => call.Number(architecture)).ToHashSet();
        var conditional = checkedCalls.Select(call => call.Number(architecture)).ToHashSet();
        for (int number = 0; number <= SystemCall.Newest; number++)
        {
            if (!conditional.Contains(number))
            {
                uint expected = allowed.Contains(number) ? FilterProgram.Allow
                    : number == SystemCalls.Clone3.X64 ? NotThere : FilterProgram.Kill;
                Assert.Equal(expected, BpfMachine.Run(program, Name(architecture), (uint)number));
            }
        }
    }

    [Theory]
    [InlineData(Architecture.X64)]
    [InlineData(Architecture.Arm64)]
    public void Numbers_of_another_architecture_and_of_x32_mean_nothing(Architecture architecture)
    {
        const uint x86 = 0x4000_0003, arm = 0x4000_0028, x32 = FilterProgram.X32;
        BpfInstruction[] program = Program(architecture);
        uint other = architecture == Architecture.X64 ? FilterProgram.ArchitectureArm64 : FilterProgram.ArchitectureX64;
        foreach (SystemCall call in s_plain.Where(call => call.Number(architecture) >= 0))
        {
            uint number = (uint)call.Number(architecture);
            foreach (uint name in new[] { x86, arm, other, 0u })
            {
                Assert.Equal(FilterProgram.Kill, BpfMachine.Run(program, name, number));
            }

            Assert.Equal(FilterProgram.Kill, BpfMachine.Run(program, Name(architecture), number | x32));
        }

        Assert.Equal(FilterProgram.Kill, BpfMachine.Run(program, Name(architecture), uint.MaxValue));
    }

    [Fact]
    public void A_call_that_is_newer_than_the_tables_is_not_there()
    {
        BpfInstruction[] program = Program(Architecture.X64);
        foreach (uint number in new uint[] { SystemCall.Newest + 1, 600, FilterProgram.X32 - 1 })
        {
            Assert.Equal(NotThere, BpfMachine.Run(program, FilterProgram.ArchitectureX64, number));
        }

        Assert.Equal(FilterProgram.Kill, BpfMachine.Run(program, FilterProgram.ArchitectureX64, SystemCall.Newest));
    }

    [Theory]
    [InlineData("clone", true, ThreadFlags)]
    [InlineData("clone", true, ThreadFlags | (1ul << 40))] // the kernel takes no more than 32 bits
    [InlineData("clone", false, 17ul)] // SIGCHLD: fork
    [InlineData("clone", false, 0x4111ul)] // posix_spawn
    [InlineData("clone", false, ThreadFlags & ~0x1_0000ul)] // no thread, but a process with our memory
    [InlineData("clone", false, ThreadFlags | 0x2_0000)] // NEWNS
    [InlineData("clone", false, ThreadFlags | 0x1000_0000)] // NEWUSER
    [InlineData("clone", false, ThreadFlags | 0x2000_0000)] // NEWPID
    [InlineData("clone", false, ThreadFlags | 0x4000_0000)] // NEWNET
    [InlineData("clone", false, ThreadFlags | 0x0200_0000)] // NEWCGROUP
    [InlineData("kill", true, (ulong)Process, 15ul)]
    [InlineData("kill", false, (ulong)Process + 1, 15ul)]
    [InlineData("kill", false, 0ul, 9ul)]
    [InlineData("kill", false, ulong.MaxValue, 9ul)]
    [InlineData("tgkill", true, (ulong)Process, 4712ul, 34ul)]
    [InlineData("tgkill", false, 1ul, 1ul, 9ul)]
    [InlineData("prctl", true, 15ul)] // PR_SET_NAME
    [InlineData("prctl", false, 4ul, 1ul)] // PR_SET_DUMPABLE
    [InlineData("prctl", false, 0x5961_6D61ul, ulong.MaxValue)] // PR_SET_PTRACER
    [InlineData("prlimit64", true, 0ul, 7ul, 0ul, 0x7FFF_0000_0000ul)]
    [InlineData("prlimit64", false, 0ul, 7ul, 0x7FFF_0000_0000ul)] // its lower half is 0
    [InlineData("prlimit64", false, 0ul, 7ul, 0x1000ul)]
    [InlineData("prlimit64", false, 1ul, 7ul, 0ul, 0x7FFF_0000_0000ul)]
    [InlineData("ioctl", true, 2ul, 0x5401ul)] // TCGETS
    [InlineData("ioctl", true, 2ul, 0x5413ul)] // TIOCGWINSZ
    [InlineData("ioctl", false, 2ul, 0x5412ul)] // TIOCSTI
    [InlineData("ioctl", false, 2ul, 0x1_0000_5412ul)] // the kernel takes no more than 32 bits
    [InlineData("ioctl", false, 3ul, 0x4004_9409ul)] // FICLONE
    [InlineData("sched_setscheduler", true, 0ul, 0ul)]
    [InlineData("sched_setscheduler", false, 0ul, 1ul)] // SCHED_FIFO
    public void Some_calls_are_allowed_for_some_arguments(string name, bool isAllowed, params ulong[] arguments)
    {
        SystemCall[] calls =
        [
            SystemCalls.Clone, SystemCalls.Kill, SystemCalls.Tgkill, SystemCalls.Prctl, SystemCalls.Prlimit64,
            SystemCalls.Ioctl, SystemCalls.SchedSetscheduler,
        ];
        SystemCall call = calls.Single(call => call.Name == name);
        foreach (Architecture architecture in new[] { Architecture.X64, Architecture.Arm64 })
        {
            uint answer = BpfMachine.Run(
                Program(architecture), Name(architecture), (uint)call.Number(architecture), arguments);
            Assert.Equal(isAllowed ? FilterProgram.Allow : FilterProgram.Kill, answer);
        }
    }

    [Fact]
    public void Kernel_handles_diagnostics_and_musl_have_their_own_calls()
    {
        BpfInstruction[] less = FilterProgram.Create(
            ServingRules.Create(Process, kernelHandles: false, hasDiagnostics: false, isMusl: false),
            FilterProgram.Kill, Architecture.X64);
        BpfInstruction[] more = FilterProgram.Create(
            ServingRules.Create(Process, kernelHandles: true, hasDiagnostics: true, isMusl: true),
            FilterProgram.Kill, Architecture.X64);
        foreach (SystemCall call in SystemCalls.Diagnostics.Append(SystemCalls.OpenByHandleAt).Append(SystemCalls.Tkill))
        {
            uint number = (uint)call.Number(Architecture.X64);
            Assert.Equal(FilterProgram.Kill, BpfMachine.Run(less, FilterProgram.ArchitectureX64, number));
            Assert.Equal(FilterProgram.Allow, BpfMachine.Run(more, FilterProgram.ArchitectureX64, number));
        }
    }

    [Fact]
    public void The_numbers_are_those_of_the_kernels_headers()
    {
        Require.Program("gcc");
        SystemCall[] calls =
        [
            .. s_plain, .. SystemCalls.Diagnostics, SystemCalls.Clone, SystemCalls.Clone3, SystemCalls.Ioctl,
            SystemCalls.Kill, SystemCalls.OpenByHandleAt, SystemCalls.Prctl, SystemCalls.Prlimit64,
            SystemCalls.SchedSetscheduler, SystemCalls.Tgkill, SystemCalls.Tkill,
        ];
        Assert.Equal(calls.Length, calls.Select(call => call.Name).Distinct().Count());
        foreach (Architecture architecture in new[] { Architecture.X64, Architecture.Arm64 })
        {
            Dictionary<string, int> header = Header(architecture);
            int newest = header.Values.Max();
            foreach (SystemCall call in calls)
            {
                // An older header lacks what is newer; else what it lacks is not there.
                int number = call.Number(architecture);
                Assert.True(
                    number > newest || header.GetValueOrDefault(call.Name, -1) == number,
                    $"{call.Name} is {header.GetValueOrDefault(call.Name, -1)} on {architecture}, not {number}");
            }
        }
    }

    [Fact]
    public void A_jump_that_leads_nowhere_is_no_program()
    {
        var writer = new BpfAssembler();
        writer.Jump(writer.NewLabel());
        writer.Return(0);
        Assert.Throws<InvalidOperationException>(writer.Assemble);
        Assert.Throws<InvalidOperationException>(new BpfAssembler().Assemble);
    }

    private static BpfInstruction[] Program(Architecture architecture) => FilterProgram.Create(
        ServingRules.Create(Process, kernelHandles: true, hasDiagnostics: false, isMusl: false),
        FilterProgram.Kill,
        architecture);

    private static uint Name(Architecture architecture) =>
        architecture == Architecture.X64 ? FilterProgram.ArchitectureX64 : FilterProgram.ArchitectureArm64;

    // Each name's number, as the preprocessor has it. arm64 has the generic table.
    private static Dictionary<string, int> Header(Architecture architecture)
    {
        using var directory = new TempDirectory();
        string source = architecture == Architecture.X64
            ? "#include <asm/unistd_64.h>\n"
            : "#define __ARCH_WANT_RENAMEAT\n#define __ARCH_WANT_NEW_STAT\n#define __ARCH_WANT_SET_GET_RLIMIT\n"
                + "#define __ARCH_WANT_SYS_CLONE3\n#define __BITS_PER_LONG 64\n#include <asm-generic/unistd.h>\n";
        Require.That(
            architecture == Architecture.Arm64 || RuntimeInformation.ProcessArchitecture == Architecture.X64,
            "the headers of x86-64");
        System.IO.File.WriteAllText(directory["numbers.c"], source);
        ShellResult macros = Shell.Run("gcc", ["-E", "-dM", directory["numbers.c"]]);
        Assert.True(macros.ExitCode == 0, macros.All);
        string[] names =
        [
            .. macros.Out.Split('\n').Where(line => line.StartsWith("#define __NR_", StringComparison.Ordinal))
                .Select(line => line.Split(' ')[1]["__NR_".Length..]),
        ];
        var text = new StringBuilder(source);
        foreach (string name in names)
        {
            text.Append("value_").Append(name).Append(" __NR_").Append(name).Append('\n');
        }

        System.IO.File.WriteAllText(directory["numbers.c"], text.ToString());
        ShellResult values = Shell.Run("gcc", ["-E", "-P", directory["numbers.c"]]);
        return values.Out.Split('\n').Select(line => line.Trim().Split(' '))
            .Where(parts => parts.Length == 2 && parts[0].StartsWith("value_", StringComparison.Ordinal)
                && int.TryParse(parts[1], out int number) && number < 1000)
            .ToDictionary(parts => parts[0]["value_".Length..], parts => int.Parse(parts[1], null));
    }
}
